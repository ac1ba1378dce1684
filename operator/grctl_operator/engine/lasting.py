"""What lasts while a handler is due: its journal, I9 (recorded once), and that it is held.

These are checks of decisions, for `invariants`. They share no code with the rules.
"""

from typing import Any

from grctl.json.equality import same_json
from grctl.json.raw_json import RawJson
from grctl.models.journal import Entry, is_final
from grctl_operator.engine.change import Change
from grctl_operator.engine.decision import Dispatch


def journal_lasts(change: Change) -> str | None:
    """Check that what is recorded stays until the handler is over, and not longer."""
    old, new = change.old.journal, change.new.journal
    if new is None and old is None:
        return None
    if change.ends_handler:
        return None if new is None else "a journal outlives its handler"
    if new is old or old is None or _is_handler_gone(change, old.get("eventUid")):
        return None
    if new is not None and new.get("eventUid") != old.get("eventUid"):
        return "a journal is replaced by that of another handler"
    kept: dict[str, Entry] = new["entries"] if new else {}
    return _find_loss(change, old["entries"], kept)


def _is_handler_gone(change: Change, owner: str | None) -> bool:
    """Return whether the journal's event does not wait any more, or another event is before it."""
    if owner is None:
        return False
    first = next(change.taken, None)
    consumed = any(entry.uid == owner for entry in change.consumed)
    return consumed or first is None or first.uid != owner


def _find_loss(change: Change, old: dict[str, Entry], kept: dict[str, Entry]) -> str | None:
    for key, entry in old.items():
        if key not in kept and not (change.counts_failure and _may_be_done_again(entry)):
            return f"{key} is dropped from the journal"
        if key in kept and is_final(entry) and not _is_same(entry, kept[key]):
            return f"{key} was recorded, and is recorded otherwise"
    return None


def _may_be_done_again(entry: Entry) -> bool:
    """Return whether a failed attempt may drop an entry: a call that it made in vain.

    That is one that failed, or that the handler cancelled. A sleep that it cancelled may not be
    recorded as cancelled yet. A result, and the beginning of a call with `once=True`, stay.
    """
    return "ok" not in entry and "begun" not in entry


def _is_same(one: Entry, other: Entry) -> bool:
    return one is other or same_json(_parsed(one), _parsed(other))


def _parsed(entry: Entry) -> dict[str, Any]:
    return {
        name: value.value() if isinstance(value, RawJson) else value
        for name, value in entry.items()
    }


def dispatches_what_is_not_held(effect: Dispatch, change: Change) -> str | None:
    """Check that no handler is dispatched that a person has to retry first."""
    step = change.old.step
    if step is None or step.stall is None:
        return None
    event = effect.event.uid if effect.event else None
    return f"{effect.name} is dispatched, and it is held" if step.event_uid == event else None

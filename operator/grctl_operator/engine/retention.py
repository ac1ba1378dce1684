"""Retention: how long a finished run stays, and the settled events of any run.

1. A finished run is deleted after `spec.ttlSecondsAfterFinished`, and not earlier. Like a run that
   a person deletes, it rejects its waiting events first (`ending.empty_deleted`).
2. The newest `spec.keepEvents` settled events of a run stay, by their sequence. An event in the
   outbox that is not known to be settled stays, and so do the events after it.
3. Which events were removed already is not known here: the same removal is asked for again, and the
   runtime makes it once.
"""

from datetime import datetime, timedelta

from grctl_operator.engine.decision import Delete, Trim
from grctl_operator.engine.draft import Draft
from grctl_operator.engine.observation import SECOND
from grctl_operator.engine.situation import Situation
from grctl_operator.engine.wait import deadline_after, is_past

DEFAULT_KEPT_EVENTS_COUNT = 1000
"""Settled events of a run that stay if its spec does not say how many."""


def expire(situation: Situation, draft: Draft) -> bool:
    """Delete a finished run whose time is over, or look again when it will be over."""
    until = _stays_until(situation)
    if until is None:
        return False
    if not is_past(situation.now, until):
        draft.wake(until + SECOND)
        return False
    if situation.run.held:  # without the finalizer its events would stay behind
        draft.before.append(Delete())
    return True


def is_expired(situation: Situation) -> bool:
    """Return whether a finished run has stayed for as long as it is to stay."""
    until = _stays_until(situation)
    return until is not None and is_past(situation.now, until)


def _stays_until(situation: Situation) -> datetime | None:
    run = situation.run
    seconds, finished = run.spec.ttl_seconds_after_finished, run.status.finished_at
    if seconds is None or finished is None:
        return None
    return deadline_after(finished, timedelta(seconds=seconds))


def trim(situation: Situation, draft: Draft) -> None:
    """Remove settled events beyond those to be kept; if in doubt, ask for a list."""
    kept = situation.run.spec.keep_events
    surplus = situation.run.status.events.total - (
        DEFAULT_KEPT_EVENTS_COUNT if kept is None else max(kept, 0)
    )
    settled = _settled_through(situation)
    if surplus > settled and not situation.events_complete:
        draft.read_events()
    if min(surplus, settled) > 0:
        draft.before.append(Trim(min(surplus, settled)))


def _settled_through(situation: Situation) -> int:
    """Return the sequence up to which all events are known to be settled."""
    open_ = (
        entry.sequence for entry in situation.unconfirmed_entries if entry.sequence is not None
    )
    return min(open_, default=situation.run.status.events.total + 1) - 1

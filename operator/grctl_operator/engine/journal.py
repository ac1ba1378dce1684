"""The journal of the handler that is due: which recorded entries are its own.

`status.journal` belongs to one handler: to that of the event with its `eventUid`, or to the start
handler or step if it has none. It survives attempts. The commit of an outcome removes it, so that
no other handler finds it. `grctl.models.journal` says what the entries are.
"""

from collections.abc import Mapping
from typing import Any

from grctl.json.equality import same_json
from grctl.json.raw_json import RawJson
from grctl.models.journal import Entry
from grctl.models.run import RunStatus


def entries_for(status: RunStatus, event_uid: str | None) -> dict[str, Entry]:
    """Return what earlier attempts recorded for the handler of an event, a step or a start.

    Args:
        status: The status as it is written.
        event_uid: The uid of the event that is handled; None for a start handler and for a step.
    """
    journal = status.journal
    if journal is None or journal.get("eventUid") != event_uid:
        return {}
    entries: dict[str, Entry] = journal.get("entries") or {}
    return entries


def journal_of(event_uid: str | None, entries: Mapping[str, Entry]) -> dict[str, Any]:
    """Return the journal of a handler, as `status.journal` holds it."""
    owner = {} if event_uid is None else {"eventUid": event_uid}
    return {**owner, "entries": dict(entries)}


def owner_of(status: RunStatus) -> str | None:
    """Return the uid of the event whose handler the journal belongs to; None if it is of none."""
    return status.journal.get("eventUid") if status.journal else None


def same_entry(one: Entry, other: Entry) -> bool:
    """Return whether two entries are the same JSON: an API server may have written one anew."""
    return one is other or same_json(_parsed(one), _parsed(other))


def _parsed(entry: Entry) -> Entry:
    return {
        name: value.value() if isinstance(value, RawJson) else value
        for name, value in entry.items()
    }

"""The journal of the handler that is due: which recorded entries are its own.

`status.journal` belongs to one handler: to that of the event with its `eventUid`, or to the start
handler or step if it has none. It survives attempts. The commit of an outcome removes it, so that
no other handler finds it. `grctl.models.journal` says what the entries are.
"""

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

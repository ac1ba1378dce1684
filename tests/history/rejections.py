"""Whether an event was rejected for a true reason, as far as a history shows: I8 (bad input)."""

from collections.abc import Callable, Iterator

from grctl.models.phases import EventPhase
from grctl.models.reasons import EventReason
from tests.history.history import EventVersion, RunVersion
from tests.history.ledger import Ledger

Evidence = Callable[[Ledger, EventVersion, EventVersion], bool]
"""Takes an event as it was sent and as it was rejected."""


def rejected_for_a_reason(ledger: Ledger) -> Iterator[str]:
    """I8 (bad input): an event is rejected only for a reason that the history shows."""
    for versions in ledger.events.values():
        sent = versions[0]
        rejected = next((each for each in versions if each.phase is EventPhase.REJECTED), None)
        if rejected is None:
            continue
        shown = EVIDENCE.get(rejected.reason or "")
        if shown is None or not shown(ledger, sent, rejected):
            yield f"{sent.name} is rejected as {rejected.reason}, and nothing shows why"


def _unknown(ledger: Ledger, sent: EventVersion, rejected: EventVersion) -> bool:
    """Return whether no handler has that name, and no worker was given the event."""
    run = ledger.runs.get(rejected.run or "")
    names = ledger.history.handlers.get(run[0].workflow_type, frozenset()) if run else frozenset()
    return bool(run) and sent.event_name not in names and sent.uid not in ledger.begun


def _unfit(ledger: Ledger, sent: EventVersion, _rejected: EventVersion) -> bool:
    """Return whether the sender knows that its payload does not fit, and no handler began."""
    return sent.uid in ledger.history.unfit and sent.uid not in ledger.begun


def _finished(ledger: Ledger, _sent: EventVersion, rejected: EventVersion) -> bool:
    return any(run.phase.finished for run in _before(ledger, rejected))


def _deleted(ledger: Ledger, _sent: EventVersion, rejected: EventVersion) -> bool:
    return any(run.deleting for run in _before(ledger, rejected))


def _gone(ledger: Ledger, sent: EventVersion, rejected: EventVersion) -> bool:
    """Return whether it was for one run only, which was gone when another one settled it."""
    wanted = ledger.runs.get(sent.wanted_run or "", [])
    there = [run for run in wanted if run.revision < rejected.revision]
    living = bool(there) and there[-1].exists
    return sent.wanted_run is not None and rejected.run != sent.wanted_run and not living


def _without_a_run(ledger: Ledger, sent: EventVersion, rejected: EventVersion) -> bool:
    """Return whether it was for any run, and none settled it."""
    return sent.wanted_run is None and rejected.run is None


def _before(ledger: Ledger, rejected: EventVersion) -> Iterator[RunVersion]:
    """Return the versions of the run that rejected it, before the rejection."""
    versions = ledger.runs.get(rejected.run or "", [])
    return (each for each in versions if each.revision < rejected.revision)


EVIDENCE: dict[str, Evidence] = {
    EventReason.UNKNOWN_EVENT: _unknown,
    EventReason.BAD_PAYLOAD: _unfit,
    EventReason.RUN_FINISHED: _finished,
    EventReason.RUN_DELETED: _deleted,
    EventReason.RUN_GONE: _gone,
    EventReason.NO_SUCH_RUN: _without_a_run,
}

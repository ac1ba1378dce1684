"""How urgent the write of a run is: which writes may be batched, and which outcomes may wait.

The engine says how urgent; `runtime/timing.py` makes moments of it (decision 0037). A write that is
called less urgent than it is comes some milliseconds late. It is never lost.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from enum import Enum, auto

from grctl.models.directive import WaitForEvent
from grctl.models.run import Wait, WorkflowRun
from grctl.models.wire import Outcome, Refused, Succeeded
from grctl_operator.engine.choice import TakenNames, names_of, taken_events
from grctl_operator.engine.observation import Events, Executions, Held

SHOWN_AFTER = timedelta(seconds=0.25)
"""What lasts this long is worth a write of its own for people; what does not costs nothing."""

MAX_OUTCOMES_PER_BATCH = 8
"""Half of the events that are handed over ahead (decision 0011)."""


class Urgency(Enum):
    """How urgent the write of a status is."""

    NOW = auto()
    """Something follows from it, or somebody waits for it."""
    BATCHED = auto()
    """Only a reader of the status waits: it may share a write with the next outcomes."""
    FOR_PEOPLE = auto()
    """It changes only the readable part of the status. It is written if that part is still true
    after SHOWN_AFTER.
    """
    IN_BACKGROUND = auto()
    """It says what workers have. When a new version of a workflow is deployed, all its runs differ
    at once, so their writes take turns.
    """


def may_batch(run: WorkflowRun, executions: Executions, held: Sequence[Held]) -> bool:
    """Whether a run waited before its outcomes came, and no worker needs a write of it to go on."""
    outcomes = sum(each.outcome is not None for each in held)
    return (
        run.status.wait is not None
        and outcomes <= MAX_OUTCOMES_PER_BATCH
        and not any(each.awaits_records for each in held)
        and executions.have_room_beside(held)
    )


def all_keep_waiting(held: Iterable[Held], wait: Wait | None) -> bool:
    """Whether the run goes on waiting for the same events after each outcome that has come."""
    names = names_of(wait)
    outcomes = (each.outcome for each in held if each.outcome is not None)
    return all(_keeps_waiting(outcome, names) for outcome in outcomes)


def _keeps_waiting(outcome: Outcome, names: TakenNames) -> bool:
    match outcome.result:
        case Succeeded(directive=WaitForEvent() as directive):
            return names_of(directive) == names
        case Refused():
            return True
    return False


def urgency_of_outcomes(run: WorkflowRun, events: Events, executions: Executions) -> Urgency:
    """Return how urgent the write of the outcomes is that have come.

    It costs less than a decision, for each outcome that comes: what is in flight is not looked at.
    """
    held = executions.held
    wait = run.status.wait
    if not may_batch(run, executions, held) or not all_keep_waiting(held, wait):
        return Urgency.NOW
    given = {each.execution.event_uid for each in held}
    given.update(entry.uid for entry in run.status.settled)
    left = next(taken_events(names_of(wait), events, given), None)
    return Urgency.BATCHED if left is None else Urgency.NOW

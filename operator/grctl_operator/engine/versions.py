"""Workers of several versions of a workflow: what one refuses, another may take.

1. A payload that does not fit is rejected only when each version that is connected and has the
   handler has refused it (rule 8). A version is a catalogue: what its workers say of themselves.
   None counts as the newest: after a rollback the older one is.
2. Until then the refusal is open: nothing is committed for the event, and it goes to a worker of
   another version. Both executions are built on the same commit, so one outcome commits (rule 4).
3. Each version is asked once, so this ends. It ends early if no other version is connected any
   more, or if the run is to be cancelled.
4. The same holds for a run's input and its start handler.
"""

from collections.abc import Iterator

from grctl.models.phases import HandlerKind
from grctl.models.reasons import RunReason
from grctl.models.wire import Catalogue, Execution, Failed, Outcome, Refused
from grctl_operator.engine.observation import Held
from grctl_operator.engine.situation import Situation


def is_refusal(outcome: Outcome) -> bool:
    """Return whether the payload or the input did not fit, so that no handler ran."""
    match outcome.result:
        case Refused():
            return True
        case Failed(reason=RunReason.BAD_INPUT):
            return outcome.execution.handler_kind is HandlerKind.START
    return False


def is_open(situation: Situation, held: Held) -> bool:
    """Return whether an outcome is a refusal beside which another version is to be asked."""
    if held.outcome is None or held.catalogue is None or not is_refusal(held.outcome):
        return False
    execution = held.execution
    same = [each for each in situation.executions.held if _same(each.execution, execution)]
    if any(_may_take_it(each) for each in same if each.catalogue != held.catalogue):
        return True  # another version is at it, or took it
    refused = [each.catalogue for each in same if each.outcome and is_refusal(each.outcome)]
    if situation.run.spec.cancel:
        return False
    able = situation.executions.connected_with(execution.handler_kind, execution.handler_name)
    return any(worker.catalogue not in refused for worker in able)


def at_work(situation: Situation) -> tuple[Held, ...]:
    """Return the executions in flight without the open refusals."""
    return tuple(held for held in situation.in_flight if not is_open(situation, held))


def refused_by(situation: Situation) -> tuple[Catalogue, ...]:
    """Return the versions that refused what is due, and are not to be asked again."""
    return tuple(_refused_by(situation))


def _refused_by(situation: Situation) -> Iterator[Catalogue]:
    for held in situation.in_flight:
        if (
            held.catalogue is not None
            and situation.is_current(held.execution)
            and is_open(situation, held)
        ):
            yield held.catalogue


def _may_take_it(held: Held) -> bool:
    return not held.lost if held.outcome is None else not is_refusal(held.outcome)


def _same(execution: Execution, other: Execution) -> bool:
    """Return whether two executions are attempts at the same, built on the same commit."""
    return (
        execution.run_uid == other.run_uid
        and execution.commits == other.commits
        and execution.base == other.base
        and execution.event_uid == other.event_uid
    )

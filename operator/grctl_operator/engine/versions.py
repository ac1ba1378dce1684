"""Versions of a workflow: a payload that one version refuses may be taken by another.

1. A payload is rejected only after each connected version that has the handler has refused it:
   I8 (bad input). A version is a catalogue, the handlers that a worker names. No version counts as
   the newest one: after a rollback the older version is.
2. Until then the refusal is open. Nothing is committed for the event, and a worker of another
   version gets it. Both executions are built on the same commit, so only one outcome commits:
   I4 (one commit).
3. Each version is asked once. The search ends early if no other version is connected any more, or
   if the run is to be cancelled.
4. The same holds for a run's input and its start handler.
"""

from collections.abc import Iterator

from grctl.models.phases import HandlerKind
from grctl.models.reasons import RunReason
from grctl.models.wire import Catalogue, Execution, Failed, Outcome, Refused
from grctl_operator.engine.observation import Held
from grctl_operator.engine.situation import Situation


def is_refusal(outcome: Outcome) -> bool:
    """Return whether the handler did not run because its payload or input did not fit."""
    match outcome.result:
        case Refused():
            return True
        case Failed(reason=RunReason.BAD_INPUT):
            return outcome.execution.handler_kind is HandlerKind.START
    return False


def is_open(situation: Situation, held: Held) -> bool:
    """Return whether an outcome is a refusal, and another version is still to be asked."""
    if held.outcome is None or held.catalogue is None or not is_refusal(held.outcome):
        return False
    execution = held.execution
    same = [each for each in situation.executions.held if _same(each.execution, execution)]
    if any(_may_take_it(each) for each in same if each.catalogue != held.catalogue):
        return True  # another version runs it, or has taken it
    refused = [each.catalogue for each in same if each.outcome and is_refusal(each.outcome)]
    if situation.run.spec.cancel:
        return False
    able = situation.executions.find_connected(execution.handler_kind, execution.handler_name)
    return any(worker.catalogue not in refused for worker in able)


def at_work(situation: Situation) -> tuple[Held, ...]:
    """Return the executions in flight without the open refusals."""
    return tuple(held for held in situation.in_flight if not is_open(situation, held))


def refused_by(situation: Situation) -> tuple[Catalogue, ...]:
    """Return the versions that refused the handler that is due, and are not asked again."""
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
    """Return whether two executions handle the same event, built on the same commit."""
    return (
        execution.run_uid == other.run_uid
        and execution.commits == other.commits
        and execution.base == other.base
        and execution.event_uid == other.event_uid
    )

"""A payload or an input that cannot be carried to a worker ends by a commit, in its turn."""

from grctl.json.raw_json import Uncarriable
from grctl.models import EventPhase, RunPhase
from grctl.models.run import WorkflowRun
from grctl_operator.engine import Dispatch, decide
from tests.engine.builders import (
    NOON,
    event,
    every,
    executions,
    new_run,
    settlement,
    status_of,
    view,
    waiting_run,
)

DEEP = Uncarriable("is nested deeper than 100 levels")


def with_input(run: WorkflowRun, given: object) -> WorkflowRun:
    workflow = run.spec.workflow.model_copy(update={"input": given})
    return run.model_copy(update={"spec": run.spec.model_copy(update={"workflow": workflow})})


def test_an_event_whose_payload_cannot_be_carried_is_rejected_and_the_run_goes_on_waiting() -> None:
    run = waiting_run()
    deep = event("approve", payload=DEEP)

    status = status_of(decide(run, view(run, deep), executions(), NOON))

    (entry,) = status.settled
    assert (entry.phase, entry.reason) == (EventPhase.REJECTED, "BadPayload")
    assert "its payload is nested deeper than 100 levels" in (entry.message or "").lower()
    assert status.phase is RunPhase.WAIT_EVENT
    assert status.commits == run.status.commits + 1


def test_an_event_whose_payload_cannot_be_carried_waits_for_those_before_it() -> None:
    run = waiting_run()
    first, deep = event("approve"), event("approve", "deep", payload=DEEP)

    decision = decide(run, view(run, first, deep), executions(), NOON)

    assert [each.event for each in every(Dispatch, decision.before)] == [first]
    assert decision.status is None or not decision.status.settled


def test_a_run_whose_input_cannot_be_carried_fails_by_a_commit() -> None:
    run = with_input(new_run(), DEEP)

    decision = decide(run, view(run), executions(), NOON)

    status = status_of(decision)
    assert (status.phase, status.commits) == (RunPhase.FAILED, 1)
    assert status.error is not None
    assert status.error.type == "BadInput"
    assert not every(Dispatch, decision.before)


def test_a_run_past_its_start_does_not_fail_for_its_input() -> None:
    run = with_input(waiting_run(settled=[settlement(event("old"))]), DEEP)

    decision = decide(run, view(run), executions(), NOON)

    assert decision.status is None or decision.status.phase is RunPhase.WAIT_EVENT

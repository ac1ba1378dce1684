"""A run is cancelled or terminated by its spec, or ends by its own timeout."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from grctl.models import (
    Complete,
    EventPhase,
    HandlerKind,
    NextStep,
    RunPhase,
    Step,
    WaitForEvent,
    WorkflowRun,
)
from grctl.models.limits import MAX_MESSAGE_BYTES
from grctl.models.wire import Execution
from grctl_operator.engine import Announce, Dispatch, Held, Hold, Release, decide
from grctl_operator.engine.urgency import Urgency
from tests.engine.builders import (
    NOON,
    at,
    brought,
    deleted,
    event,
    every,
    execution,
    executions,
    failed,
    finished_run,
    lost,
    new_run,
    refused,
    runs,
    status_of,
    stepping_run,
    view,
    waiting_run,
    with_status,
    written,
)

HOUR = timedelta(hours=1)
WISHES: list[dict[str, Any]] = [{"cancel": True}, {"terminate": True}]


@pytest.mark.parametrize(
    ("run", "phase", "message"),
    [
        (waiting_run(cancel=True), RunPhase.CANCELLED, "Cancelled by spec."),
        (waiting_run(terminate=True), RunPhase.TERMINATED, "Terminated by spec."),
        (new_run(cancel=True), RunPhase.CANCELLED, "Cancelled by spec."),
        (
            waiting_run(cancel=True, cancel_reason=" no stock "),
            RunPhase.CANCELLED,
            "Cancelled by spec: no stock",
        ),
        (new_run(cancel=True, cancel_reason=""), RunPhase.CANCELLED, "Cancelled by spec."),
        (stepping_run(terminate=True), RunPhase.TERMINATED, "Terminated by spec."),
    ],
)
def test_a_spec_ends_its_run_by_a_commit(run: WorkflowRun, phase: RunPhase, message: str) -> None:
    decision = decide(run, view(run), executions(), NOON)

    status = status_of(decision)
    assert (status.phase, status.message, status.finished_at) == (phase, message, NOON)
    assert status.commits == run.status.commits + 1
    assert decision.urgency is Urgency.NOW
    assert every(Dispatch, decision.before) == []


def test_the_end_is_announced_and_noted() -> None:
    run = waiting_run(terminate=True, commits=3)

    decision = decide(run, view(run), executions(), NOON)

    entry = status_of(decision).history[-1]
    assert (entry.commit, entry.kind, entry.outcome) == (4, "spec", "Terminated")
    assert [each.reason for each in every(Announce, decision.after)] == ["Terminated"]


def test_a_cancellation_leaves_a_running_handler_alone() -> None:
    run = stepping_run("ship", cancel=True)

    decision = decide(run, view(run), executions(runs(execution(run, "ship"))), NOON)

    assert status_of(decision).phase is RunPhase.RUNNING
    assert every(Release, (*decision.before, *decision.after)) == []


def test_a_cancelled_run_commits_the_outcome_of_its_running_handler_and_then_ends() -> None:
    run = stepping_run("pay", cancel=True)
    done = brought(execution(run, "pay"), NextStep(step="ship"))

    status = status_of(decide(run, view(run), executions(done), NOON))

    assert (status.phase, status.step) == (RunPhase.CANCELLED, None)
    assert status.message == "Cancelled by spec, after pay."
    assert status.last_execution == "e1"


def test_the_reason_of_a_cancellation_stands_behind_the_handler_that_came_to_its_end() -> None:
    run = stepping_run("pay", cancel=True, cancel_reason="no stock")
    done = brought(execution(run, "pay"), NextStep(step="ship"))

    status = status_of(decide(run, view(run), executions(done), NOON))

    assert status.message == "Cancelled by spec, after pay: no stock"


def test_a_long_reason_of_a_cancellation_is_cut() -> None:
    run = waiting_run(cancel=True, cancel_reason="x" * 2 * MAX_MESSAGE_BYTES)

    message = status_of(decide(run, view(run), executions(), NOON)).message

    assert len(message) <= MAX_MESSAGE_BYTES
    assert "... cut ..." in message


def test_a_cancelled_run_that_completes_is_completed() -> None:
    run = stepping_run("ship", cancel=True)
    done = brought(execution(run, "ship"), Complete(result=1))

    status = status_of(decide(run, view(run), executions(done), NOON))

    assert (status.phase, status.result) == (RunPhase.COMPLETED, 1)


def test_a_cancelled_run_whose_handler_raises_is_failed() -> None:
    run = stepping_run("ship", cancel=True)

    status = status_of(
        decide(run, view(run), executions(brought(execution(run, "ship"), failed())), NOON)
    )

    assert status.phase is RunPhase.FAILED


def test_a_cancelled_run_whose_event_is_refused_ends_after_that() -> None:
    run = waiting_run(cancel=True)
    approve = event("approve")
    unfit = brought(execution(run, approve), refused())

    status = status_of(decide(run, view(run, approve), executions(unfit), NOON))

    assert status.phase is RunPhase.CANCELLED
    assert [each.reason for each in status.settled] == ["BadPayload"]


def test_cancelling_does_not_void_an_outcome_whose_worker_left_after_it() -> None:
    run = stepping_run("pay", cancel=True)
    done = brought(execution(run, "pay"), NextStep(step="ship"), lost=True)

    status = status_of(decide(run, view(run), executions(done), NOON))

    assert status.last_execution == "e1"


def test_cancelling_waits_for_workers_that_may_still_run_the_handler_after_a_restart() -> None:
    step = Step(name="pay", kind=HandlerKind.STEP, worker="w1", since=at("11:59"))
    run = with_status(stepping_run("pay", cancel=True), step=step)
    started = executions(accepting_since=at("11:59:59"))

    decision = decide(run, view(run), started, NOON)

    assert decision.status is None or decision.status.phase is RunPhase.RUNNING


def test_a_termination_voids_the_running_handler_and_releases_it_after_the_commit() -> None:
    run = stepping_run("ship", terminate=True)

    decision = decide(run, view(run), executions(runs(execution(run, "ship"))), NOON)

    assert status_of(decision).phase is RunPhase.TERMINATED
    assert every(Release, decision.before) == []
    assert every(Release, decision.after) == [Release("e1", False, "Terminated by spec.")]


def test_an_outcome_that_comes_with_the_termination_is_void() -> None:
    run = stepping_run("ship", terminate=True)
    done = brought(execution(run, "ship"), Complete(result=1))

    status = status_of(decide(run, view(run), executions(done), NOON))

    assert (status.phase, status.result) == (RunPhase.TERMINATED, None)


def test_a_run_over_its_time_is_timed_out() -> None:
    run = waiting_run(timeout=3 * HOUR)

    decision = decide(run, view(run), executions(), at("12:00:01"))

    assert status_of(decision).phase is RunPhase.TIMED_OUT
    assert [each.warning for each in every(Announce, decision.after)] == [True]


def test_a_run_in_its_last_second_goes_on_and_is_looked_at_after_it() -> None:
    run = waiting_run(timeout=3 * HOUR)

    decision = decide(run, view(run), executions(), at("12:00:00.999"))

    assert status_of(decision).phase is RunPhase.WAIT_EVENT
    assert decision.look_again_at == at("12:00:01")


def test_a_run_that_never_found_a_worker_is_timed_out_too() -> None:
    run = new_run(timeout=HOUR)

    status = status_of(decide(run, view(run), executions(workers=[]), NOON))

    assert status.phase is RunPhase.TIMED_OUT


def test_a_timed_out_run_says_its_time_as_its_spec_does() -> None:
    run = waiting_run(timeout=1.5 * HOUR)

    status = status_of(decide(run, view(run), executions(), NOON))

    assert status.message == "It did not finish within 1h30m."


def test_the_earlier_of_two_times_wakes() -> None:
    run = waiting_run(timeout=4 * HOUR, deadline=at("12:30"), timeout_step="remind")

    decision = decide(run, view(run), executions(), NOON)

    assert decision.look_again_at == at("12:30:01")


@pytest.mark.parametrize("spec", [{"cancel": True}, {"terminate": True}, {"timeout": HOUR}])
def test_a_finished_run_stays_as_it_is(spec: dict[str, Any]) -> None:
    run = new_run(**spec)
    run = run.model_copy(update={"status": finished_run().status})

    decision = decide(run, view(run), executions(), NOON)

    assert decision.status is None or decision.status.phase is RunPhase.COMPLETED


# races with events, workers and each other


def test_cancelling_a_wait_does_not_wait_for_the_events_that_wait_too() -> None:
    run = waiting_run(cancel=True)
    approve = event("approve")

    ended = decide(run, view(run, approve), executions(), NOON)
    run = written(run, ended)
    rest = decide(run, view(run, approve), executions(), NOON)

    assert status_of(ended).phase is RunPhase.CANCELLED
    assert every(Dispatch, ended.before) == []
    assert [(each.name, each.reason) for each in status_of(rest).settled] == [
        ("approve", "RunFinished")
    ]


def test_cancelling_lets_an_event_that_is_being_handled_come_to_its_end() -> None:
    run = waiting_run(cancel=True)
    approve = event("approve")
    handled = execution(run, approve)

    meanwhile = decide(run, view(run, approve), executions(runs(handled)), NOON)
    done = executions(brought(handled, WaitForEvent()))
    then = status_of(decide(run, view(run, approve), done, NOON))

    assert status_of(meanwhile).phase is RunPhase.RUNNING
    assert (then.phase, then.message) == (RunPhase.CANCELLED, "Cancelled by spec, after approve.")
    assert [each.phase for each in then.settled] == [EventPhase.PROCESSED]


def test_an_event_that_was_withdrawn_holds_up_no_cancellation() -> None:
    run = waiting_run(cancel=True)
    withdrawn = execution(run, event("approve"))

    decision = decide(run, view(run), executions(runs(withdrawn)), NOON)

    assert status_of(decision).phase is RunPhase.CANCELLED
    assert [each.execution for each in every(Release, decision.before)] == ["e1"]


def test_a_handler_whose_worker_was_lost_is_not_tried_again_when_cancelled() -> None:
    run = stepping_run("pay", cancel=True)
    gone = executions(lost(execution(run, "pay")))

    status = status_of(decide(run, view(run), gone, NOON))

    assert (status.phase, status.last_execution) == (RunPhase.CANCELLED, "before")


@pytest.mark.parametrize("wish", WISHES)
def test_a_cancellation_does_not_wait_for_the_end_of_a_back_off(wish: dict[str, Any]) -> None:
    run = stepping_run("pay", attempt=5, since=NOON, **wish)

    status = status_of(decide(run, view(run), executions(), NOON))

    assert status.phase.finished


@pytest.mark.parametrize("wish", WISHES)
def test_a_run_that_no_worker_serves_can_be_ended(wish: dict[str, Any]) -> None:
    run = new_run(**wish)

    status = status_of(decide(run, view(run), executions(workers=[]), NOON))

    assert status.phase.finished


def test_a_cancellation_that_was_taken_back_in_time_changes_nothing() -> None:
    run = stepping_run("pay", cancel=False, terminate=False)
    done = executions(brought(execution(run, "pay"), NextStep(step="ship")))

    status = status_of(decide(run, view(run), done, NOON))

    assert (status.phase, status.step and status.step.name) == (RunPhase.RUNNING, "ship")


@pytest.mark.parametrize("held", [runs, lambda made: brought(made, Complete())])
def test_a_run_that_is_cancelled_and_terminated_is_terminated(
    held: Callable[[Execution], Held],
) -> None:
    run = stepping_run("pay", cancel=True, terminate=True)

    status = status_of(decide(run, view(run), executions(held(execution(run, "pay"))), NOON))

    assert status.phase is RunPhase.TERMINATED


def test_the_event_that_was_handled_when_its_run_was_terminated_is_told_so() -> None:
    run = waiting_run(terminate=True)
    approve = event("approve")
    handled = executions(runs(execution(run, approve)))
    run = written(run, decide(run, view(run, approve), handled, NOON))

    status = status_of(decide(run, view(run, approve), handled, NOON))

    assert [(each.phase, each.reason) for each in status.settled] == [
        (EventPhase.REJECTED, "RunFinished")
    ]


def test_a_worker_that_comes_back_after_the_termination_is_told_that_it_is_void() -> None:
    before = stepping_run("pay")
    run = with_status(before, phase=RunPhase.TERMINATED, commits=4, step=None)
    back = executions(runs(execution(before, "pay")))

    decision = decide(run, view(run), back, NOON)

    assert every(Release, decision.before) == [Release("e1", False, "the run went on without it")]


@pytest.mark.parametrize("wish", WISHES)
def test_a_deletion_comes_before_a_cancellation(wish: dict[str, Any]) -> None:
    run = deleted(waiting_run(**wish))

    decision = decide(run, view(run, event("approve")), executions(), NOON)

    assert status_of(decision).phase is RunPhase.WAIT_EVENT
    assert [each.reason for each in status_of(decision).settled] == ["RunDeleted"]


def test_a_cancelled_wait_whose_deadline_has_passed_does_not_go_on_with_its_step() -> None:
    run = waiting_run(deadline=at("11:00"), timeout_step="remind", cancel=True)

    status = status_of(decide(run, view(run), executions(), NOON))

    assert (status.phase, status.step) == (RunPhase.CANCELLED, None)


def test_a_run_over_its_time_aborts_the_step_that_runs() -> None:
    run = stepping_run("pay", timeout=HOUR)

    decision = decide(run, view(run), executions(runs(execution(run, "pay"))), NOON)

    assert status_of(decision).phase is RunPhase.TIMED_OUT
    assert every(Release, decision.before) == []
    assert every(Release, decision.after) == [Release("e1", False, "It did not finish within 1h.")]


def test_an_outcome_that_comes_with_the_end_of_a_runs_time_is_void() -> None:
    run = stepping_run("pay", timeout=HOUR)
    done = brought(execution(run, "pay"), Complete(result=1))

    status = status_of(decide(run, view(run), executions(done), NOON))

    assert (status.phase, status.result) == (RunPhase.TIMED_OUT, None)


def test_a_run_that_is_cancelled_and_over_its_time_while_a_step_runs_is_timed_out() -> None:
    run = stepping_run("pay", timeout=HOUR, cancel=True)

    status = status_of(decide(run, view(run), executions(runs(execution(run, "pay"))), NOON))

    assert status.phase is RunPhase.TIMED_OUT


def test_a_run_is_not_ended_before_the_finalizer_holds_it() -> None:
    run = new_run(held=False, terminate=True)

    decision = decide(run, view(run), executions(), NOON)

    assert status_of(decision).phase is RunPhase.PENDING
    assert every(Hold, decision.before) == [Hold()]


def test_a_timeout_of_zero_ends_the_run_at_once() -> None:
    run = new_run(timeout=timedelta(0))

    status = status_of(decide(run, view(run), executions(), NOON))

    assert (status.phase, status.message) == (RunPhase.TIMED_OUT, "It did not finish within 0s.")


def test_a_run_whose_timeout_is_beyond_the_calendar_starts_and_can_be_terminated() -> None:
    run = new_run(timeout=timedelta.max)

    assert every(Dispatch, decide(run, view(run), executions(), NOON).before)

    run = waiting_run(timeout=timedelta.max, terminate=True)
    status = status_of(decide(run, view(run), executions(), NOON))

    assert status.phase is RunPhase.TERMINATED

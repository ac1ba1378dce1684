"""What a run's spec asks for: to be cancelled, terminated, or to end in time."""

from datetime import timedelta
from typing import Any

import pytest

from grctl.models import Complete, HandlerKind, NextStep, RunPhase, Step, WorkflowRun
from grctl_operator.engine import Announce, Dispatch, Hold, Release, decide
from tests.engine.builders import (
    NOON,
    at,
    brought,
    event,
    every,
    execution,
    executions,
    failed,
    finished_run,
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


@pytest.mark.parametrize(
    ("run", "phase", "message"),
    [
        (waiting_run(cancel=True), RunPhase.CANCELLED, "Cancelled by spec."),
        (waiting_run(terminate=True), RunPhase.TERMINATED, "Terminated by spec."),
        (new_run(cancel=True), RunPhase.CANCELLED, "Cancelled by spec."),
        (stepping_run(terminate=True), RunPhase.TERMINATED, "Terminated by spec."),
    ],
)
def test_a_spec_ends_its_run_by_a_commit(run: WorkflowRun, phase: RunPhase, message: str) -> None:
    decision = decide(run, view(run), executions(), NOON)

    status = status_of(decision)
    assert (status.phase, status.message, status.finished_at) == (phase, message, NOON)
    assert status.commits == run.status.commits + 1
    assert decision.write_by == NOON
    assert every(Dispatch, decision.before) == []


def test_the_end_is_announced_and_noted() -> None:
    run = waiting_run(terminate=True, commits=3)

    decision = decide(run, view(run), executions(), NOON)

    entry = status_of(decision).history[-1]
    assert (entry.commit, entry.kind, entry.outcome) == (4, "spec", "Terminated")
    assert [each.reason for each in every(Announce, decision.after)] == ["Terminated"]


def test_cancelling_leaves_what_runs_alone() -> None:
    run = stepping_run("ship", cancel=True)

    decision = decide(run, view(run), executions(runs(execution(run, "ship"))), NOON)

    assert status_of(decision).phase is RunPhase.RUNNING
    assert every(Release, (*decision.before, *decision.after)) == []


def test_a_cancelled_run_commits_the_outcome_of_what_ran_and_then_ends() -> None:
    run = stepping_run("pay", cancel=True)
    done = brought(execution(run, "pay"), NextStep(step="ship"))

    status = status_of(decide(run, view(run), executions(done), NOON))

    assert (status.phase, status.step) == (RunPhase.CANCELLED, None)
    assert status.message == "Cancelled by spec, after pay."
    assert status.last_execution == "e1"


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
    run = written(run, decide(run, view(run, approve), executions(unfit), NOON))

    status = status_of(decide(run, view(run), executions(), NOON))

    assert status.phase is RunPhase.CANCELLED
    assert [each.reason for each in run.status.settled] == ["BadPayload"]


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


def test_terminating_voids_what_runs_and_tells_its_worker_after_the_commit() -> None:
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
    assert decision.wake_at == at("12:00:01")


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

    assert decision.wake_at == at("12:30:01")


@pytest.mark.parametrize("spec", [{"cancel": True}, {"terminate": True}, {"timeout": HOUR}])
def test_a_finished_run_stays_as_it_is(spec: dict[str, Any]) -> None:
    run = new_run(**spec)
    run = run.model_copy(update={"status": finished_run().status})

    decision = decide(run, view(run), executions(), NOON)

    assert decision.status is None or decision.status.phase is RunPhase.COMPLETED


def test_a_run_is_not_ended_before_the_finalizer_holds_it() -> None:
    run = new_run(held=False, terminate=True)

    decision = decide(run, view(run), executions(), NOON)

    assert status_of(decision).phase is RunPhase.PENDING
    assert every(Hold, decision.before) == [Hold()]

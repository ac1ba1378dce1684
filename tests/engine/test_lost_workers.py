"""A worker is lost with what it executes: a further attempt is written first, five are enough."""

import pytest

from grctl.models import EventPhase, HandlerKind, RunPhase, Step
from grctl_operator.engine import (
    Dispatch,
    Release,
    decide,
)
from grctl_operator.engine.dispatch import MAX_ATTEMPTS
from tests.engine.builders import (
    NOON,
    at,
    event,
    every,
    execution,
    executions,
    lost,
    new_run,
    runs,
    seconds,
    status_of,
    stepping_run,
    view,
    waiting_run,
    written,
)


def test_a_second_attempt_is_written_before_it_is_dispatched() -> None:
    run = stepping_run("ship")
    gone = lost(execution(run, "ship"))

    decision = decide(run, view(run), executions(gone), NOON)
    after = written(run, decision)
    again = decide(after, view(after), executions(), NOON)

    assert every(Dispatch, (*decision.before, *decision.after)) == []
    assert decision.write_by == NOON
    assert [each.attempt for each in every(Dispatch, again.before)] == [2]


def test_a_further_attempt_is_no_commit() -> None:
    run = stepping_run("ship")

    decision = decide(run, view(run), executions(lost(execution(run, "ship"))), NOON)

    assert status_of(decision).commits == run.status.commits


def test_a_lost_execution_is_forgotten_only_when_the_next_attempt_is_written() -> None:
    run = stepping_run("ship")

    decision = decide(run, view(run), executions(lost(execution(run, "ship"))), NOON)

    assert every(Release, decision.before) == []
    assert every(Release, decision.after) == [Release("e1", False, "its worker was lost")]


def test_a_lost_attempt_that_was_followed_already_is_just_forgotten() -> None:
    run = stepping_run("ship", attempt=2)
    first = lost(execution(run, "ship", attempt=1))

    decision = decide(run, view(run), executions(first), NOON)

    assert every(Release, decision.before) == [Release("e1", False, "its worker was lost")]
    assert [each.attempt for each in every(Dispatch, decision.before)] == [2]


def test_a_lost_attempt_beside_one_that_runs_causes_no_other() -> None:
    run = stepping_run("ship", attempt=2)
    first = lost(execution(run, "ship", "e1", attempt=1))
    second = runs(execution(run, "ship", "e2", attempt=2))

    decision = decide(run, view(run), executions(first, second), NOON)

    assert [each.execution for each in every(Release, decision.before)] == ["e1"]
    assert every(Dispatch, decision.before) == []


@pytest.mark.parametrize(("attempt", "back_off"), [(2, 0), (3, 1), (4, 2), (5, 4)])
def test_further_attempts_back_off(attempt: int, back_off: int) -> None:
    run = stepping_run("ship", attempt=attempt, since=NOON)
    due = NOON + seconds(back_off)

    early = decide(run, view(run), executions(), due - seconds(0.001))
    in_time = decide(run, view(run), executions(), due)

    assert [each.attempt for each in every(Dispatch, in_time.before)] == [attempt]
    if back_off:
        assert every(Dispatch, early.before) == []
        assert early.wake_at == due


def test_a_third_attempt_waits_a_second_wherever_in_a_second_the_worker_was_lost() -> None:
    run = stepping_run("ship", attempt=2)
    moment = at("12:00:00.900")
    gone = lost(execution(run, "ship", attempt=2))
    run = written(run, decide(run, view(run), executions(gone), moment))

    decision = decide(run, view(run), executions(), moment + seconds(0.5))

    assert every(Dispatch, decision.before) == []


def test_a_further_attempt_at_an_event_goes_on_with_that_event() -> None:
    run = waiting_run()
    approve = event("approve")
    run = written(
        run,
        decide(run, view(run, approve), executions(lost(execution(run, approve))), NOON),
    )

    decision = decide(run, view(run, approve), executions(), NOON)

    assert [(each.event, each.attempt) for each in every(Dispatch, decision.before)] == [
        (approve, 2)
    ]
    assert run.status.wait is not None


def test_a_further_attempt_at_the_start_handler_counts_too() -> None:
    run = new_run()
    run = written(run, decide(run, view(run), executions(lost(execution(run))), NOON))

    decision = decide(run, view(run), executions(), NOON)

    assert [(each.name, each.attempt) for each in every(Dispatch, decision.before)] == [
        ("start", 2)
    ]


def test_attempts_at_a_withdrawn_event_do_not_count_for_the_next() -> None:
    approve = event("approve")
    step = Step(
        name="approve",
        kind=HandlerKind.EVENT,
        attempt=4,
        event="withdrawn",
        event_uid="uid-of-withdrawn",
        since=NOON,
    )
    run = waiting_run(step=step)

    decision = decide(run, view(run, approve), executions(), NOON)

    assert [each.attempt for each in every(Dispatch, decision.before)] == [1]


def test_a_handler_that_lost_five_workers_fails_its_run() -> None:
    run = stepping_run("ship", attempt=MAX_ATTEMPTS)
    gone = lost(execution(run, "ship", attempt=MAX_ATTEMPTS), worker="w5")

    status = status_of(decide(run, view(run), executions(gone), NOON))

    assert MAX_ATTEMPTS == 5
    assert status.error is not None
    assert (status.phase, status.error.type) == (RunPhase.FAILED, "WorkerLost")
    assert status.error.message == "ship lost its worker in each of 5 attempts, last w5."
    assert status.commits == run.status.commits + 1


def test_an_event_that_lost_five_workers_fails_with_its_run() -> None:
    approve = event("approve")
    step = Step(
        name="approve",
        kind=HandlerKind.EVENT,
        attempt=5,
        event=approve.name,
        event_uid=approve.uid,
        since=NOON,
    )
    run = waiting_run(step=step)
    gone = lost(execution(run, approve, attempt=5))

    status = status_of(decide(run, view(run, approve), executions(gone), NOON))

    assert [(each.phase, each.reason) for each in status.settled] == [
        (EventPhase.FAILED, "WorkerLost")
    ]


def test_nothing_is_tried_again_before_the_finalizer_holds_the_run() -> None:
    run = new_run(held=False)

    decision = decide(run, view(run), executions(lost(execution(run))), NOON)

    assert every(Release, (*decision.before, *decision.after)) == []

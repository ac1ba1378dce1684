"""A step that begins later: it is never early, and it survives operators and clocks."""

from datetime import timedelta

import pytest

from grctl.models import NextStep, WorkflowRun
from grctl_operator.engine import Dispatch, decide
from tests.engine.builders import (
    NOON,
    at,
    brought,
    event,
    every,
    execution,
    executions,
    lost,
    seconds,
    status_of,
    stepping_run,
    view,
    waiting_run,
    written,
)

APPROVE, SECOND = event("approve"), event("approve", "second", place=2)
THREE_DAYS = timedelta(days=3)


def delayed(after: timedelta = THREE_DAYS, *, since: str = "12:00:00.250") -> WorkflowRun:
    """A run whose next step begins so long after a commit."""
    run = waiting_run()
    done = brought(execution(run, APPROVE), NextStep(step="remind", after=after))
    return written(run, decide(run, view(run, APPROVE), executions(done), at(since)))


def test_the_commit_says_when_the_step_begins_rounded_up_to_a_second() -> None:
    run = delayed()

    assert run.status.step is not None
    assert run.status.step.not_before == NOON + THREE_DAYS + seconds(1)
    assert run.status.message == "Goes on with step remind at 2026-11-26 12:00:01Z."
    assert [each.reason for each in run.status.conditions] == ["Delayed", "Delayed"]
    assert run.status.phase == "Running"
    assert run.status.history[-1].outcome == "step remind is next, after 72h"


def test_a_delayed_step_is_not_dispatched_early() -> None:
    run = delayed()
    begins = NOON + THREE_DAYS + seconds(1)

    early = decide(run, view(run, SECOND), executions(), begins - seconds(0.001))
    in_time = decide(run, view(run, SECOND), executions(), begins)

    assert every(Dispatch, early.before) == []
    assert early.look_again_at == begins
    assert [(each.name, each.attempt) for each in every(Dispatch, in_time.before)] == [
        ("remind", 1)
    ]


def test_nothing_is_written_while_a_step_is_delayed() -> None:
    run = delayed()

    decision = decide(run, view(run), executions(), NOON + timedelta(days=2))

    assert decision.status is None


def test_an_operator_that_starts_meanwhile_keeps_to_the_moment() -> None:
    run = delayed()
    begins = NOON + THREE_DAYS + seconds(1)
    started = executions(accepting_since=begins - seconds(30))

    early = decide(run, view(run), started, begins - seconds(1))
    in_time = decide(run, view(run), started, begins)

    assert every(Dispatch, early.before) == []
    assert len(every(Dispatch, in_time.before)) == 1


def test_a_clock_that_goes_back_delays_the_step_and_never_hastens_it() -> None:
    run = delayed(timedelta(hours=1))

    decision = decide(run, view(run), executions(), NOON - timedelta(hours=5))

    assert every(Dispatch, decision.before) == []
    assert decision.look_again_at == NOON + timedelta(hours=1) + seconds(1)


@pytest.mark.parametrize("after", [None, timedelta(0), timedelta(seconds=-1)])
def test_a_step_without_a_delay_begins_at_once(after: timedelta | None) -> None:
    run = waiting_run()
    done = brought(execution(run, APPROVE), NextStep(step="remind", after=after))

    status = status_of(decide(run, view(run, APPROVE), executions(done), NOON))

    assert status.step is not None
    assert status.step.not_before is None


def test_a_delay_beyond_the_calendar_ends_with_it() -> None:
    run = delayed(timedelta.max)

    assert run.status.step is not None
    assert run.status.step.not_before is not None
    assert run.status.step.not_before.year == 9999


def test_a_delayed_step_whose_worker_is_lost_goes_on_at_once() -> None:
    run = delayed(timedelta(hours=1))
    begun = NOON + timedelta(hours=2)
    gone = lost(execution(run, "remind"))
    after = written(run, decide(run, view(run), executions(gone), begun))

    decision = decide(after, view(after), executions(), begun)

    assert [each.attempt for each in every(Dispatch, decision.before)] == [2]


@pytest.mark.parametrize("spec", [{"cancel": True}, {"terminate": True}], ids=str)
def test_a_delayed_run_can_be_ended(spec: dict[str, bool]) -> None:
    run = delayed()
    run = run.model_copy(update={"spec": run.spec.model_copy(update=spec)})

    assert status_of(decide(run, view(run), executions(), NOON)).phase.finished


def test_events_wait_while_a_step_is_delayed() -> None:
    run = delayed()

    decision = decide(run, view(run, SECOND), executions(), NOON)

    assert every(Dispatch, decision.before) == []
    assert [entry.name for entry in status_of(decision).inbox] == ["second"]


def test_a_step_without_a_delay_is_as_before() -> None:
    run = stepping_run("ship")

    assert len(every(Dispatch, decide(run, view(run), executions(), NOON).before)) == 1

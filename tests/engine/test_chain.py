"""Steps without an event between them are slowed down after a while; others never are."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from grctl.models import HandlerKind, Step, WaitForEvent, WorkflowRun
from grctl.models.directive import NextStep
from grctl_operator.engine import Announce, Dispatch, decide
from grctl_operator.engine.chain import MAX_UNSLOWED_STEPS, SLOWED, SLOWED_STEPS_PER_S
from tests.engine.builders import (
    NOON,
    brought,
    event,
    every,
    execution,
    executions,
    lost,
    runs,
    seconds,
    status_of,
    stepping_run,
    view,
    waiting_run,
    written,
)


def chained(chain: int | None, since: datetime = NOON, **step: Any) -> WorkflowRun:
    """A run whose next handler is the step of a chain of that length."""
    due = Step(name="ship", kind=HandlerKind.STEP, chain=chain, since=since, **step)
    return stepping_run("ship", status={"step": due})


def after_one_more(run: WorkflowRun, now: datetime) -> tuple[WorkflowRun, list[Announce]]:
    """The run after its step returned itself."""
    again = brought(execution(run, "ship"), NextStep(step="ship"))
    decision = decide(run, view(run), executions(again), now)
    return written(run, decision), every(Announce, decision.after)


def steps_in(run: WorkflowRun, span: timedelta, took: timedelta) -> int:
    """Count the steps of so long each that a run takes in a time, one after the other."""
    now, count = NOON, 0
    while now < NOON + span:
        decision = decide(run, view(run), executions(), now)
        if not every(Dispatch, decision.before):
            assert decision.look_again_at is not None
            assert decision.look_again_at > now
            now = decision.look_again_at
            continue
        now += took
        run, _ = after_one_more(run, now)
        count += 1
    return count


def test_a_step_that_returns_itself_is_slowed_down_to_so_many_a_second() -> None:
    count = steps_in(chained(None), timedelta(seconds=60), timedelta(milliseconds=3))
    assert MAX_UNSLOWED_STEPS < count <= MAX_UNSLOWED_STEPS + (60 + 1) * SLOWED_STEPS_PER_S


def test_a_chain_of_quick_steps_is_not_slowed_down() -> None:
    run = chained(None)
    for _ in range(MAX_UNSLOWED_STEPS):
        assert every(Dispatch, decide(run, view(run), executions(), NOON).before)
        run, told = after_one_more(run, NOON)
        assert told == []


def test_a_loop_that_takes_its_time_is_never_slowed_down() -> None:
    took = timedelta(seconds=1.25) / SLOWED_STEPS_PER_S
    count = steps_in(chained(None), timedelta(seconds=600), took)
    assert count == timedelta(seconds=600) / took


def test_a_chain_that_is_slowed_down_is_announced() -> None:
    run, told = after_one_more(chained(MAX_UNSLOWED_STEPS), NOON)
    assert told == [Announce("SlowedDown", SLOWED, warning=True)]
    assert run.status.message == f"Goes on with step handler ship. {SLOWED}"
    _, told = after_one_more(run, NOON)
    assert told == []


def test_a_chain_is_never_held_back_for_longer_than_its_length_says() -> None:
    run = chained(MAX_UNSLOWED_STEPS + 5)
    decision = decide(run, view(run), executions(), NOON)
    assert every(Dispatch, decision.before) == []
    assert decision.look_again_at == NOON + seconds(5 / SLOWED_STEPS_PER_S)


def test_an_event_begins_a_new_chain() -> None:
    run = waiting_run()
    approve = event("approve")
    stepped = brought(execution(run, approve), NextStep(step="ship"))
    status = status_of(decide(run, view(run, approve), executions(stepped), NOON))
    assert status.step is not None
    assert status.step.chain is None


def test_a_wait_ends_a_chain() -> None:
    run = chained(MAX_UNSLOWED_STEPS + 50)
    waits = brought(execution(run, "ship"), WaitForEvent())
    assert status_of(decide(run, view(run), executions(waits), NOON)).step is None


@pytest.mark.parametrize("how", ["runs", "lost"])
def test_a_chain_is_remembered_while_its_step_runs_and_when_it_is_lost(how: str) -> None:
    run = chained(MAX_UNSLOWED_STEPS + 50)
    held = {"runs": runs, "lost": lost}[how](execution(run, "ship"))
    step = status_of(decide(run, view(run), executions(held), NOON)).step
    assert step is not None
    assert step.chain == MAX_UNSLOWED_STEPS + 50


def test_a_clock_that_goes_back_makes_a_chain_no_longer() -> None:
    run, _ = after_one_more(chained(7, since=NOON + seconds(3600)), NOON)
    assert run.status.step is not None
    assert run.status.step.chain == 8


def test_a_chain_of_any_length_that_somebody_wrote_goes_on_within_a_second() -> None:
    run = chained(2**52)

    decision = decide(run, view(run), executions(), NOON)

    assert decision.look_again_at == NOON + seconds(1)

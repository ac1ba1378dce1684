"""A handler that is held: nothing of it runs until a person acts, and the run can still end."""

from typing import Any

import pytest

from grctl.models import HandlerKind, Step, WorkflowRun
from grctl.models.run import Stall
from grctl_operator.engine import (
    Announce,
    AwaitWorker,
    Dispatch,
    ListEvents,
    decide,
)
from grctl_operator.engine.urgency import Urgency
from tests.engine.builders import (
    NOON,
    at,
    crashed,
    deleted,
    event,
    every,
    execution,
    executions,
    journal,
    new_run,
    ok,
    runs,
    status_of,
    view,
    waiting_run,
    written,
)

APPROVE, SECOND = event("approve"), event("approve", "second", place=2)
TEXT = "approve failed 4 times (E: no). Mend the cause, then: grctl retry order."


def stalled(reason: str = "HandlerFailed", **given: Any) -> WorkflowRun:
    """A run whose handler of an event is held after its fourth attempt."""
    step = Step(
        name="approve",
        kind=HandlerKind.EVENT,
        attempt=4,
        failures=4,
        stall=Stall(reason=reason, message=TEXT, since=at("11:30")),
        event=APPROVE.name,
        event_uid=APPROVE.uid,
        since=at("11:30"),
    )
    status = {"journal": journal(APPROVE, charge=ok(1))} | given.pop("status", {})
    return waiting_run(step=step, status=status, **given)


def test_nothing_of_a_run_is_dispatched_while_its_handler_is_held() -> None:
    run = stalled()

    decision = decide(run, view(run, APPROVE, SECOND), executions(), NOON)

    assert every(Dispatch, decision.before) == []
    assert every(AwaitWorker, decision.before) == []
    assert status_of(decision).message == TEXT
    assert status_of(decision).step == run.status.step


def test_a_stall_is_told_by_its_condition() -> None:
    run = stalled()

    status = status_of(decide(run, view(run, APPROVE), executions(), NOON))

    assert [(each.type, each.status, each.reason) for each in status.conditions] == [
        ("Succeeded", "Unknown", "HandlerFailed"),
        ("Stalled", "True", "HandlerFailed"),
    ]
    assert status.phase == "WaitEvent"


def test_a_stall_stays_as_it_is_once_it_is_shown() -> None:
    run = written(stalled(), decide(stalled(), view(stalled(), APPROVE), executions(), NOON))

    decision = decide(run, view(run, APPROVE), executions(), at("18:00"))

    assert (decision.status, decision.look_again_at) == (None, None)


# New attempts


def test_a_higher_spec_retry_gives_new_attempts() -> None:
    run = stalled(retry=1)

    decision = decide(run, view(run, APPROVE), executions(), NOON)
    after = written(run, decision)
    again = decide(after, view(after, APPROVE), executions(), NOON)

    step = after.status.step
    assert step is not None
    assert (step.attempt, step.failures, step.stall) == (5, None, None)
    assert after.status.observed_retry == 1
    assert after.status.journal is run.status.journal
    assert decision.urgency is Urgency.NOW
    assert every(Dispatch, decision.before) == []  # only the operator knows of the new attempt
    assert [(each.attempt, each.alone) for each in every(Dispatch, again.before)] == [(5, False)]
    assert every(Announce, decision.after) == [
        Announce("Retrying", "spec.retry was raised to 1: it goes on with approve.")
    ]


def test_a_handler_that_was_held_after_crashes_runs_alone_at_first() -> None:
    run = stalled("WorkerLost", retry=1)
    after = written(run, decide(run, view(run, APPROVE), executions(), NOON))

    decision = decide(after, view(after, APPROVE), executions(), NOON)

    assert [(each.attempt, each.alone) for each in every(Dispatch, decision.before)] == [(5, True)]


@pytest.mark.parametrize(("asked", "seen"), [(2, 2), (0, 0), (None, 0), (1, 2)])
def test_a_number_that_is_not_higher_gives_nothing(asked: int | None, seen: int) -> None:
    run = stalled(retry=asked, status={"observed_retry": seen})

    status = status_of(decide(run, view(run, APPROVE), executions(), NOON))

    assert status.step == run.status.step
    assert status.observed_retry == (asked or 0)


def test_the_number_is_followed_while_nothing_is_held() -> None:
    run = waiting_run(retry=3)

    decision = decide(run, view(run), executions(), NOON)

    assert status_of(decision).observed_retry == 3
    assert decision.urgency is Urgency.FOR_PEOPLE


def test_a_number_that_was_raised_before_the_stall_does_not_end_it() -> None:
    run = waiting_run(retry=3, backoff_limit=0)
    held = runs(execution(run, APPROVE))

    decision = decide(run, view(run, APPROVE), executions(crashed(held.execution)), NOON)
    after = written(run, decision)
    again = decide(after, view(after, APPROVE), executions(), NOON)

    assert after.status.observed_retry == 3
    assert after.status.step is not None
    assert after.status.step.stall is not None
    assert every(Dispatch, again.before) == []


# The run can still end


@pytest.mark.parametrize(
    ("spec", "phase"),
    [({"cancel": True}, "Cancelled"), ({"terminate": True}, "Terminated")],
    ids=str,
)
def test_a_held_run_can_be_ended(spec: dict[str, Any], phase: str) -> None:
    run = stalled(**spec)

    status = status_of(decide(run, view(run, APPROVE), executions(), NOON))

    assert (status.phase, status.step, status.journal) == (phase, None, None)


def test_a_held_run_ends_by_its_timeout() -> None:
    run = stalled(timeout=at("11:00") - at("09:00"))

    status = status_of(decide(run, view(run, APPROVE), executions(), NOON))

    assert status.phase == "TimedOut"


def test_a_held_run_can_be_deleted() -> None:
    run = deleted(stalled())

    decision = decide(run, view(run, APPROVE), executions(), NOON)

    assert status_of(decision).events.rejected == 1


def test_the_stall_is_void_once_its_event_is_withdrawn() -> None:
    run = stalled()

    decision = decide(run, view(run, SECOND), executions(), NOON)

    (given,) = every(Dispatch, decision.before)
    assert (given.event, given.attempt) == (SECOND, 1)


def test_a_run_without_its_event_waits_as_if_nothing_were_held() -> None:
    run = stalled()

    status = status_of(decide(run, view(run), executions(), NOON))

    assert (status.step, status.message) == (None, "Waits for an event: approve, reject.")
    assert "Stalled" not in [each.type for each in status.conditions]


def test_the_timeout_of_the_wait_does_not_pass_over_a_held_event() -> None:
    """The event came in time, so it wins: I7 (deadlines)."""
    run = stalled(deadline=at("11:30"), timeout_step="remind")

    decision = decide(run, view(run, APPROVE, listed_at=at("11:45")), executions(), NOON)

    assert status_of(decision).wait == run.status.wait
    assert every(ListEvents, decision.before) == []


def test_an_attempt_that_still_runs_is_shown_and_the_stall_is_kept() -> None:
    run = stalled()

    status = status_of(
        decide(run, view(run, APPROVE), executions(runs(execution(run, APPROVE))), NOON)
    )

    assert status.message == "Runs event handler approve on worker w1 (attempt 4)."
    assert status.step is not None
    assert status.step.stall is not None
    assert "Stalled" not in [each.type for each in status.conditions]


def test_a_start_handler_is_held_too() -> None:
    stall = Stall(reason="HandlerFailed", message=TEXT, since=at("11:30"))
    step = Step(name="start", kind=HandlerKind.START, stall=stall, failures=1, since=at("11:30"))
    run = new_run()
    run = run.model_copy(update={"status": run.status.model_copy(update={"step": step})})

    decision = decide(run, view(run), executions(), NOON)

    assert every(Dispatch, decision.before) == []
    assert (status_of(decision).phase, status_of(decision).message) == ("Pending", TEXT)

"""A handler that blocks its worker cannot be ended by it: the operator counts the attempt."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from grctl.models import HandlerKind, RetryPolicy, WorkflowRun
from grctl.models.wire import Catalogue, OfferedHandler
from grctl_operator.engine import Decision, Dispatch, Executions, Held, Release, decide
from grctl_operator.engine.observation import Blockage
from grctl_operator.engine.time_limit import TIME_LIMIT_GRACE
from tests.engine.builders import (
    NOON,
    at,
    event,
    every,
    execution,
    executions,
    journal,
    lost,
    ok,
    recorded,
    runs,
    seconds,
    status_of,
    stepping_run,
    view,
    waiting_run,
    worker,
    written,
)

APPROVE = event("approve")
WAITS = waiting_run()
BEGAN = at("11:58")
OVER = BEGAN + seconds(60) + TIME_LIMIT_GRACE
TWICE = RetryPolicy(max_attempts=2, initial_delay_ms=0)


def catalogue(**fields: Any) -> Catalogue:
    handlers = [
        OfferedHandler(kind=HandlerKind.EVENT, name="approve", **fields),
        OfferedHandler(kind=HandlerKind.STEP, name="ship", **fields),
    ]
    return Catalogue(type="Order", handlers=tuple(handlers))


def blocking(held: Held, by: str | None = "e1", **fields: Any) -> Executions:
    """The execution runs on a worker whose loop is blocked by an execution."""
    fields = {"timeout_s": 60} | fields
    held = replace(held, catalogue=catalogue(**fields))
    blocked = Blockage(at("11:58:10"), "/app/pay.py:7 in approve", by, "approve of order")
    return executions(held, workers=[worker(free=0, clear=False, blocked=blocked)])


def decided(has: Executions, now: datetime, run: WorkflowRun = WAITS) -> Decision:
    return decide(run, view(run, APPROVE), has, now)


def test_an_attempt_that_blocks_its_worker_for_too_long_fails_as_its_policy_says() -> None:
    has = blocking(runs(execution(WAITS, APPROVE), since=BEGAN))

    status = status_of(decided(has, OVER))

    assert (status.phase, status.events.failed) == ("Failed", 1)
    assert status.error is not None
    assert status.error.type == "HandlerTimedOut"
    assert status.error.message == (
        "approve took longer than its timeout, 1m: it has blocked the event loop of worker w1 since"
        " 11:58:10Z (/app/pay.py:7 in approve)."
    )
    assert [each.reason for each in status.conditions] == ["HandlerTimedOut", "HandlerTimedOut"]


def test_it_is_not_ended_before_its_time_and_a_grace_are_over() -> None:
    has = blocking(runs(execution(WAITS, APPROVE), since=BEGAN))

    decision = decided(has, OVER - seconds(0.001))

    assert status_of(decision).phase == "Running"
    assert decision.look_again_at == OVER


def test_it_is_tried_again_with_what_it_recorded() -> None:
    held = recorded(runs(execution(WAITS, APPROVE), since=BEGAN), charge=ok(1))
    run = written(WAITS, decided(blocking(held, retry_policy=TWICE), OVER))

    again = decide(run, view(run, APPROVE), executions(), OVER)

    assert run.status.journal == journal(APPROVE, charge=ok(1))
    assert [each.attempt for each in every(Dispatch, again.before)] == [2]


def test_its_worker_is_told_that_the_attempt_is_void() -> None:
    has = blocking(runs(execution(WAITS, APPROVE), since=BEGAN), retry_policy=TWICE)

    decision = decided(has, OVER)

    assert [(each.execution, each.committed) for each in every(Release, decision.after)] == [
        ("e1", False)
    ]


def test_it_is_held_if_it_asks_for_that() -> None:
    has = blocking(runs(execution(WAITS, APPROVE), since=BEGAN), on_failure="hold")

    step = status_of(decided(has, OVER)).step

    assert step is not None
    assert step.stall is not None
    assert step.stall.message.startswith("approve failed once (HandlerTimedOut: approve took")


@pytest.mark.parametrize(
    "has",
    [
        blocking(runs(execution(WAITS, APPROVE), since=BEGAN), timeout_s=None),
        blocking(runs(execution(WAITS, APPROVE), since=BEGAN), by="another"),
        blocking(runs(execution(WAITS, APPROVE), since=BEGAN), by=None),
        executions(
            replace(runs(execution(WAITS, APPROVE), since=BEGAN), catalogue=catalogue(timeout_s=60))
        ),
    ],
    ids=["no timeout", "another blocks", "nobody knows which", "nothing blocks"],
)
def test_only_a_handler_with_a_timeout_that_blocks_its_worker_itself_is_ended(
    has: Executions,
) -> None:
    decision = decided(has, at("18:00"))

    assert status_of(decision).phase == "Running"
    assert decision.look_again_at is None


def test_a_lost_execution_is_tried_again_and_not_failed() -> None:
    has = blocking(lost(execution(WAITS, APPROVE)))

    step = status_of(decided(has, at("18:00"))).step

    assert step is not None
    assert (step.attempt, step.failures) == (2, None)


def test_the_time_of_what_was_handed_over_ahead_counts_from_the_commit_before_it() -> None:
    wait = WAITS.status.wait
    assert wait is not None
    later = wait.model_copy(update={"since": at("11:59")})
    run = waiting_run(status={"wait": later})
    has = blocking(runs(execution(run, APPROVE), since=BEGAN))

    decision = decided(has, OVER, run)

    assert status_of(decision).phase == "Running"
    assert decision.look_again_at == at("11:59") + seconds(60) + TIME_LIMIT_GRACE


def test_what_waits_behind_it_has_not_used_its_time() -> None:
    behind = execution(WAITS, event("reject", place=2), "e2", commits=4, base="e1")
    has = blocking(runs(behind, since=BEGAN), by="e2")

    decision = decide(WAITS, view(WAITS, APPROVE), has, at("18:00"))

    assert decision.status is None or decision.status.events.failed == 0


def test_a_step_has_a_time_limit_too() -> None:
    run = stepping_run("ship")
    has = blocking(runs(execution(run, "ship"), since=BEGAN))

    assert status_of(decide(run, view(run), has, OVER)).phase == "Failed"


def test_a_run_that_waits_has_no_time_limit() -> None:
    assert decide(WAITS, view(WAITS), executions(workers=[worker()]), NOON).look_again_at is None

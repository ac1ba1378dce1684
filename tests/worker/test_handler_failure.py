"""Handlers that fail or take too long: what they say to the operator, and what is done again."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from grctl.models import Directive, RetryPolicy
from grctl.worker.context import Context
from grctl.workflow import Workflow
from tests.worker import shop
from tests.worker.recording_operator import (
    RecordingOperator,
    failure_of,
    operator_of,
    result_of,
    settle,
)
from tests.worker.shop import CALLED, FAILURES, GATES, charge, mail, ship

POLICY = RetryPolicy(max_attempts=4, non_retryable_errors=("KeyError",))
SHORT = timedelta(milliseconds=5)


@pytest.fixture(autouse=True)
def _clear() -> None:
    shop.clear()


def raising(error: BaseException) -> Callable[[Context], Any]:
    async def raises(ctx: Context) -> Directive:
        raise error

    return raises


@pytest.mark.parametrize(
    ("error", "tried_again"),
    [(LookupError("x"), True), (KeyError("x"), False), (SystemExit(1), False)],
)
async def test_the_policy_goes_with_an_error_that_is_tried_again(
    error: BaseException, *, tried_again: bool
) -> None:
    operator = operator_of(raising(error), retry_policy=POLICY, on_failure="hold")
    failed = failure_of(await operator.run())
    assert (failed.reason, failed.on_failure) == ("HandlerFailed", "hold")
    assert failed.policy == (POLICY if tried_again else None)


async def test_the_workflow_says_what_its_handlers_do_not() -> None:
    workflow = Workflow(workflow_type="Order", on_failure="hold", retry_policy=POLICY)
    workflow.start()(raising(LookupError("x")))
    workflow.step("mine", on_failure="fail", retry_policy=RetryPolicy())(raising(LookupError("x")))
    operator = RecordingOperator(workflow)

    theirs, own = failure_of(await operator.run()), failure_of(await operator.run("mine"))

    assert (theirs.policy, theirs.on_failure) == (POLICY, "hold")
    assert (own.policy, own.on_failure) == (RetryPolicy(), "fail")


async def test_a_value_that_cannot_be_kept_is_never_tried_again() -> None:
    async def keeps(ctx: Context) -> Directive:
        ctx.store.put("x", object())
        return ctx.next.complete()

    failed = failure_of(await operator_of(keeps, retry_policy=POLICY, on_failure="hold").run())
    assert (failed.reason, failed.policy, failed.on_failure) == ("BadOutcome", None, "hold")


async def test_an_input_that_does_not_fit_is_never_tried_again() -> None:
    async def takes(ctx: Context, order: str) -> Directive:
        return ctx.next.complete()

    failed = failure_of(await operator_of(takes, retry_policy=POLICY, on_failure="hold").run())
    assert (failed.reason, failed.policy, failed.on_failure) == ("BadInput", None, "fail")


async def test_a_handler_that_takes_too_long_is_cancelled_and_fails() -> None:
    ended = []

    async def hangs(ctx: Context) -> Directive:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cleaned up")
        return ctx.next.complete()

    failed = failure_of(await operator_of(hangs, timeout=SHORT, retry_policy=POLICY).run())
    assert (failed.reason, failed.error.type) == ("HandlerTimedOut", "HandlerTimedOut")
    assert failed.error.message == "hangs took longer than its timeout, 5ms."
    assert failed.policy == POLICY
    assert ended == ["cleaned up"]


@pytest.mark.parametrize("name", ["HandlerTimedOut", "TimeoutError"])
async def test_a_policy_may_name_the_timeout_of_a_handler(name: str) -> None:
    async def hangs(ctx: Context) -> Directive:
        await asyncio.Event().wait()
        return ctx.next.complete()

    policy = RetryPolicy(max_attempts=2, non_retryable_errors=(name,))
    failed = failure_of(await operator_of(hangs, timeout=SHORT, retry_policy=policy).run())
    assert failed.policy is None


async def test_a_handler_that_swallows_its_cancellation_is_over_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("grctl.worker.executor.HANDLER_CLEAN_UP_S", 0.005)
    may_end, ends = asyncio.Event(), []

    async def swallows(ctx: Context) -> Directive:
        while not may_end.is_set():
            with suppress(asyncio.CancelledError):
                await may_end.wait()
        try:
            await charge("abc")
        except RuntimeError as error:
            ends.append(str(error))
        return ctx.next.complete("done")

    failed = failure_of(await operator_of(swallows, timeout=SHORT).run())
    assert failed.reason == "HandlerTimedOut"
    may_end.set()
    await settle()
    assert CALLED == {}
    assert ends[0].startswith("Handler start has ended")


async def test_a_handler_that_returns_upon_its_cancellation_was_too_slow() -> None:
    async def returns(ctx: Context) -> Directive:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return ctx.next.complete("done")

    failed = failure_of(await operator_of(returns, timeout=SHORT).run())
    assert failed.reason == "HandlerTimedOut"


async def test_a_handler_that_blocked_the_loop_and_then_returned_has_succeeded() -> None:
    async def blocks(ctx: Context) -> Directive:
        time.sleep(0.02)  # noqa: ASYNC251
        return ctx.next.complete("done")

    assert result_of(await operator_of(blocks, timeout=SHORT).run()) == "done"


async def test_a_handler_within_its_time_succeeds() -> None:
    async def quick(ctx: Context) -> Directive:
        return ctx.next.complete("done")

    assert result_of(await operator_of(quick, timeout=timedelta(seconds=60)).run()) == "done"


async def test_a_call_that_ran_when_the_time_was_over_is_made_again() -> None:
    async def calls(ctx: Context) -> Directive:
        await charge("abc")
        return ctx.next.complete()

    GATES["charge abc"] = asyncio.Event()
    outcome = await operator_of(calls, timeout=SHORT).run()
    assert failure_of(outcome).forget == ()
    assert outcome.records is None


# What the next attempt does again


async def test_the_error_that_ended_the_handler_is_to_be_forgotten() -> None:
    async def calls(ctx: Context) -> Directive:
        await mail("abc")
        await charge("abc")
        return ctx.next.complete()

    FAILURES["charge"] = [ConnectionError("503")]
    outcome = await operator_of(calls).run()
    failed = failure_of(outcome)
    assert failed.error.type == "ConnectionError"
    assert [key.split("/")[0] for key in failed.forget] == ["charge"]
    assert list(failed.forget) == list(outcome.records or {})
    assert failed.tasks == "mail, charge"
    assert "grctl/worker" not in (failed.error.stack_trace or "")


@pytest.mark.parametrize("wraps", ["from", "after", "group"])
async def test_an_error_behind_the_one_that_was_raised_is_to_be_forgotten(wraps: str) -> None:
    async def calls(ctx: Context) -> Directive:
        if wraps == "group":
            async with asyncio.TaskGroup() as group:
                group.create_task(charge("abc"))
        try:
            await charge("abc")
        except ConnectionError as error:
            if wraps == "from":
                raise LookupError("no charge") from error
            raise LookupError("no charge")  # noqa: B904  as users write it
        return ctx.next.complete()

    FAILURES["charge"] = [ConnectionError("503")]
    failed = failure_of(await operator_of(calls).run())
    assert [key.split("/")[0] for key in failed.forget] == ["charge"]


async def test_an_error_from_which_the_handler_went_on_stays() -> None:
    async def calls(ctx: Context) -> Directive:
        try:
            await charge("abc")
        except ConnectionError:
            await ship("a refund")
            raise
        return ctx.next.complete()

    FAILURES["charge"] = [ConnectionError("503")]
    assert failure_of(await operator_of(calls).run()).forget == ()


async def test_an_error_that_was_caught_before_another_one_stays() -> None:
    async def calls(ctx: Context) -> Directive:
        with suppress(ConnectionError):
            await charge("abc")
        raise LookupError("x")

    FAILURES["charge"] = [ConnectionError("503")]
    assert failure_of(await operator_of(calls).run()).forget == ()


async def test_a_call_that_the_handler_gave_up_before_it_failed_is_made_again() -> None:
    async def calls(ctx: Context) -> Directive:
        async with asyncio.timeout(0.005):
            await charge("abc")
        return ctx.next.complete()

    GATES["charge abc"] = asyncio.Event()
    failed = failure_of(await operator_of(calls).run())
    assert failed.error.type == "TimeoutError"
    assert [key.split("/")[0] for key in failed.forget] == ["charge"]


async def test_a_task_that_runs_once_is_not_forgotten() -> None:
    async def calls(ctx: Context) -> Directive:
        await shop.fire("abc")
        return ctx.next.complete()

    FAILURES["fire"] = [ConnectionError("503")]
    assert failure_of(await operator_of(calls).run()).forget == ()

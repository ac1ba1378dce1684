"""Other code than before, and calls in another order than before."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from grctl.models import Directive
from grctl.worker.claiming import CLAIM_PATIENCE_S
from grctl.worker.context import Context
from grctl.worker.task import task
from grctl.workflow import Workflow
from tests.worker import shop
from tests.worker.recording_operator import RecordingOperator, failure_of, result_of, settle
from tests.worker.shop import CALLED, FAILURES, GATES, charge, mail, ship


@pytest.fixture(autouse=True)
def _clear() -> None:
    shop.clear()


Code = Callable[[Context], Any]


def in_turn(*codes: Code) -> RecordingOperator:
    """Return an operator of a workflow whose attempts run one piece of code after the other."""
    left = list(codes)
    workflow = Workflow(workflow_type="Order")

    @workflow.start()
    async def start(ctx: Context) -> Directive:
        code = left.pop(0) if len(left) > 1 else left[0]
        return ctx.next.complete(await code(ctx))

    return RecordingOperator(workflow)


async def lose_in(operator: RecordingOperator, call: str) -> None:
    """Run the first attempt until it makes a call, and kill its worker there."""
    gate = GATES[call] = asyncio.Event()
    await operator.begin()
    await settle()
    assert CALLED[call], f"the attempt did not come to {call}"
    await operator.kill()
    GATES.clear()
    gate.set()


async def test_code_with_other_arguments_fails_before_its_side_effect() -> None:
    async def before(ctx: Context) -> list[str]:
        return [(await charge("abc", 120)).id, await mail("abc")]

    async def after(ctx: Context) -> list[str]:
        return [(await charge("abc", 130)).id, await mail("abc")]

    operator = in_turn(before, after)
    await lose_in(operator, "mail abc")
    failed = failure_of(await operator.run())

    assert (failed.reason, failed.policy, failed.forget) == ("NonDeterministic", None, ())
    assert failed.error.type == "NonDeterministic"
    assert "called charge (charge/" in failed.error.message
    assert "they recorded charge/" in failed.error.message
    assert CALLED == {"charge abc": 1, "mail abc": 1}


async def test_the_right_code_goes_on_after_the_wrong_one() -> None:
    async def right(ctx: Context) -> list[str]:
        return [(await charge("abc")).id, await mail("abc")]

    async def wrong(ctx: Context) -> list[str]:
        return [await mail("abc"), (await charge("abc")).id]

    operator = in_turn(right, wrong, right)
    await lose_in(operator, "mail abc")
    failure_of(await operator.run())
    assert result_of(await operator.run()) == ["r-abc-1", "mailed abc"]
    assert CALLED == {"charge abc": 1, "mail abc": 2}


async def test_other_code_after_a_recorded_error_keeps_that_error() -> None:
    async def before(ctx: Context) -> str:
        try:
            await charge("abc")
        except ConnectionError:
            await ship("a refund")
        return await mail("abc")

    async def after(ctx: Context) -> str:
        try:
            await charge("abc")
        except ConnectionError:
            await ship("a voucher")
        return await mail("abc")

    FAILURES["charge"] = [ConnectionError("503")]
    operator = in_turn(before, after)
    await lose_in(operator, "mail abc")
    failed = failure_of(await operator.run())

    assert (failed.reason, failed.forget) == ("NonDeterministic", ())


async def test_a_handler_cannot_swallow_that_it_runs_other_code() -> None:
    async def before(ctx: Context) -> list[str]:
        return [(await charge("abc")).id, await mail("abc")]

    async def after(ctx: Context) -> str:
        for _ in range(2):
            try:
                await ship("abc")
            except RuntimeError:
                continue
        return "done"

    operator = in_turn(before, after)
    await lose_in(operator, "mail abc")
    assert failure_of(await operator.run()).reason == "NonDeterministic"
    assert CALLED["ship abc"] == 0


async def test_code_that_calls_less_is_not_stopped() -> None:
    async def before(ctx: Context) -> list[str]:
        return [(await charge("abc")).id, await mail("abc")]

    async def after(ctx: Context) -> str:
        return "done"

    operator = in_turn(before, after)
    await lose_in(operator, "mail abc")
    assert result_of(await operator.run()) == "done"


async def test_gathered_calls_may_come_in_another_order() -> None:
    async def chain(*names: str) -> str:
        for name in names:
            await mail(name)
        return names[-1]

    async def both(ctx: Context) -> Any:
        return await asyncio.gather(chain("a1", "a2"), chain("b1", "b2"))

    operator = in_turn(both)
    GATES["mail a1"] = asyncio.Event()
    await lose_in(operator, "mail b2")
    assert len(operator.journal) == 1

    assert sorted(result_of(await operator.run())) == ["a2", "b2"]
    assert CALLED == {"mail a1": 2, "mail a2": 1, "mail b1": 1, "mail b2": 2}


async def test_a_new_call_waits_for_another_branch_that_is_slower_to_ask() -> None:
    turns = []

    async def slow_branch(ctx: Context) -> str:
        for _ in range(40):
            await asyncio.sleep(0)
        return await mail("late")

    async def both(ctx: Context) -> Any:
        turns.append(1)
        if len(turns) == 1:
            return [await mail("late"), await ship("new")]
        return await asyncio.gather(ship("new"), slow_branch(ctx))

    operator = in_turn(both)
    await lose_in(operator, "ship new")
    assert result_of(await operator.run()) == ["shipped new", "mailed late"]
    assert CALLED == {"mail late": 1, "ship new": 2}


async def test_a_new_call_does_not_wait_for_ever_for_a_branch_that_asks_for_nothing() -> None:
    never = asyncio.Event()

    async def before(ctx: Context) -> list[str]:
        return [(await charge("abc")).id, await mail("abc")]

    async def after(ctx: Context) -> Any:
        return await asyncio.gather(ship("abc"), never.wait())

    operator = in_turn(before, after)
    await lose_in(operator, "mail abc")
    assert failure_of(await operator.run()).reason == "NonDeterministic"
    assert sum(operator.time.slept) == pytest.approx(CLAIM_PATIENCE_S, abs=0.1)


async def test_the_wait_for_another_branch_does_not_count_while_a_task_runs() -> None:
    gate = asyncio.Event()

    @task(record=False)
    async def read() -> None:
        await gate.wait()

    async def branch() -> str:
        await read()
        return await mail("late")

    async def before(ctx: Context) -> list[str]:
        return [await mail("late"), await ship("new")]

    async def after(ctx: Context) -> Any:
        return await asyncio.gather(ship("new"), branch())

    operator = in_turn(before, after)
    await lose_in(operator, "ship new")
    await operator.begin()
    while sum(operator.time.slept) < 20:  # noqa: ASYNC110  a sleep has no event
        await asyncio.sleep(0)
    gate.set()
    assert result_of(await operator.outcome()) == ["shipped new", "mailed late"]


async def test_a_race_ends_as_before_although_nothing_takes_time_now() -> None:
    async def branch(ctx: Context) -> str:
        await ctx.sleep(1)
        return await mail("early")

    async def race(ctx: Context) -> list[str]:
        quick = asyncio.create_task(branch(ctx))
        await ship("late")
        await asyncio.sleep(0)
        seen = ["early was first" if quick.done() else "early was late"]
        await quick
        return [*seen, (await charge("abc")).id]

    operator = in_turn(race)
    late = GATES["ship late"] = asyncio.Event()
    GATES["charge abc"] = asyncio.Event()
    await operator.begin()
    await settle()
    operator.time.seconds += 1
    late.set()
    await settle()
    assert CALLED["charge abc"] == 1
    await operator.kill()
    GATES.clear()

    assert result_of(await operator.run()) == ["early was first", "r-abc-2"]
    assert (CALLED["mail early"], CALLED["ship late"]) == (1, 1)

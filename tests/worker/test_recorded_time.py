"""ctx.now and ctx.sleep: recorded, and equal over a kill."""

import asyncio
import math
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from grctl.models import Directive, HandlerKind
from grctl.worker.context import Context
from grctl.workflow import Workflow
from tests.worker import shop
from tests.worker.making import execute_of
from tests.worker.recording_operator import NOON, operator_of, result_of, settle
from tests.worker.shop import CALLED, GATES, mail


@pytest.fixture(autouse=True)
def _clear() -> None:
    shop.clear()


def plain_context() -> Context:
    workflow = Workflow(workflow_type="Order")
    return Context(workflow, execute_of(workflow, HandlerKind.START, "start"))


async def test_now_is_the_api_servers_time_and_equal_over_a_kill() -> None:
    async def tells(ctx: Context) -> Directive:
        first = await ctx.now()
        await ctx.sleep(1)
        second = await ctx.now()
        await mail("abc")
        return ctx.next.complete([first.isoformat(), second.isoformat()])

    operator = operator_of(tells)
    GATES["mail abc"] = asyncio.Event()
    await operator.begin()
    await settle()
    await operator.kill()
    GATES.clear()
    operator.time.seconds += 3600

    assert result_of(await operator.run()) == [
        NOON.isoformat(),
        (NOON + timedelta(seconds=1)).isoformat(),
    ]


async def test_now_is_recorded_lazily() -> None:
    async def tells(ctx: Context) -> Directive:
        return ctx.next.complete((await ctx.now()).isoformat())

    operator = operator_of(tells)
    outcome = await operator.run()
    assert operator.messages == []
    assert list(outcome.records or {}) == ["ctx.now/-/1"]


async def test_the_end_of_a_sleep_is_durable_before_it_begins() -> None:
    async def sleeps(ctx: Context) -> Directive:
        await ctx.sleep(timedelta(seconds=10))
        return ctx.next.complete()

    operator = operator_of(sleeps)
    operator.writes_at_once = False
    await operator.begin()
    await settle()

    (record,) = operator.messages
    assert record.awaited is True
    assert record.entries == {
        "ctx.sleep/10s/1": {
            "until": "2026-01-02T12:00:11Z",
            "at": "2026-01-02T12:00:00Z",
        }
    }
    assert operator.time.slept == []
    operator.write()
    await operator.outcome()
    assert operator.time.slept == [10]


@pytest.mark.parametrize(("killed_after", "rest"), [(4, [7]), (10, [1]), (99, [])])
async def test_a_sleep_is_not_shorter_for_a_kill_and_longer_by_the_error_of_the_clocks_at_most(
    killed_after: float, rest: list[float]
) -> None:
    async def sleeps(ctx: Context) -> Directive:
        await ctx.sleep(10)
        return ctx.next.complete("awake")

    operator = operator_of(sleeps)
    operator.writes_at_once = False
    await operator.begin()
    await settle()
    operator.write()
    await operator.kill()
    operator.time.seconds, operator.time.slept = killed_after, []

    assert result_of(await operator.run()) == "awake"
    assert operator.time.slept == rest


async def test_a_clock_that_went_back_does_not_make_a_sleep_longer() -> None:
    async def sleeps(ctx: Context) -> Directive:
        await ctx.sleep(10)
        return ctx.next.complete()

    operator = operator_of(sleeps)
    await operator.run()
    operator.time.seconds, operator.time.slept = -7200, []
    await operator.run()
    assert operator.time.slept == [10]


async def test_a_sleep_that_the_handler_gave_up_is_given_up_again() -> None:
    async def races(ctx: Context) -> Directive:
        sleeping = asyncio.create_task(ctx.sleep(60))
        await asyncio.sleep(0)
        sleeping.cancel()
        with suppress(asyncio.CancelledError):
            await sleeping
        told = "gave up" if sleeping.cancelled() else "slept"
        await mail("abc")
        return ctx.next.complete(told)

    operator = operator_of(races)
    operator.writes_at_once = False
    GATES["mail abc"] = asyncio.Event()
    await operator.begin()
    while not CALLED["mail abc"]:
        await settle()
        operator.write()
    await operator.kill()
    GATES.clear()
    operator.writes_at_once = True
    operator.time.seconds += 3600

    assert result_of(await operator.run()) == "gave up"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("10", "duration must be a timedelta or a number of seconds, not '10'"),
        (True, "duration must be a timedelta or a number of seconds, not True"),
        (-1, "duration must be 0 to 36500 days, not -1"),
        (math.nan, "duration must be 0 to 36500 days, not nan"),
        (timedelta(days=40_000), "ctx.next.step(..., after=...)"),
    ],
)
async def test_a_duration_that_does_not_fit_is_refused(wrong: Any, told: str) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        await plain_context().sleep(wrong)
    assert told in str(caught.value)


async def test_without_a_journal_time_is_this_machines() -> None:
    context = plain_context()
    await context.sleep(0)
    assert (await context.now()).utcoffset() == timedelta(0)

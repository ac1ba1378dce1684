"""The workflows of the torture: their store shows what was committed, and in which order.

1. A handler or a task that takes time sleeps for it: that is its work, as drawn by the sender.
2. Every call of a task is written down when it begins and when it ends (see `tests.history.calls`).
"""

import asyncio
import contextlib
import random
import secrets
from datetime import timedelta
from typing import Any

from grctl.models import Directive, RetryPolicy
from grctl.worker.context import Context
from grctl.worker.task import current_task, task
from grctl.workflow import Workflow
from tests.history.executions import record_execution
from tests.lab.gate import lab_directory
from tests.lab.service import ServiceError, calls_from, note_call
from tests.lab.workflows import append_payload, done, hoard, keep, number, start

PARTS_COUNT = 5
FLAKY_FAILURES_RATIO = 0.6
HELD_ATTEMPTS = 3
TURN_S = 1.0

Json = Any

collect = Workflow(workflow_type="Collect")
"""Keeps all payloads until the event `done`."""
collect.start()(start.function)
for each in (append_payload, number, hoard, done):
    collect.event(each.name)(each.function)


@collect.event()
async def work(ctx: Context, seconds: float) -> Directive:
    """Work for so many seconds."""
    await keep(ctx, seconds)
    await asyncio.sleep(seconds)
    return ctx.next.wait_for_event()


@collect.event()
async def two_steps(ctx: Context, payload: Json) -> Directive:
    """Go on with a step."""
    await keep(ctx, payload)
    return ctx.next.step(second_step)


@collect.step()
async def second_step(ctx: Context) -> Directive:
    record_execution(ctx, lab_directory())
    return ctx.next.wait_for_event()


@task
async def charge(seconds: float) -> str:
    return await work_on("charge", seconds)


@task
async def mail(receipt: str) -> str:
    return await work_on(f"mail {receipt}", 0.0)


@task
async def part(number: int, seconds: float) -> str:
    return await work_on(f"part {number}", seconds * number)


@task(retry_policy=RetryPolicy(max_attempts=4, initial_delay_ms=20))
async def flaky(seconds: float) -> str:
    return await work_on("flaky", seconds, failing=FLAKY_FAILURES_RATIO)


async def work_on(name: str, seconds: float, failing: float = 0.0) -> str:
    """Work for so many seconds, and return a text that no other call returns, or fail with it."""
    key, text = current_task().idempotency_key, f"{name} {secrets.token_hex(6)}"
    note_call(name, key)
    await asyncio.sleep(seconds)
    note_call(name, key, text)
    if random.random() < failing:  # noqa: S311
        raise ServiceError(text)
    return text


@collect.event()
async def charges(ctx: Context, seconds: float) -> Directive:
    """Call a task, and another with its result."""
    await begin_calls(ctx, seconds)
    await mail(await charge(seconds))
    return ctx.next.wait_for_event()


@collect.event()
async def gathers(ctx: Context, seconds: float) -> Directive:
    """Call tasks at once, and another after them."""
    await begin_calls(ctx, seconds)
    await asyncio.gather(*(part(number, seconds) for number in range(PARTS_COUNT)))
    await charge(0.0)
    return ctx.next.wait_for_event()


@collect.event()
async def retries(ctx: Context, seconds: float) -> Directive:
    """Call a task that often fails, and catch its last failure."""
    await begin_calls(ctx, seconds)
    with contextlib.suppress(ServiceError):
        await flaky(seconds)
    await charge(seconds)
    return ctx.next.wait_for_event()


@collect.event(on_failure="hold", retry_policy=RetryPolicy(max_attempts=2, initial_delay_ms=20))
async def holds(ctx: Context, seconds: float) -> Directive:
    """Fail after a task, so often that a person must act."""
    await begin_calls(ctx, seconds)
    await charge(seconds)
    if ctx.run.attempt <= HELD_ATTEMPTS:
        raise ServiceError("not yet")
    return ctx.next.wait_for_event()


async def begin_calls(ctx: Context, payload: Json) -> None:
    """Keep the payload, and name the execution that calls tasks."""
    await keep(ctx, payload)
    calls_from(ctx)


turns = Workflow(workflow_type="Turns")
"""Waits for `left` and for `right` by turns: the turn changes with an event or with time."""


@turns.start()
async def begin(ctx: Context) -> Directive:
    record_execution(ctx, lab_directory())
    return await next_turn(ctx)


@turns.event()
async def left(ctx: Context, payload: Json) -> Directive:
    await keep(ctx, payload)
    return await next_turn(ctx)


@turns.event()
async def right(ctx: Context, payload: Json) -> Directive:
    await keep(ctx, payload)
    return await next_turn(ctx)


@turns.step()
async def change_turn(ctx: Context) -> Directive:
    record_execution(ctx, lab_directory())
    return await next_turn(ctx)


async def next_turn(ctx: Context) -> Directive:
    """Wait for the other event than before."""
    turn = "right" if await ctx.store.get("turn", default="right") == "left" else "left"
    ctx.store.put("turn", turn)
    return ctx.next.wait_for_event(
        events=[turn], timeout=timedelta(seconds=TURN_S), timeout_step_name=change_turn
    )


WORKFLOWS = (
    "tests.torture.workflows:collect",
    "tests.torture.workflows:turns",
    "tests.lab.workflows:deadline",
)
TASK_CALLS = {"charges": 2, "gathers": PARTS_COUNT + 1, "retries": 2, "holds": 1}
"""How many different task calls the handler of an event makes."""
CHOOSING = frozenset({turns.workflow_type})
"""Workflow types whose waits choose."""

"""The workflows of the torture: their store shows what was committed, and in which order.

1. A handler or a task that takes time sleeps for it: that is its work, as drawn by the sender.
2. Every call of a task is written down when it begins and when it ends (see `tests.history.calls`).
"""

import asyncio
from datetime import timedelta
from typing import Any

from grctl.models import Directive
from grctl.worker.context import Context
from grctl.workflow import Workflow
from tests.history.executions import record_execution
from tests.lab.gate import lab_directory
from tests.lab.workflows import append_payload, done, hoard, keep, number, start

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
CHOOSING = frozenset({turns.workflow_type})
"""Workflow types whose waits choose."""

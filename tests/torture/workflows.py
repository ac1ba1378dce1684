"""The workflow that is tortured: its store shows what was committed, and in which order.

What a handler takes its time for is drawn by the sender: it is the handler's work, not a wait for
anything.
"""

import asyncio
from typing import Any

from grctl.models import Directive, HandlerKind
from grctl.worker.context import Context
from grctl.workflow import Workflow
from tests.history.executions import record_execution
from tests.lab.gate import lab_directory
from tests.lab.workflows import HANDLERS as SCENARIOS
from tests.lab.workflows import keep

Json = Any

ordeal = Workflow(workflow_type="Ordeal")
"""Keeps all payloads until it is told to finish."""


@ordeal.start()
async def start(ctx: Context) -> Directive:
    record_execution(ctx, lab_directory())
    return ctx.next.wait_for_event()


@ordeal.event()
async def append(ctx: Context, payload: Json) -> Directive:
    await keep(ctx, payload)
    return ctx.next.wait_for_event()


@ordeal.event()
async def work(ctx: Context, seconds: float) -> Directive:
    """Take so long."""
    await keep(ctx, seconds)
    await asyncio.sleep(seconds)
    return ctx.next.wait_for_event()


@ordeal.event()
async def stride(ctx: Context, payload: Json) -> Directive:
    """Go on with a step."""
    await keep(ctx, payload)
    return ctx.next.step(second_foot)


@ordeal.step()
async def second_foot(ctx: Context) -> Directive:
    record_execution(ctx, lab_directory())
    return ctx.next.wait_for_event()


@ordeal.event()
async def number(ctx: Context, value: int) -> Directive:
    """Take a number and nothing else."""
    await keep(ctx, value)
    return ctx.next.wait_for_event()


@ordeal.event()
async def hoard(ctx: Context, size: int) -> Directive:
    """Put so many bytes into the store."""
    await keep(ctx, size)
    ctx.store.put("hoard", "x" * size)
    return ctx.next.wait_for_event()


@ordeal.event()
async def done(ctx: Context) -> Directive:
    """Finish; the result is how many payloads came."""
    await keep(ctx, None)
    return ctx.next.complete(len(await ctx.store.get("payloads")))


WORKFLOWS = ("tests.torture.workflows:ordeal", "tests.lab.workflows:deadline")
HANDLERS = {**SCENARIOS, ordeal.workflow_type: frozenset(ordeal.names(HandlerKind.EVENT))}
"""Event names that each workflow type handles."""

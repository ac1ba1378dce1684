"""The workflow of the torture: its store shows what was committed, and in which order.

A handler that takes time sleeps for it: that is its work, as drawn by the sender.
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

collect = Workflow(workflow_type="Collect")
"""Keeps all payloads until the event `done`."""


@collect.start()
async def start(ctx: Context) -> Directive:
    record_execution(ctx, lab_directory())
    return ctx.next.wait_for_event()


@collect.event()
async def append(ctx: Context, payload: Json) -> Directive:
    await keep(ctx, payload)
    return ctx.next.wait_for_event()


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


@collect.event()
async def number(ctx: Context, value: int) -> Directive:
    """Take a number; another payload does not bind."""
    await keep(ctx, value)
    return ctx.next.wait_for_event()


@collect.event()
async def hoard(ctx: Context, size: int) -> Directive:
    """Put so many bytes into the store."""
    await keep(ctx, size)
    ctx.store.put("hoard", "x" * size)
    return ctx.next.wait_for_event()


@collect.event()
async def done(ctx: Context) -> Directive:
    """Finish; the result is the number of payloads."""
    await keep(ctx, None)
    return ctx.next.complete(len(await ctx.store.get("payloads")))


WORKFLOWS = ("tests.torture.workflows:collect", "tests.lab.workflows:deadline")
HANDLERS = {**SCENARIOS, collect.workflow_type: frozenset(collect.names(HandlerKind.EVENT))}
"""Event names that each workflow type handles."""

"""Workflows that show what was committed. In the cluster they are a ConfigMap of their worker.

`Append` keeps every payload in the store, as the checks of a history expect. The step of `Slow`
never ends in the first attempt: its worker must be killed.
"""

import asyncio
import os
from typing import Any

from grctl.models import Directive
from grctl.worker.context import Context
from grctl.workflow import Workflow

append = Workflow(workflow_type="Append")
slow = Workflow(workflow_type="Slow")


@append.start()
async def start_append(ctx: Context) -> Directive:
    return ctx.next.wait_for_event()


async def keep(ctx: Context, payload: Any) -> None:
    payloads: list[Any] = await ctx.store.get("payloads", default=[])
    ctx.store.put("payloads", [*payloads, payload])


@append.event(name="append")
async def append_payload(ctx: Context, payload: Any) -> Directive:
    await keep(ctx, payload)
    ctx.store.put("version", os.environ.get("FLOWS_VERSION", "1"))
    return ctx.next.wait_for_event()


@append.event()
async def finish(ctx: Context, payload: Any = None) -> Directive:
    await keep(ctx, payload)
    return ctx.next.complete("finished")


@slow.start()
async def start_slow(ctx: Context) -> Directive:
    return ctx.next.wait_for_event()


@slow.event()
async def work(ctx: Context, payload: Any = None) -> Directive:
    await keep(ctx, payload)
    return ctx.next.step(long_step)


@slow.step()
async def long_step(ctx: Context) -> Directive:
    ctx.logger.info("long step began")
    if ctx.run.attempt == 1:
        await asyncio.Event().wait()
    return ctx.next.complete({"attempt": ctx.run.attempt})

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
from tests.lab.workflows import append_payload, done, hoard, keep, number, start

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


WORKFLOWS = ("tests.torture.workflows:collect", "tests.lab.workflows:deadline")
HANDLERS = {**SCENARIOS, collect.workflow_type: frozenset(collect.names(HandlerKind.EVENT))}
"""Event names that each workflow type handles."""

"""The workflows that are measured. Each handler notes its start first and then does little."""

from benchmarks.starts import note_start
from grctl.models import Directive
from grctl.worker.context import Context
from grctl.worker.task import task
from grctl.workflow import Workflow

counter = Workflow(workflow_type="Counter")
"""Counts its events and never ends."""


@counter.start()
async def begin(ctx: Context) -> Directive:
    note_start(ctx.run.workflow_id, 0)
    ctx.store.put("count", 0)
    return ctx.next.wait_for_event()


@counter.event()
async def add(ctx: Context, number: int, text: str) -> Directive:  # noqa: ARG001
    """Count one event. `number` is its number in the run, from 1. `text` only has a size."""
    note_start(ctx.run.workflow_id, number)
    return await _count(ctx)


@counter.event()
async def add_after_task(ctx: Context, number: int, text: str) -> Directive:  # noqa: ARG001
    """Count one event after a recorded task."""
    note_start(ctx.run.workflow_id, number)
    await fetch(number)
    return await _count(ctx)


@counter.event()
async def add_after_two_tasks(ctx: Context, number: int, text: str) -> Directive:  # noqa: ARG001
    """Count one event after two recorded tasks, the second of which waits for the first."""
    note_start(ctx.run.workflow_id, number)
    await fetch(await fetch(number) + 1)
    return await _count(ctx)


@task
async def fetch(number: int) -> int:
    """Return a number at once, so that only the recording is measured."""
    return number


async def _count(ctx: Context) -> Directive:
    ctx.store.put("count", await ctx.store.get("count") + 1)
    return ctx.next.wait_for_event()


once = Workflow(workflow_type="Once")
"""Completes at once."""


@once.start()
async def complete(ctx: Context) -> Directive:
    note_start(ctx.run.workflow_id, 0)
    return ctx.next.complete("done")

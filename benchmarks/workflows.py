"""The workflows that are measured. Each handler first notes when it starts; then it does little."""

from benchmarks.starts import note
from grctl.models import Directive
from grctl.worker.context import Context
from grctl.workflow import Workflow

counter = Workflow(workflow_type="Counter")
"""Counts its events, for ever."""


@counter.start()
async def begin(ctx: Context) -> Directive:
    note(ctx.run.workflow_id, 0)
    ctx.store.put("count", 0)
    return ctx.next.wait_for_event()


@counter.event()
async def add(ctx: Context, number: int, text: str) -> Directive:  # noqa: ARG001
    """Count one. `number` says which event of the run it is, from 1; `text` only has a size."""
    note(ctx.run.workflow_id, number)
    ctx.store.put("count", await ctx.store.get("count") + 1)
    return ctx.next.wait_for_event()


once = Workflow(workflow_type="Once")
"""Completes at once."""


@once.start()
async def complete(ctx: Context) -> Directive:
    note(ctx.run.workflow_id, 0)
    return ctx.next.complete("done")

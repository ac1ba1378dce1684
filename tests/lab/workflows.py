"""The workflows that the lab's workers serve.

1. Every event handler keeps the fingerprint of its payload in `store["payloads"]`, so that the
   store shows what was committed, and in which order.
2. Every handler first writes that it runs, into a file that outlives it.
3. A slow handler waits at a gate that the test opens; no handler sleeps for a fixed time.
"""

import asyncio
import os
import signal
from datetime import UTC, datetime, timedelta
from typing import Any

from grctl.models import Directive
from grctl.worker.context import Context
from grctl.workflow import Workflow
from tests.history.executions import record_execution
from tests.history.fingerprint import fingerprint
from tests.lab.gate import Gate, lab_directory

Json = Any


async def keep(ctx: Context, payload: Json) -> None:
    """Record the execution, and keep the fingerprint of its payload."""
    record_execution(ctx, lab_directory())
    payloads: list[Json] = await ctx.store.get("payloads", default=[])
    ctx.store.put("payloads", [*payloads, fingerprint(payload)])


append = Workflow(workflow_type="Append")
"""Keeps all payloads in a list until the event `done`."""


@append.start()
async def start(ctx: Context) -> Directive:
    record_execution(ctx, lab_directory())
    return ctx.next.wait_for_event()


@append.event(name="append")
async def append_payload(ctx: Context, payload: Json) -> Directive:
    await keep(ctx, payload)
    return ctx.next.wait_for_event()


@append.event()
async def number(ctx: Context, value: int) -> Directive:
    """Take a number; another payload does not bind."""
    await keep(ctx, value)
    return ctx.next.wait_for_event()


@append.event()
async def gated(ctx: Context, gate: str) -> Directive:
    """Wait at the gate."""
    await keep(ctx, gate)
    await Gate(gate).pass_through()
    return ctx.next.wait_for_event()


@append.event()
async def step_at(ctx: Context, gate: str) -> Directive:
    """Go on with a step that waits at the gate."""
    await keep(ctx, gate)
    ctx.store.put("gate", gate)
    return ctx.next.step(gated_step)


@append.step()
async def gated_step(ctx: Context) -> Directive:
    """Wait at the gate; open another gate if the handler is cancelled there."""
    record_execution(ctx, lab_directory())
    gate = await ctx.store.get("gate")
    try:
        await Gate(gate).pass_through()
    except asyncio.CancelledError:
        Gate(f"{gate}-cancelled").open()
        raise
    ctx.store.put("passed", gate)
    return ctx.next.wait_for_event()


@append.event()
async def kill(ctx: Context, times: int) -> Directive:
    """Kill this worker in each of the first attempts."""
    await keep(ctx, times)
    if ctx.run.attempt <= times:
        os.kill(os.getpid(), signal.SIGKILL)
    return ctx.next.wait_for_event()


@append.event()
async def fail(ctx: Context, text: str) -> Directive:
    """Fail the run."""
    await keep(ctx, text)
    raise ValueError(text)


@append.event()
async def hoard(ctx: Context, size: int) -> Directive:
    """Keep so many bytes in the store."""
    await keep(ctx, size)
    ctx.store.put("hoard", "x" * size)
    return ctx.next.wait_for_event()


@append.event()
async def boast(ctx: Context, size: int) -> Directive:
    """Finish with a result of so many bytes."""
    await keep(ctx, size)
    return ctx.next.complete("x" * size)


@append.event()
async def done(ctx: Context) -> Directive:
    """Finish; the result is the number of payloads."""
    await keep(ctx, None)
    return ctx.next.complete(len(await ctx.store.get("payloads")))


deadline = Workflow(workflow_type="Deadline")
"""Waits for an approval until a deadline; after the deadline it waits for ever."""


@deadline.start()
async def begin(
    ctx: Context,
    seconds: float = 3600.0,
    until: datetime | None = None,
    gate: str | None = None,
) -> Directive:
    """Begin the wait, once the gate is open: for so many seconds, or until a moment."""
    record_execution(ctx, lab_directory())
    if gate:
        await Gate(gate).pass_through()
    if until:
        seconds = max(0.1, (until - datetime.now(UTC)).total_seconds())
    return ctx.next.wait_for_event(timeout=timedelta(seconds=seconds), timeout_step_name="expire")


@deadline.event()
async def approve(ctx: Context, payload: Json = None) -> Directive:
    """Keep whether the approval came in time."""
    await keep(ctx, payload)
    expired = await ctx.store.get("expired", default=False)
    ctx.store.put("approved", "too late" if expired else "in time")
    return ctx.next.wait_for_event()


@deadline.event()
async def amount(ctx: Context, value: int) -> Directive:
    """Take a number; another payload does not bind."""
    await keep(ctx, value)
    return ctx.next.wait_for_event()


@deadline.step()
async def expire(ctx: Context) -> Directive:
    """Keep that no approval came in time."""
    record_execution(ctx, lab_directory())
    ctx.store.put("expired", True)
    return ctx.next.wait_for_event()


WORKFLOWS = ("tests.lab.workflows:append", "tests.lab.workflows:deadline")

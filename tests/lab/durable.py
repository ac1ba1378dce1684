"""Workflows whose handlers call recorded tasks: tasks call the service, which the test controls.

1. A payload names the body of the handler, so that one body runs in any kind of handler.
2. The result of a body is in `store["result"]`: what its tasks returned.
3. $LAB_CODE names the version of the code, so that a further worker can have other code.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from grctl.models import Directive
from grctl.models.directive import RetryPolicy
from grctl.worker.context import Context
from grctl.worker.task import TaskInterruptedError, current_task, task
from grctl.workflow import Workflow
from tests.history.executions import record_execution
from tests.lab.gate import POLL_S, Gate, lab_directory
from tests.lab.service import RefusedError, Service, ServiceError, calls_from
from tests.lab.workflows import keep

PARTS_COUNT = 20
FLAKY_ATTEMPTS = 3
FLAKY_DELAY_MS = 1_500
HANDLER_ATTEMPTS = 2
SLEEP_S = 4.0
DELAY_S = 3.0
TIMEOUT_S = 1.0

RIGHT_CODE, OTHER_ARGUMENTS, OTHER_ORDER = "right", "other arguments", "other order"
CODE_VARIABLE = "LAB_CODE"

Json = Any


async def serve(name: str) -> str:
    """Call the service for the task that runs."""
    return await Service().call(name, current_task().idempotency_key)


@task
async def charge(amount: int) -> str:
    return await serve("charge")


@task
async def book(amount: int) -> str:
    return await serve("book")


@task
async def mail(text: str) -> str:
    """Send a text; calls are counted by their text too."""
    return await serve(f"mail {text}")


@task
async def part(number: int) -> str:
    return await serve(f"part {number}")


@task(
    retry_policy=RetryPolicy(
        max_attempts=FLAKY_ATTEMPTS, initial_delay_ms=FLAKY_DELAY_MS, backoff_multiplier=1.0
    )
)
async def flaky() -> str:
    return await serve("flaky")


@task(retry_policy=RetryPolicy(max_attempts=3, initial_delay_ms=10))
async def hasty() -> str:
    return await serve("hasty")


@task(once=True)
async def wire() -> str:
    return await serve("wire")


async def three(ctx: Context) -> Json:
    """Call three tasks, one after another."""
    code = os.environ.get(CODE_VARIABLE, RIGHT_CODE)
    if code == OTHER_ORDER:
        return [await book(1), await charge(1), await mail("it")]
    amount = 2 if code == OTHER_ARGUMENTS else 1
    return [await charge(amount), await book(1), await mail("it")]


async def none(ctx: Context) -> Json:
    return []


async def one(ctx: Context) -> Json:
    return [await charge(1)]


async def two(ctx: Context) -> Json:
    return [await charge(1), await book(1)]


async def parts(ctx: Context) -> Json:
    return await asyncio.gather(*(part(number) for number in range(PARTS_COUNT)))


async def in_a_hurry(ctx: Context) -> Json:
    return [await hasty()]


async def caught(ctx: Context) -> Json:
    """Catch a final failure, and go on with another branch."""
    try:
        return [await flaky()]
    except ServiceError as error:
        return [type(error).__name__, await mail("failed")]


async def refused(ctx: Context) -> Json:
    try:
        return [await charge(1)]
    except RefusedError as error:
        return [type(error).__name__, str(error), await mail("refused")]


async def told(ctx: Context) -> Json:
    """Tell others what a task returned."""
    return [await mail(await charge(1))]


async def wired(ctx: Context) -> Json:
    try:
        return [await wire()]
    except TaskInterruptedError as error:
        return [type(error).__name__]


async def chance(ctx: Context) -> Json:
    """Tell others what was drawn."""
    drawn = [str(await ctx.uuid4()), str(await ctx.random()), (await ctx.now()).isoformat()]
    return [[await mail(each) for each in drawn], await book(1)]


async def ids(ctx: Context) -> Json:
    return [str(await ctx.uuid4()), str(await ctx.uuid4()), await ctx.random()]


async def sleeping(ctx: Context) -> Json:
    """Sleep between two calls."""
    before = await mail("before")
    await ctx.sleep(timedelta(seconds=SLEEP_S))
    return [before, await mail("after")]


async def blocked(ctx: Context) -> Json:
    """Block the event loop of the worker until the gate is open."""
    gate = Gate("blocked")
    gate.arrive()
    while not gate.is_open:
        time.sleep(POLL_S)  # noqa: ASYNC251  that is what it is for
    return []


BODIES: dict[str, Callable[[Context], Awaitable[Json]]] = {
    each.__name__: each
    for each in (
        none, one, two, three, parts, in_a_hurry, caught, refused, told, wired,
        chance, ids, sleeping, blocked,
    )
}  # fmt: skip


async def run_body(ctx: Context, body: str) -> Directive:
    """Run a body and keep its result."""
    calls_from(ctx)
    ctx.store.put("result", await BODIES[body](ctx))
    return ctx.next.wait_for_event()


durable = Workflow(workflow_type="Durable")
"""Runs bodies."""


@durable.start()
async def begin(ctx: Context, body: str = "") -> Directive:
    record_execution(ctx, lab_directory())
    return await run_body(ctx, body) if body else ctx.next.wait_for_event()


@durable.event()
async def act(ctx: Context, body: str) -> Directive:
    """Run the body in an event handler."""
    await keep(ctx, body)
    return await run_body(ctx, body)


@durable.event()
async def act_in_step(ctx: Context, body: str) -> Directive:
    await keep(ctx, body)
    ctx.store.put("body", body)
    return ctx.next.step(go_on)


@durable.event()
async def act_in_timeout_step(ctx: Context, body: str) -> Directive:
    await keep(ctx, body)
    ctx.store.put("body", body)
    return ctx.next.wait_for_event(timeout=timedelta(seconds=0.1), timeout_step_name=go_on)


@durable.event()
async def act_later(ctx: Context, body: str) -> Directive:
    await keep(ctx, body)
    ctx.store.put("body", body)
    return ctx.next.step(go_on, after=timedelta(seconds=DELAY_S))


@durable.step()
async def go_on(ctx: Context) -> Directive:
    record_execution(ctx, lab_directory())
    return await run_body(ctx, await ctx.store.get("body"))


@durable.event(
    retry_policy=RetryPolicy(max_attempts=HANDLER_ATTEMPTS, initial_delay_ms=100), on_failure="hold"
)
async def act_or_hold(ctx: Context, body: str) -> Directive:
    """Run the body; the run is held if that fails twice."""
    await keep(ctx, body)
    return await run_body(ctx, body)


@durable.event(timeout=timedelta(seconds=TIMEOUT_S), on_failure="hold")
async def act_in_time(ctx: Context, body: str) -> Directive:
    """Run the body; the run is held if that takes long."""
    await keep(ctx, body)
    return await run_body(ctx, body)


@durable.event()
async def done(ctx: Context) -> Directive:
    await keep(ctx, None)
    return ctx.next.complete(await ctx.store.get("result", default=None))


@durable.query()
async def summary(ctx: Context) -> str:
    """Count the payloads that were kept."""
    return f"{len(await ctx.store.get('payloads', default=[]))} kept"


WORKFLOWS = ("tests.lab.durable:durable", "tests.lab.workflows:append")

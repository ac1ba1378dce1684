"""GreetEvents: many events, one after the other. Its handler `greet` shadows the workflow `greet`.

That is fine: a handler stands for its workflow, in `@greet.event()` and on the command line.

Run it: `grctl worker examples.greet:greet`
"""

from grctl.models import Directive
from grctl.worker.context import Context
from grctl.worker.task import task
from grctl.workflow import Workflow


@task
async def call_greeting_api(name: str) -> str:
    """Stand in for a call to another system."""
    return f"Hello, {name}!"


@task
async def call_farewell_api(name: str) -> str:
    """Stand in for a call to another system."""
    return f"Goodbye, {name}!"


greet = Workflow(workflow_type="GreetEvents")


@greet.start()
async def start(ctx: Context, name: str) -> Directive:
    ctx.store.put("name", name)
    return ctx.next.wait_for_event()


@greet.event()  # type: ignore[no-redef]
async def greet(ctx: Context) -> Directive:
    name = await ctx.store.get("name")
    greeting = await call_greeting_api(name)
    ctx.store.put("message", greeting)
    return ctx.next.wait_for_event()  # wait for the next event


@greet.event()
async def farewell(ctx: Context) -> Directive:
    name = await ctx.store.get("name")
    result = await call_farewell_api(name)
    return ctx.next.complete(result)

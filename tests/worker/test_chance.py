"""ctx.uuid4 and ctx.random: derived, so that each attempt sees the same."""

from typing import Any
from uuid import UUID

from grctl.models import HandlerKind
from grctl.worker.context import Context
from grctl.workflow import Workflow
from tests.worker.making import execute_of

workflow = Workflow(workflow_type="Order")


async def drawn(**changes: Any) -> list[Any]:
    """Return two UUIDs and two numbers of one attempt at a handler."""
    execute = execute_of(workflow, HandlerKind.EVENT, "approve", **changes)
    context = Context(workflow, execute)
    return [
        await context.uuid4(),
        await context.uuid4(),
        await context.random(),
        await context.random(),
    ]


async def test_each_attempt_at_a_handler_draws_the_same() -> None:
    assert await drawn(id="e1") == await drawn(id="e2", attempt=2)


async def test_each_call_each_event_and_each_run_draw_something_else() -> None:
    everything = [
        *await drawn(),
        *await drawn(event_uid="another"),
        *await drawn(run_uid="another"),
    ]
    assert len(set(everything)) == 12


async def test_a_uuid_is_of_version_4_and_a_number_is_between_0_and_1() -> None:
    first, _, number, _ = await drawn()
    assert isinstance(first, UUID)
    assert (first.version, first.variant) == (4, "specified in RFC 4122")
    assert 0 <= number < 1


async def test_numbers_are_spread_evenly() -> None:
    context = Context(workflow, execute_of(workflow, HandlerKind.EVENT, "approve"))
    numbers = [await context.random() for _ in range(1000)]
    assert 0.45 < sum(numbers) / len(numbers) < 0.55

"""What code for the first grctl does to define workflows: it runs, or says what to write."""

from datetime import timedelta
from typing import Any

import pytest

from grctl.models import Complete, NextStep, WaitForEvent
from grctl.models.directive import RetryPolicy
from grctl.worker import Context
from grctl.worker.transitions import Transitions
from grctl.workflow import Directive, Workflow

counter = Workflow(workflow_type="Counter")


@counter.start()
async def start(ctx: Context, target: int) -> Directive:
    ctx.store.put("target", target)
    return ctx.next.step(count)


@counter.step()
async def count(ctx: Context) -> Directive:
    return ctx.next.step(count)


@counter.step()
async def give_up(ctx: Context) -> Directive:
    return ctx.next.complete()


@counter.event(name="counter.reset")
async def reset(ctx: Context) -> Directive:
    return ctx.next.wait()


def test_a_directive_is_imported_with_the_workflow() -> None:
    assert issubclass(Complete, Directive)


def test_a_step_may_be_its_own_next_step() -> None:
    assert Transitions(counter).step(count) == NextStep(step="count")


def test_a_wait_has_a_timeout_and_a_step_for_it() -> None:
    waits = Transitions(counter).wait(timeout=timedelta(hours=1), on_timeout=give_up)

    assert waits == WaitForEvent(timeout=timedelta(hours=1), timeout_step="give_up")


def test_a_handler_has_a_timeout_and_a_retry_policy() -> None:
    later = Workflow(workflow_type="Later")

    @later.step(timeout=timedelta(seconds=60), retry_policy=RetryPolicy(max_attempts=3))
    async def slow(ctx: Context) -> Directive:
        return ctx.next.complete()

    assert slow.options.timeout == timedelta(seconds=60)


def test_a_query_is_defined_by_its_name() -> None:
    asked = Workflow(workflow_type="Asked")

    @asked.query(name="count")
    async def how_many(ctx: Context) -> int:
        return await ctx.store.get("count", int)

    assert [each.name for each in asked.queries] == ["count"]


@pytest.mark.parametrize("kind", ["start", "event"])
def test_a_step_is_not_a_start_or_an_event(kind: str) -> None:
    given: dict[str, Any] = {kind: True}
    told = rf"^Workflow.step\(\) has no argument '{kind}': write @workflow.{kind}\(\)\.$"
    with pytest.raises(TypeError, match=told):
        counter.step(**given)
    with pytest.raises(TypeError, match=rf"^Handler.step\(\) has no argument '{kind}': write @"):
        start.step(**given)

"""Executions that are sent ahead, and executions that a worker declines."""

from functools import partial

import pytest

from grctl.models import Directive, HandlerKind
from grctl.models.wire import Declined, Drain, Execute, Outcome, Refused, Succeeded, encode
from grctl.worker.context import Context
from grctl.workflow import Workflow
from tests.worker.conftest import Serve
from tests.worker.fake_operator import FakeOperator
from tests.worker.making import execute_of
from tests.worker.test_worker import GatedWorkflow, gated, result_of

__all__ = ["gated"]

EVENT = HandlerKind.EVENT


@pytest.fixture
def counter() -> Workflow:
    """A workflow that counts its events in the store, until it is told to finish."""
    workflow = Workflow(workflow_type="Counter")

    @workflow.start()
    async def start(ctx: Context) -> Directive:
        return ctx.next.wait_for_event()

    @workflow.event()
    async def add(ctx: Context, amount: int) -> Directive:
        ctx.store.put("count", await ctx.store.get("count", default=0) + amount)
        return ctx.next.wait_for_event()

    @workflow.event()
    async def finish(ctx: Context) -> Directive:
        return ctx.next.complete("done")

    return workflow


def ahead(execute: Execute) -> Execute:
    return execute.model_copy(update={"ahead": True, "store": {}})


async def test_an_execution_sent_ahead_runs_with_the_store_that_its_base_leaves(
    operator: FakeOperator, serve: Serve, counter: Workflow
) -> None:
    serve(counter)
    worker, _ = await operator.welcomed()
    add = partial(execute_of, counter, EVENT, "add")

    await worker.execute(add({"amount": 1}, {"count": 4}, id="e1"))
    await worker.execute(ahead(add({"amount": "no number"}, id="e2", base="e1")))
    await worker.execute(ahead(add({"amount": 2}, id="e3", base="e2")))

    first, refused, third = [(await worker.next(Outcome)).result for _ in range(3)]
    assert isinstance(refused, Refused)
    assert isinstance(first, Succeeded)
    assert isinstance(third, Succeeded)
    assert (first.put, third.put) == ({"count": 5}, {"count": 7})


async def test_an_execution_sent_ahead_is_declined_if_the_run_does_not_go_on_waiting(
    operator: FakeOperator, serve: Serve, counter: Workflow
) -> None:
    serve(counter)
    worker, _ = await operator.welcomed()

    await worker.execute(execute_of(counter, EVENT, "finish", id="e1"))
    await worker.execute(ahead(execute_of(counter, EVENT, "add", 1, id="e2", base="e1")))

    assert (await worker.next(Outcome)).execution.id == "e1"
    assert (await worker.next(Declined)).execution == "e2"


async def test_an_execution_with_an_unknown_base_is_declined(
    operator: FakeOperator, serve: Serve, counter: Workflow
) -> None:
    serve(counter)
    worker, _ = await operator.welcomed()

    await worker.execute(ahead(execute_of(counter, EVENT, "add", 1, id="e2", base="gone")))

    assert (await worker.next(Declined)).execution == "e2"


async def test_an_execution_with_a_voided_base_is_declined(
    operator: FakeOperator, serve: Serve, gated: GatedWorkflow
) -> None:
    serve(gated.workflow)
    worker, _ = await operator.welcomed()
    await worker.execute(gated.execute("e1"))
    await gated.entering()
    await worker.execute(
        ahead(execute_of(gated.workflow, EVENT, "approve", id="e2", base="e1", run_uid="uid-1"))
    )

    await worker.release("e1", committed=False)

    assert (await worker.next(Declined)).execution == "e2"


async def test_a_stopped_worker_declines_executions_that_have_not_begun(
    operator: FakeOperator, serve: Serve, gated: GatedWorkflow
) -> None:
    serving = serve(gated.workflow)
    worker, _ = await operator.welcomed()
    await worker.execute(gated.execute("e1"))
    await worker.execute(gated.execute("e2"))
    await gated.entering()

    serving.worker.stop()

    await worker.next(Drain)
    assert (await worker.next(Declined)).execution == "e2"
    gated.may_end.set()
    assert result_of(await worker.next(Outcome)) == "e1"
    await worker.release("e1")
    await serving.ended()


async def test_an_execute_that_cannot_be_read_is_answered_and_the_next_one_runs(
    operator: FakeOperator, serve: Serve, counter: Workflow
) -> None:
    serve(counter)
    worker, _ = await operator.welcomed()
    deep = "[" * 300 + "]" * 300
    unread = encode(execute_of(counter, EVENT, "add", "DEEP", id="e1")).replace('"DEEP"', deep)

    await worker.say(unread)
    await worker.execute(execute_of(counter, EVENT, "add", 2, id="e2"))

    refused, handled = [await worker.next(Outcome) for _ in range(2)]
    assert refused.execution.id == "e1"
    assert isinstance(refused.result, Refused)
    assert "nested deeper than 100 levels" in refused.result.message
    assert isinstance(handled.result, Succeeded)

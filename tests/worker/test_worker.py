"""A worker and its operator: executions, outcomes, losses and the end."""

import asyncio
import os
import signal
from datetime import timedelta
from typing import Any

import pytest

import grctl.worker
from grctl.models import Complete, Directive, HandlerKind
from grctl.models.wire import (
    Catalogue,
    Drain,
    Failed,
    Hello,
    OfferedHandler,
    Outcome,
    Succeeded,
)
from grctl.worker import Worker
from grctl.worker.context import Context
from grctl.workflow import Workflow
from tests.worker.conftest import Serve
from tests.worker.fake_operator import FakeOperator
from tests.worker.making import execute_of

START, EVENT = HandlerKind.START, HandlerKind.EVENT


class GatedWorkflow:
    """A workflow whose handlers report when they begin, and end when the test lets them."""

    def __init__(self) -> None:
        self.workflow = Workflow(workflow_type="ProcessOrder")
        self.entered: asyncio.Queue[str] = asyncio.Queue()
        self.cancelled: asyncio.Queue[str] = asyncio.Queue()
        self.may_end = asyncio.Event()
        self.calls: list[str] = []
        self.workflow.start()(self.start)
        self.workflow.event()(self.approve)

    @property
    def start(self) -> Any:
        async def start(ctx: Context) -> Directive:
            return await self._play(ctx)

        return start

    @property
    def approve(self) -> Any:
        async def approve(ctx: Context, by: str = "") -> Directive:
            return ctx.next.complete(by)

        return approve

    async def _play(self, ctx: Context) -> Directive:
        self.calls.append(ctx.run.execution_id)
        self.entered.put_nowait(ctx.run.execution_id)
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.cancelled.put_nowait(ctx.run.execution_id)
            raise
        return ctx.next.complete(ctx.run.execution_id)

    async def entering(self) -> str:
        async with asyncio.timeout(60):
            return await self.entered.get()

    async def cancelling(self) -> str:
        async with asyncio.timeout(60):
            return await self.cancelled.get()

    def execute(self, name: str, run: str = "uid-1") -> Any:
        return execute_of(self.workflow, START, "start", id=name, run_uid=run)


@pytest.fixture
def gated() -> GatedWorkflow:
    return GatedWorkflow()


def result_of(outcome: Outcome) -> Any:
    assert isinstance(outcome.result, Succeeded)
    assert isinstance(outcome.result.directive, Complete)
    return outcome.result.directive.result


def test_the_package_offers_what_handlers_are_written_with_and_the_worker() -> None:
    names = ["Context", "StoreKeyNotFoundError", "StoreTypeError", "Worker", "task"]
    assert grctl.worker.__all__ == names


async def test_a_hello_names_the_worker_and_its_workflows(
    operator: FakeOperator, serve: Serve, gated: GatedWorkflow
) -> None:
    serve(gated.workflow, capacity=7)

    _, hello = await operator.welcomed()

    schema = {
        "anyOf": [
            {"type": "string"},
            {
                "type": "object",
                "properties": {"by": {"type": "string"}},
                "required": [],
                "additionalProperties": False,
            },
        ]
    }
    assert (hello.worker, hello.namespace, hello.capacity, hello.held) == (
        "worker-1",
        "shop",
        7,
        (),
    )
    assert hello.catalogues == (
        Catalogue(
            type="ProcessOrder",
            handlers=(
                OfferedHandler(kind=START, name="start"),
                OfferedHandler(kind=EVENT, name="approve", payload=schema),
            ),
        ),
    )


async def test_a_hello_names_the_time_limits_of_handlers(
    operator: FakeOperator, serve: Serve
) -> None:
    workflow = Workflow(workflow_type="Limited")

    @workflow.start(timeout=timedelta(seconds=90))
    async def start(ctx: Context) -> Directive:
        return ctx.next.wait_for_event()

    @workflow.event()
    async def approve(ctx: Context) -> Directive:
        return ctx.next.complete()

    serve(workflow)
    _, hello = await operator.welcomed()

    assert [each.timeout_s for each in hello.catalogues[0].handlers] == [90, None]


async def test_an_execution_is_answered_with_its_outcome(
    operator: FakeOperator, serve: Serve, gated: GatedWorkflow
) -> None:
    serve(gated.workflow)
    worker, _ = await operator.welcomed()
    execute = execute_of(gated.workflow, EVENT, "approve", "Ada")

    await worker.execute(execute)

    outcome = await worker.next(Outcome)
    assert (outcome.execution, result_of(outcome)) == (execute.execution, "Ada")


async def test_several_runs_are_served_at_once_up_to_the_capacity(
    operator: FakeOperator, serve: Serve, gated: GatedWorkflow
) -> None:
    serve(gated.workflow, capacity=2)
    worker, _ = await operator.welcomed()
    known = execute_of(gated.workflow, EVENT, "approve", id="known", run_uid="uid-known")
    await worker.execute(known)
    await worker.next(Outcome)

    for number in range(3):
        await worker.execute(gated.execute(f"e{number}", run=f"uid-{number}"))
    await worker.execute(known)
    await worker.next(Outcome)  # it is answered again, so all before it were taken

    assert [await gated.entering(), await gated.entering()] == ["e0", "e1"]
    assert gated.calls == ["e0", "e1"]
    gated.may_end.set()
    assert [(await worker.next(Outcome)).execution.id for _ in range(3)] == ["e0", "e1", "e2"]


async def test_executions_of_one_run_go_one_after_the_other(
    operator: FakeOperator, serve: Serve, gated: GatedWorkflow
) -> None:
    serve(gated.workflow)
    worker, _ = await operator.welcomed()
    await worker.execute(gated.execute("first"))
    await worker.execute(gated.execute("second"))
    await worker.execute(gated.execute("of-another-run", run="uid-2"))

    assert [await gated.entering(), await gated.entering()] == ["first", "of-another-run"]
    await worker.release("first", committed=False)

    assert await gated.cancelling() == "first"
    assert await gated.entering() == "second"


async def test_an_execution_sent_twice_runs_once_and_is_answered_twice(
    operator: FakeOperator, serve: Serve, gated: GatedWorkflow
) -> None:
    serve(gated.workflow)
    worker, _ = await operator.welcomed()
    await worker.execute(gated.execute("e1"))
    await worker.execute(gated.execute("e1"))
    gated.may_end.set()
    first = await worker.next(Outcome)

    await worker.execute(gated.execute("e1"))

    assert await worker.next(Outcome) == first
    assert gated.calls == ["e1"]


async def test_an_outcome_is_held_over_connections_until_it_is_released(
    operator: FakeOperator, serve: Serve, gated: GatedWorkflow
) -> None:
    serve(gated.workflow)
    gated.may_end.set()
    worker, _ = await operator.welcomed()
    await worker.execute(gated.execute("e1"))
    outcome = await worker.next(Outcome)
    await worker.end()

    again, hello = await operator.welcomed()
    assert [each.id for each in hello.held] == ["e1"]
    assert await again.next(Outcome) == outcome
    await again.release("e1")
    await again.end()

    _, released = await operator.welcomed()
    assert released.held == ()
    assert gated.calls == ["e1"]


async def test_a_handler_goes_on_while_the_operator_is_away(
    operator: FakeOperator, serve: Serve, gated: GatedWorkflow
) -> None:
    serve(gated.workflow)
    worker, _ = await operator.welcomed()
    await worker.execute(gated.execute("e1"))
    await gated.entering()
    await worker.end()

    again = await operator.connected()
    hello = await again.next(Hello)
    gated.may_end.set()
    await again.say('{"kind": "welcome", "operator": "operator-2"}')

    assert [each.id for each in hello.held] == ["e1"]
    assert result_of(await again.next(Outcome)) == "e1"


async def test_a_released_execution_that_still_runs_is_cancelled(
    operator: FakeOperator, serve: Serve, gated: GatedWorkflow
) -> None:
    serve(gated.workflow)
    worker, _ = await operator.welcomed()
    await worker.execute(gated.execute("e1"))
    await gated.entering()

    await worker.release("e1", committed=False)
    assert await gated.cancelling() == "e1"
    await worker.end()

    again, hello = await operator.welcomed()
    assert hello.held == ()
    await again.execute(execute_of(gated.workflow, EVENT, "approve", id="e2"))
    assert (await again.next(Outcome)).execution.id == "e2"


async def test_a_handler_that_leaves_by_force_does_not_take_the_worker_with_it(
    operator: FakeOperator, serve: Serve
) -> None:
    workflow = Workflow(workflow_type="Leaves")

    @workflow.start()
    async def start(ctx: Context) -> Directive:
        raise SystemExit(1)

    serve(workflow)
    worker, _ = await operator.welcomed()
    for name in ("e1", "e2"):
        await worker.execute(execute_of(workflow, START, "start", id=name, run_uid=name))
        assert isinstance((await worker.next(Outcome)).result, Failed)


async def test_a_handler_that_cancels_the_task_of_its_execution_fails_its_run(
    operator: FakeOperator, serve: Serve
) -> None:
    """As `for task in asyncio.all_tasks(): task.cancel()` does, among others."""
    workflow = Workflow(workflow_type="Cancels")

    @workflow.start()
    async def start(ctx: Context) -> Directive:
        for each in asyncio.all_tasks():
            if each.get_coro().__qualname__ == "HeldExecutions._run":  # type: ignore[union-attr]
                each.cancel()
        await asyncio.sleep(60)
        return ctx.next.complete()

    serving = serve(workflow)
    worker, _ = await operator.welcomed()
    await worker.execute(execute_of(workflow, START, "start", id="e1"))

    result = (await worker.next(Outcome)).result
    assert isinstance(result, Failed)
    assert result.error.type == "asyncio.exceptions.CancelledError"
    await worker.release("e1")
    serving.worker.stop()
    await serving.ended()


async def test_a_message_that_is_unreadable_or_about_an_unknown_execution_is_ignored(
    operator: FakeOperator, serve: Serve, gated: GatedWorkflow
) -> None:
    serve(gated.workflow)
    worker, _ = await operator.welcomed()

    await worker.say('{"kind": "of-a-newer-operator"}')
    await worker.release("never-heard-of")
    await worker.execute(execute_of(gated.workflow, EVENT, "approve"))

    assert (await worker.next(Outcome)).execution.id == "execution-1"


@pytest.mark.parametrize("grace", [60.0, float("inf"), 10**400], ids=["60", "inf", "huge"])
async def test_a_stopped_worker_drains_finishes_and_waits_to_be_released(
    operator: FakeOperator, serve: Serve, gated: GatedWorkflow, grace: float
) -> None:
    serving = serve(gated.workflow, grace=grace)
    worker, _ = await operator.welcomed()
    await worker.execute(gated.execute("e1"))
    await gated.entering()

    serving.worker.stop()
    await worker.next(Drain)
    gated.may_end.set()
    assert result_of(await worker.next(Outcome)) == "e1"
    assert not serving.task.done()
    await worker.release("e1")

    await serving.ended()
    async with asyncio.timeout(60):
        await worker.closed.wait()


async def test_a_draining_worker_that_reconnects_has_no_room(
    operator: FakeOperator, serve: Serve, gated: GatedWorkflow
) -> None:
    serving = serve(gated.workflow)
    worker, _ = await operator.welcomed()
    await worker.execute(gated.execute("e1"))
    await gated.entering()
    serving.worker.stop()
    await worker.next(Drain)
    await worker.end()

    again, hello = await operator.welcomed()

    assert (hello.capacity, [each.id for each in hello.held]) == (0, ["e1"])
    await again.next(Drain)


@pytest.mark.parametrize("asked_again", [True, False])
async def test_a_worker_without_grace_or_stopped_twice_cancels_running_handlers(
    operator: FakeOperator, serve: Serve, gated: GatedWorkflow, asked_again: bool
) -> None:
    serving = serve(gated.workflow, grace=60.0 if asked_again else 0.0)
    worker, _ = await operator.welcomed()
    await worker.execute(gated.execute("e1"))
    await gated.entering()

    serving.worker.stop()
    if asked_again:
        serving.worker.stop()

    assert await gated.cancelling() == "e1"
    await serving.ended()
    await worker.next(Drain)
    assert worker.nothing_more_came


async def test_a_worker_without_an_operator_stops_at_once(gated: GatedWorkflow) -> None:
    worker = Worker([gated.workflow], operator_url="http://127.0.0.1:1", name="w")
    worker.stop()

    async with asyncio.timeout(60):
        await worker.run()


async def test_a_worker_in_another_thread_is_stopped_from_this_one(
    operator: FakeOperator, gated: GatedWorkflow
) -> None:
    worker = Worker([gated.workflow], operator.url, name="w")
    running = asyncio.create_task(asyncio.to_thread(lambda: asyncio.run(worker.run())))
    conversation, _ = await operator.welcomed()

    worker.stop()

    await conversation.next(Drain)
    async with asyncio.timeout(60):
        await running


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_it_and_is_given_back_afterwards(
    operator: FakeOperator, serve: Serve, gated: GatedWorkflow, number: signal.Signals
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    serving = serve(gated.workflow)
    worker, _ = await operator.welcomed()

    os.kill(os.getpid(), number)

    await worker.next(Drain)
    await serving.ended()
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize(
    ("workflows", "error", "told"),
    [
        ([], ValueError, "workflows is empty"),
        (["order"], TypeError, r"'order' \(str\) is neither a Workflow nor a handler"),
        ([Workflow("Empty")], ValueError, "Empty has no start handler"),
        (
            [GatedWorkflow().workflow, GatedWorkflow().workflow],
            ValueError,
            "Two workflows are of type 'Process",
        ),
        (Workflow("Alone"), TypeError, r"write Worker\(workflows=\[\.\.\.\]\)"),
    ],
)
def test_workflows_that_cannot_be_served_are_refused(workflows: Any, error: Any, told: str) -> None:
    with pytest.raises(error, match=told):
        Worker(workflows)


def test_a_handler_stands_for_its_workflow_also_beside_it(gated: GatedWorkflow) -> None:
    Worker([gated.workflow.handlers[1], gated.workflow], name="w")


def test_a_capacity_is_at_least_one(gated: GatedWorkflow) -> None:
    with pytest.raises(ValueError, match="capacity must be at least 1, not 0"):
        Worker([gated.workflow], capacity=0)


@pytest.mark.parametrize("grace", [-1.0, float("nan")])
def test_a_grace_is_not_negative(gated: GatedWorkflow, grace: float) -> None:
    with pytest.raises(ValueError, match="grace must be at least 0 seconds, not"):
        Worker([gated.workflow], grace=grace)


def test_a_handler_whose_types_are_not_there_is_refused_before_it_is_served() -> None:
    workflow = Workflow(workflow_type="Unknown")

    @workflow.start()
    async def start(ctx: Context, order: "Nowhere") -> Directive:  # type: ignore[name-defined]  # noqa: F821
        return ctx.next.complete()

    with pytest.raises(ValueError, match="'Nowhere' is not defined"):
        Worker([workflow])

"""What people ask of a run through its spec is done: in a wait, in a step, with nothing up."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from grctl.kube import RUNS
from grctl.models.directive import Complete, NextStep, WaitForEvent
from grctl.models.wire import Execute, ReleaseExecution
from grctl_operator.runtime.operator import Operator
from tests.runtime.conftest import Cluster
from tests.runtime.played_worker import PlayedWorker, connected
from tests.runtime.test_operator import greeting, operating, start_and_wait


@asynccontextmanager
async def served(cluster: Cluster) -> AsyncIterator[tuple[Operator, PlayedWorker]]:
    """An operator, and a worker that is connected to it."""
    async with (
        operating(cluster) as operator,
        connected(operator.port, greeting(cluster)) as worker,
    ):
        yield operator, worker


async def start_and_step(cluster: Cluster, worker: PlayedWorker) -> Execute:
    """Bring a run to where its step `pay` is with a worker."""
    await cluster.start("order-1")
    await worker.succeeds(await worker.executes(), NextStep(step="pay"))
    return await worker.executes()


async def release_of(worker: PlayedWorker, execute: Execute) -> ReleaseExecution:
    """Wait for the end of an execution as its worker is told."""
    while True:
        release = await worker.hear(ReleaseExecution)
        if release.execution == execute.execution.id:
            return release


async def test_a_run_that_waits_is_cancelled_at_once_and_its_inbox_rejected(
    cluster: Cluster,
) -> None:
    async with served(cluster) as (_, worker):
        await start_and_wait(cluster, worker, "order-1")
        await cluster.desire("order-1", cancel=True)
        run = await cluster.until_phase("order-1", "Cancelled")
        late = await cluster.until_settled(await cluster.send("order-1", "approve"))
    assert run["status"]["message"] == "Cancelled by spec."
    assert late["status"]["reason"] == "RunFinished"


async def test_a_run_in_a_step_is_cancelled_after_it_and_keeps_its_outcome(
    cluster: Cluster,
) -> None:
    async with served(cluster) as (_, worker):
        step = await start_and_step(cluster, worker)
        changed = await cluster.desire("order-1", cancel=True)
        generation = changed["metadata"]["generation"]
        await cluster.until_run(
            "order-1", lambda run: run["status"]["observedGeneration"] == generation
        )
        await worker.succeeds(step, NextStep(step="pay"), paid=True)
        run = await cluster.until_phase("order-1", "Cancelled")
    assert run["status"]["store"] == {"paid": True}
    assert run["status"]["message"] == "Cancelled by spec, after pay."


async def test_a_cancellation_taken_back_in_time_changes_nothing(cluster: Cluster) -> None:
    async with served(cluster) as (_, worker):
        step = await start_and_step(cluster, worker)
        await cluster.desire("order-1", cancel=True)
        changed = await cluster.desire("order-1", cancel=False)
        generation = changed["metadata"]["generation"]
        await cluster.until_run(
            "order-1", lambda run: run["status"]["observedGeneration"] == generation
        )
        await worker.succeeds(step, WaitForEvent())
        await cluster.until_phase("order-1", "WaitEvent")


@pytest.mark.parametrize(
    ("desired", "phase"),
    [
        ({"cancel": True}, "Cancelled"),
        ({"terminate": True}, "Terminated"),
        ({"cancel": True, "terminate": True}, "Terminated"),
    ],
)
async def test_a_run_that_never_found_a_worker_can_be_ended(
    cluster: Cluster, desired: dict[str, Any], phase: str
) -> None:
    async with operating(cluster):
        await cluster.start("order-1")
        await cluster.until_run("order-1", lambda run: bool(run["status"].get("message")))
        await cluster.desire("order-1", **desired)
        await cluster.until_phase("order-1", phase)


async def test_a_run_without_our_finalizer_is_held_and_then_ended(cluster: Cluster) -> None:
    async with operating(cluster):
        await cluster.start("order-1", desired={"terminate": True}, held=False)
        run = await cluster.until_phase("order-1", "Terminated")
    assert run["metadata"]["finalizers"] == ["grctl.dev/settle"]


async def test_terminating_aborts_the_handler_that_runs_and_voids_its_outcome(
    cluster: Cluster,
) -> None:
    async with served(cluster) as (_, worker):
        await start_and_wait(cluster, worker, "order-1")
        sent = await cluster.send("order-1", "approve")
        approve = await worker.executes()
        await cluster.desire("order-1", terminate=True)
        release = await release_of(worker, approve)
        await worker.succeeds(approve, Complete(result="too late"))
        again = await release_of(worker, approve)
        run = await cluster.until_phase("order-1", "Terminated")
        event = await cluster.until_settled(sent)
    assert (release.committed, again.committed) == (False, False)
    assert release.message == "Terminated by spec."
    assert "result" not in run["status"]
    assert (event["status"]["phase"], event["status"]["reason"]) == ("Rejected", "RunFinished")


async def test_a_run_terminated_while_no_operator_was_up_ends_and_its_worker_is_told(
    cluster: Cluster,
) -> None:
    async with (
        operating(cluster) as operator,
        connected(operator.port, greeting(cluster, instance="a")) as worker,
    ):
        step = await start_and_step(cluster, worker)
        await cluster.until_phase("order-1", "Running")
    await cluster.desire("order-1", terminate=True)
    async with operating(cluster) as operator:
        await cluster.until_phase("order-1", "Terminated")
        back = greeting(cluster, instance="a", held=(step.execution,))
        async with connected(operator.port, back) as worker:
            release = await release_of(worker, step)
    assert not release.committed


async def test_a_run_over_its_time_aborts_the_step_that_runs(cluster: Cluster) -> None:
    async with served(cluster) as (_, worker):
        await cluster.start("order-1", timeout="3s")
        start = await worker.executes()
        release = await release_of(worker, start)
        run = await cluster.until_phase("order-1", "TimedOut")
    assert not release.committed
    assert run["status"]["message"] == "It did not finish within 3s."


async def test_a_lost_handler_that_waits_to_be_tried_again_is_cancelled_at_once(
    cluster: Cluster,
) -> None:
    async with operating(cluster) as operator:
        await cluster.start("order-1")
        for attempt in (1, 2, 3):
            async with connected(operator.port, greeting(cluster)) as worker:
                execute = await worker.executes()
                assert execute.execution.attempt == attempt
        await cluster.until_run(
            "order-1", lambda run: run["status"].get("step", {}).get("attempt") == 4
        )
        await cluster.desire("order-1", cancel=True)
        run = await cluster.until_phase("order-1", "Cancelled")
    assert run["status"]["commits"] == 1


async def test_a_finished_run_stays_as_it_is_whatever_its_spec_asks_for(cluster: Cluster) -> None:
    async with served(cluster) as (_, worker):
        await cluster.start("order-1")
        await worker.succeeds(await worker.executes(), Complete(result="done"))
        await cluster.until_phase("order-1", "Completed")
        changed = await cluster.desire("order-1", cancel=True, terminate=True)
        generation = changed["metadata"]["generation"]
        run = await cluster.until_run(
            "order-1", lambda run: run["status"]["observedGeneration"] == generation
        )
    assert (run["status"]["phase"], run["status"]["result"]) == ("Completed", "done")


async def test_a_terminated_run_that_was_deleted_goes(cluster: Cluster) -> None:
    async with served(cluster) as (_, worker):
        step = await start_and_step(cluster, worker)
        await cluster.send("order-1", "approve")
        await cluster.desire("order-1", terminate=True)
        await cluster.delete_run("order-1")
        release = await release_of(worker, step)
        await cluster.until_gone(RUNS, "order-1")
        assert await cluster.events() == []
    assert not release.committed

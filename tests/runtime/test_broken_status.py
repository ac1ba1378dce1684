"""A run whose status a person broke: it stops, says so, and can be ended; its neighbours go on."""

from typing import Any

import pytest

from grctl.kube import RUNS
from grctl.models.directive import Complete, WaitForEvent
from tests.runtime.conftest import Cluster
from tests.runtime.played_worker import PlayedWorker
from tests.runtime.test_desired import served

BROKEN: list[dict[str, Any]] = [
    {"settled": [1]},
    {"settled": "all of them"},
    {"wait": {"since": None}},
    {"step": {"name": "pay"}},
]


async def break_status(cluster: Cluster, name: str, **status: Any) -> None:
    path = RUNS.path(cluster.namespace, name, "status")
    await cluster.api.merge(path, {"status": status})


async def waiting(cluster: Cluster, worker: PlayedWorker, *names: str) -> None:
    for name in names:
        await cluster.start(name)
        await worker.succeeds(await worker.executes(), WaitForEvent())
        await cluster.until_phase(name, "WaitEvent")


async def test_a_broken_part_that_is_for_people_only_is_written_anew(cluster: Cluster) -> None:
    async with served(cluster) as (_, worker):
        await waiting(cluster, worker, "order-1")
        await break_status(cluster, "order-1", history=[1], conditions="fine", inbox=[[]])
        sent = await cluster.send("order-1", "approve")
        await worker.succeeds(await worker.executes(), Complete())
        run = await cluster.until_phase("order-1", "Completed")
        await cluster.until_settled(sent)
    assert [entry["handler"] for entry in run["status"]["history"]] == ["approve"]


@pytest.mark.parametrize("status", BROKEN, ids=str)
async def test_a_run_with_a_broken_status_stops_says_so_and_can_be_terminated_and_deleted(
    cluster: Cluster, status: dict[str, Any]
) -> None:
    async with served(cluster) as (operator, worker):
        await waiting(cluster, worker, "order-1", "order-2")
        await break_status(cluster, "order-1", **status)
        uid = (await cluster.run("order-1"))["metadata"]["uid"]
        told = await cluster.until_core_event(uid, "Unreadable")
        sent = await cluster.send("order-1", "approve")
        neighbour = await cluster.send("order-2", "approve")
        approve = await worker.executes()
        assert approve.execution.workflow_id == "order-2"
        await worker.succeeds(approve, Complete())
        await cluster.until_settled(neighbour)

        await cluster.desire("order-1", terminate=True)
        await cluster.until_phase("order-1", "Terminated")
        assert (await cluster.until_settled(sent))["status"]["reason"] == "RunFinished"
        await cluster.delete_run("order-1")
        await cluster.until_gone(RUNS, "order-1")
        assert operator.failure is None
    assert told["message"].startswith("status.")


async def test_a_run_with_a_broken_status_can_be_deleted_at_once(cluster: Cluster) -> None:
    async with served(cluster) as (_, worker):
        await waiting(cluster, worker, "order-1")
        await break_status(cluster, "order-1", settled=[1])
        await cluster.send("order-1", "approve")
        await cluster.delete_run("order-1")
        await cluster.until_gone(RUNS, "order-1")
    assert await cluster.events() == []

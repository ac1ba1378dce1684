"""`kubectl delete crd` of both kinds while the operator is up: both go, and come again.

Each test has an API server of its own: definitions are the whole cluster's.
"""

import asyncio

import pytest

from grctl.kube import CRDS, EVENTS, RUNS, ApiError, Resource
from grctl.models.directive import Complete, WaitForEvent
from tests.runtime.conftest import PATIENCE, Cluster, _install_crds
from tests.runtime.test_desired import served
from tests.runtime.test_operator import operating

NAMES = {kind: f"{kind.plural}.grctl.dev" for kind in (RUNS, EVENTS)}


async def until_deleted(cluster: Cluster, name: str) -> None:
    params = {"fieldSelector": f"metadata.name={name}"}
    async with asyncio.timeout(PATIENCE):
        async for item in cluster.versions(CRDS.path(), params):
            if "gone" in item:
                return


async def delete_definitions(cluster: Cluster, names: list[str]) -> None:
    for name in names:
        await cluster.api.delete(CRDS.path(name=name))


async def install_anew(cluster: Cluster) -> None:
    await _install_crds(cluster.api)
    # When a definition is served cannot be watched.
    async with asyncio.timeout(PATIENCE):
        for kind in NAMES:
            while not await is_served(cluster, kind.path(cluster.namespace)):  # noqa: ASYNC110
                await asyncio.sleep(0.05)


async def is_served(cluster: Cluster, path: str) -> bool:
    try:
        await cluster.api.get(path)
    except ApiError:  # not served, or its storage is being made
        return False
    return True


@pytest.mark.parametrize("first", [RUNS, EVENTS], ids=lambda kind: kind.plural)
async def test_both_definitions_go_while_runs_wait_and_events_are_settled(
    cluster: Cluster, first: Resource
) -> None:
    async with served(cluster) as (operator, worker):
        await cluster.start("order-1")
        await worker.succeeds(await worker.executes(), WaitForEvent())
        await cluster.until_phase("order-1", "WaitEvent")
        await cluster.until_settled(await cluster.send("order-1", "unheard-of"))
        await cluster.send("order-2", "approve")
        names = sorted(NAMES.values(), key=lambda name: name != NAMES[first])
        await delete_definitions(cluster, names)
        for name in names:
            await until_deleted(cluster, name)
        assert operator.failure is None
        await install_anew(cluster)
        await cluster.start("order-3")
        await worker.succeeds(await worker.executes(), Complete())
        await cluster.until_phase("order-3", "Completed")


async def test_an_operator_that_starts_when_events_are_gone_already_lets_the_runs_go(
    cluster: Cluster,
) -> None:
    async with served(cluster) as (_, worker):
        await cluster.start("order-1")
        await worker.succeeds(await worker.executes(), WaitForEvent())
        await cluster.until_phase("order-1", "WaitEvent")
    await delete_definitions(cluster, list(NAMES.values()))
    await until_deleted(cluster, NAMES[EVENTS])
    async with operating(cluster):
        await until_deleted(cluster, NAMES[RUNS])
    await install_anew(cluster)

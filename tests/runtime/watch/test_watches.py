"""An operator of some namespaces: their runs and events, and no others'."""

import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest

from grctl.models.directive import Complete, WaitForEvent
from grctl_operator.runtime.operator import Operator
from tests.runtime.conftest import NAMESPACES, Cluster, _empty
from tests.runtime.played_worker import catalogue, connected, hello
from tests.runtime.test_operator import operating

ORDER = catalogue("Order", "approve")


@pytest.fixture
async def other(cluster: Cluster) -> AsyncIterator[Cluster]:
    """Another namespace of the same API server."""
    name = f"runtime-{secrets.token_hex(4)}"
    await cluster.api.create(NAMESPACES.path(), {"metadata": {"name": name}})
    yield Cluster(cluster.api, name, cluster.kubeconfig)
    await _empty(cluster.api, name)


def greeting(cluster: Cluster) -> Any:
    return hello(ORDER, namespace=cluster.namespace)


def both(cluster: Cluster, other: Cluster) -> dict[str, Any]:
    """Settings of an operator of two namespaces. Its Lease is in the first: tests do not meet."""
    namespaces = (cluster.namespace, other.namespace)
    return {"namespaces": namespaces, "lease_namespace": cluster.namespace}


async def plays(operator: Operator, cluster: Cluster) -> list[Any]:
    """Have a run of the same id wait, take an event and end. Give the events handled."""
    async with connected(operator.port, greeting(cluster)) as worker:
        await cluster.start("order-1")
        await worker.succeeds(await worker.executes(), WaitForEvent())
        handled = []
        for number in range(2):
            sent = await cluster.send("order-1", "approve", number)
            execute = await worker.executes()
            handled.append(execute.payload)
            await worker.succeeds(execute, WaitForEvent() if number == 0 else Complete())
            await cluster.until_settled(sent)
        await cluster.until_phase("order-1", "Completed")
    return handled


async def test_each_namespace_named_is_served(cluster: Cluster, other: Cluster) -> None:
    async with operating(cluster, **both(cluster, other)) as operator:
        assert await plays(operator, cluster) == [0, 1]
        assert await plays(operator, other) == [0, 1]
        assert len(operator.runs) == 2


async def test_what_was_there_before_is_known_of_each_namespace(
    cluster: Cluster, other: Cluster
) -> None:
    for place in (cluster, other):
        await place.send("order-1", "approve")
        await place.start("order-1")
    async with operating(cluster, **both(cluster, other)) as operator:
        assert (len(operator.runs), len(operator.events)) == (2, 2)


async def test_a_namespace_that_is_not_named_is_left_alone(
    cluster: Cluster, other: Cluster
) -> None:
    await other.start("order-1")
    async with operating(cluster) as operator:
        assert await plays(operator, cluster) == [0, 1]
        assert len(operator.runs) == 1

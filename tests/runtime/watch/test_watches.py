"""An operator of some namespaces serves their runs and events, and no others."""

import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest

from grctl.kube import Api, ApiError
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
    """Return settings of an operator of two namespaces. Its Lease is in the first of them."""
    namespaces = (cluster.namespace, other.namespace)
    return {"namespaces": namespaces, "lease_namespace": cluster.namespace}


async def plays(operator: Operator, cluster: Cluster) -> list[Any]:
    """Start a run, send it two events and wait for its end. Return the payloads handled."""
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


async def test_objects_from_before_the_start_are_known_in_each_namespace(
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


class Forbidding(Api):
    """An API server that forbids this client to list or watch some namespaces."""

    forbidden: frozenset[str] = frozenset()

    async def get(self, path: str, params: Any = None, *, at_most: int | None = None) -> Any:
        self._check(path)
        return await super().get(path, params, at_most=at_most)

    async def watch(self, path: str, params: Any) -> AsyncIterator[Any]:
        self._check(path)
        async for change in super().watch(path, params):
            yield change

    def _check(self, path: str) -> None:
        for name in self.forbidden:
            if f"/namespaces/{name}/" in path:
                raise ApiError(403, "Forbidden", f"cannot list resource in the namespace {name}")


@pytest.fixture
def forbidding(monkeypatch: pytest.MonkeyPatch) -> type[Forbidding]:
    monkeypatch.setattr("grctl_operator.runtime.operator.Api", Forbidding)
    monkeypatch.setattr("grctl_operator.runtime.outage.FIRST_API_PAUSE_S", 0.01)
    return Forbidding


async def test_a_namespace_that_may_not_be_listed_holds_up_no_other_and_joins_later(
    cluster: Cluster,
    other: Cluster,
    forbidding: type[Forbidding],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(forbidding, "forbidden", frozenset({other.namespace}))
    await other.start("order-1")
    await other.send("order-1", "approve", 0)
    async with operating(cluster, **both(cluster, other)) as operator:
        left_out = [each for each in caplog.records if each.message == "namespace left out"]
        assert [vars(each)["namespace"] for each in left_out] == [other.namespace]
        assert operator.ready
        assert operator.metrics.value("grctl_namespaces_left_out") == 1
        assert await plays(operator, cluster) == [0, 1]
        async with connected(operator.port, greeting(other)) as worker:
            monkeypatch.setattr(forbidding, "forbidden", frozenset())
            await worker.succeeds(await worker.executes(), WaitForEvent())
            execute = await worker.executes()
            assert execute.payload == 0
            await worker.succeeds(execute, Complete())
            await other.until_phase("order-1", "Completed")
        assert operator.metrics.value("grctl_namespaces_left_out") == 0


async def test_an_execution_of_a_namespace_that_is_not_known_yet_is_not_void(
    cluster: Cluster,
    other: Cluster,
    forbidding: type[Forbidding],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with (
        operating(cluster, **both(cluster, other)) as operator,
        connected(operator.port, greeting(other)) as worker,
    ):
        await other.start("order-1")
        held = await worker.executes()
    monkeypatch.setattr(forbidding, "forbidden", frozenset({other.namespace}))
    async with operating(cluster, **both(cluster, other)) as operator:
        again = hello(ORDER, namespace=other.namespace, held=(held.execution,))
        async with connected(operator.port, again) as worker:
            assert await plays(operator, cluster) == [0, 1]
            assert worker.releases == []
            monkeypatch.setattr(forbidding, "forbidden", frozenset())
            await worker.succeeds(held, Complete(result="kept"))
            run = await other.until_phase("order-1", "Completed")
    assert run["status"]["result"] == "kept"


async def test_an_operator_of_many_namespaces_gets_ready_and_writes(cluster: Cluster) -> None:
    """The watches took all 100 connections when there was one pool."""
    names = [f"{cluster.namespace}-{number}" for number in range(60)]
    settings = {"namespaces": (cluster.namespace, *names), "lease_namespace": cluster.namespace}
    async with operating(cluster, **settings) as operator:
        assert operator.ready
        assert await plays(operator, cluster) == [0, 1]

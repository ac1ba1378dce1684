"""Events that were rejected without a run go after a day, and nothing else does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from grctl.kube import EVENTS, ApiError, UnreachableError
from grctl_operator.runtime.people.metrics import Metrics
from grctl_operator.runtime.write import leftovers as module
from grctl_operator.runtime.write.leftovers import KEPT, Leftovers
from tests.runtime.conftest import PATIENCE, Cluster, Json

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
OLD = NOON - KEPT

ALIKE = {"status": {"phase": "Rejected", "settledAt": "2026-11-22T12:00:00Z"}}


class Yard:
    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.metrics = Metrics()
        self.time = NOON
        namespaces = (cluster.namespace,)
        self.leftovers = Leftovers(cluster.api, self.metrics, namespaces, lambda: self.time)

    @asynccontextmanager
    async def looking(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.leftovers.run())
        yield
        task.cancel()

    async def event(self, settled: datetime | None, phase: str = "Rejected", **status: Any) -> Json:
        event = await self.cluster.send("order-1", "approve")
        stamp = {"settledAt": settled.strftime("%Y-%m-%dT%H:%M:%SZ")} if settled else {}
        event["status"] = {"phase": phase, "reason": "RunGone", **stamp, **status}
        path = EVENTS.path(self.cluster.namespace, event["metadata"]["name"], "status")
        return await self.cluster.api.replace(path, event)

    async def until_removed(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while self.metrics.value("grctl_events_removed_total") < count:  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    async def names(self) -> set[str]:
        return {each["metadata"]["name"] for each in await self.cluster.events()}


@pytest.fixture
def yard(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Yard:
    monkeypatch.setattr(module, "FIRST_LOOK_S", 0.0)
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.01)
    return Yard(cluster)


async def test_what_was_rejected_without_a_run_goes_after_a_day_and_nothing_else(
    yard: Yard,
) -> None:
    old = await yard.event(OLD)
    stay = [
        await yard.event(OLD + timedelta(seconds=1)),
        await yard.event(OLD, runUid="a-run"),
        await yard.event(OLD, phase="Processed"),
        await yard.event(None, phase="Pending"),
    ]
    async with yard.looking():
        await yard.until_removed(1)
    assert await yard.names() == {each["metadata"]["name"] for each in stay}
    assert old["metadata"]["name"] not in await yard.names()


async def test_what_stays_goes_when_its_time_has_come(yard: Yard) -> None:
    for minutes in range(3):
        await yard.event(OLD + timedelta(minutes=minutes + 1))
    async with yard.looking():
        yard.time += timedelta(minutes=3)
        await yard.until_removed(3)
    assert await yard.names() == set()


async def test_a_look_that_fails_is_made_again(
    yard: Yard, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    get, failures = yard.cluster.api.get, [UnreachableError("no answer")]

    async def away(path: str, params: Any = None, *, at_most: int | None = None) -> Json:
        if failures:
            raise failures.pop()
        return await get(path, params, at_most=at_most)

    monkeypatch.setattr(yard.cluster.api, "get", away)
    await yard.event(OLD)
    async with yard.looking():
        await yard.until_removed(1)
    assert "rejected events not removed" in caplog.messages


async def test_nothing_is_asked_for_where_nothing_is_left(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = asyncio.Event()
    remove = yard.leftovers._remove_old

    async def look(scope: str | None) -> datetime | None:
        left = await remove(scope)
        looked.set()
        return left

    monkeypatch.setattr(yard.leftovers, "_remove_old", look)
    async with yard.looking():
        await asyncio.wait_for(looked.wait(), PATIENCE)
        await asyncio.sleep(0)
        assert yard.leftovers._due == {}
        yard.leftovers.note(yard.cluster.namespace)
        assert list(yard.leftovers._due) == [yard.cluster.namespace]


async def test_a_namespace_where_nothing_may_be_removed_keeps_no_other_from_it(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clusterwide: the events of both are in one list."""
    delete, tries = yard.cluster.api.delete, []
    kept = await yard.event(OLD)
    await yard.event(OLD)

    async def denied(path: str, *arguments: Any, **more: Any) -> Json:
        tries.append(path)
        if path.endswith(f"/{kept['metadata']['name']}"):
            raise ApiError(403, "Forbidden", "denied by a webhook")
        return await delete(path, *arguments, **more)

    monkeypatch.setattr(yard.cluster.api, "delete", denied)
    elsewhere = {"metadata": {**kept["metadata"], "namespace": "elsewhere"}, **ALIKE}

    async def both(*_: Any, **__: Any) -> AsyncIterator[Json]:
        yield {"items": [kept, elsewhere, *(await yard.cluster.events())]}

    monkeypatch.setattr(module, "list_pages", both)
    await yard.leftovers._remove_old(None)
    assert len([path for path in tries if yard.cluster.namespace in path]) == 1
    assert any("/namespaces/elsewhere/" in path for path in tries)

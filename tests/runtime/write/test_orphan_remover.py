"""Events that were rejected without a run go after a day, and nothing else does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from grctl.kube import EVENTS, ApiError, UnreachableError
from grctl_operator.runtime.people.metrics import Metrics
from grctl_operator.runtime.write import orphan_remover as module
from grctl_operator.runtime.write.orphan_remover import ORPHANS_KEPT, OrphanRemover
from tests.runtime.conftest import PATIENCE, Cluster, Json

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
OLD = NOON - ORPHANS_KEPT

ALIKE = {"status": {"phase": "Rejected", "settledAt": "2026-11-22T12:00:00Z"}}


class OrphanRemoverParts:
    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.metrics = Metrics()
        self.time = NOON
        namespaces = (cluster.namespace,)
        self.remover = OrphanRemover(cluster.api, self.metrics, namespaces, lambda: self.time)

    @asynccontextmanager
    async def looking(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.remover.run())
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
def parts(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> OrphanRemoverParts:
    monkeypatch.setattr(module, "FIRST_LOOK_S", 0.0)
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.01)
    return OrphanRemoverParts(cluster)


async def test_an_event_rejected_without_a_run_is_removed_after_a_day_and_no_other_is(
    parts: OrphanRemoverParts,
) -> None:
    old = await parts.event(OLD)
    stay = [
        await parts.event(OLD + timedelta(seconds=1)),
        await parts.event(OLD, runUid="a-run"),
        await parts.event(OLD, phase="Processed"),
        await parts.event(None, phase="Pending"),
    ]
    async with parts.looking():
        await parts.until_removed(1)
    assert await parts.names() == {each["metadata"]["name"] for each in stay}
    assert old["metadata"]["name"] not in await parts.names()


async def test_an_event_that_stays_is_removed_when_its_time_has_come(
    parts: OrphanRemoverParts,
) -> None:
    for minutes in range(3):
        await parts.event(OLD + timedelta(minutes=minutes + 1))
    async with parts.looking():
        parts.time += timedelta(minutes=3)
        await parts.until_removed(3)
    assert await parts.names() == set()


async def test_a_look_that_fails_is_made_again(
    parts: OrphanRemoverParts, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    get, failures = parts.cluster.api.get, [UnreachableError("no answer")]

    async def away(path: str, params: Any = None, *, at_most: int | None = None) -> Json:
        if failures:
            raise failures.pop()
        return await get(path, params, at_most=at_most)

    monkeypatch.setattr(parts.cluster.api, "get", away)
    await parts.event(OLD)
    async with parts.looking():
        await parts.until_removed(1)
    assert "rejected events not removed" in caplog.messages


async def test_a_namespace_without_orphans_is_not_listed_again(
    parts: OrphanRemoverParts, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = asyncio.Event()
    remove = parts.remover._remove_old

    async def look(scope: str | None) -> datetime | None:
        left = await remove(scope)
        looked.set()
        return left

    monkeypatch.setattr(parts.remover, "_remove_old", look)
    async with parts.looking():
        await asyncio.wait_for(looked.wait(), PATIENCE)
        await asyncio.sleep(0)
        assert parts.remover._due == {}
        parts.remover.note(parts.cluster.namespace)
        assert list(parts.remover._due) == [parts.cluster.namespace]


async def test_a_namespace_where_nothing_may_be_removed_keeps_no_other_from_it(
    parts: OrphanRemoverParts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clusterwide: the events of both are in one list."""
    delete, tries = parts.cluster.api.delete, []
    kept = await parts.event(OLD)
    await parts.event(OLD)

    async def denied(path: str, *arguments: Any, **more: Any) -> Json:
        tries.append(path)
        if path.endswith(f"/{kept['metadata']['name']}"):
            raise ApiError(403, "Forbidden", "denied by a webhook")
        return await delete(path, *arguments, **more)

    monkeypatch.setattr(parts.cluster.api, "delete", denied)
    elsewhere = {"metadata": {**kept["metadata"], "namespace": "elsewhere"}, **ALIKE}

    async def both(*_: Any, **__: Any) -> AsyncIterator[Json]:
        yield {"items": [kept, elsewhere, *(await parts.cluster.events())]}

    monkeypatch.setattr(module, "list_pages", both)
    await parts.remover._remove_old(None)
    assert len([path for path in tries if parts.cluster.namespace in path]) == 1
    assert any("/namespaces/elsewhere/" in path for path in tries)

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from grctl_operator.engine.observation import Key, Listing
from grctl_operator.runtime.watch.event_stream import EventStream
from tests.runtime.watch.intakes import NOON, intake
from tests.views.test_runs import run

KEY = Key("shop", "order-1")
Json = dict[str, Any]


def event(version: int, uid: str, to: str = "order-1") -> Json:
    return {
        "metadata": {
            "name": f"approve-{uid}",
            "namespace": "shop",
            "uid": uid,
            "resourceVersion": str(version),
            "creationTimestamp": "2026-11-23T11:59:00Z",
        },
        "spec": {"workflowId": to, "eventName": "approve"},
    }


class ListServer:
    """An API server that answers a list with its items, while it is open."""

    def __init__(self) -> None:
        self.items: list[Json] = []
        self.revision = 50
        self.open = asyncio.Event()
        self.open.set()
        self.asked: list[Mapping[str, str]] = []

    async def get(
        self,
        _path: str,
        /,
        params: Mapping[str, str] | None = None,
        *,
        at_most: int | None = None,  # noqa: ARG002
    ) -> Json:
        self.asked.append(params or {})
        await self.open.wait()
        return {"metadata": {"resourceVersion": str(self.revision)}, "items": self.items}

    async def watch(self, _path: str, /, params: Mapping[str, str]) -> AsyncIterator[Json]:
        await asyncio.Event().wait()
        yield dict(params)


class StreamParts:
    def __init__(self) -> None:
        self.server = ListServer()
        made = intake(self.server)
        self.cache = made.events.get("shop")
        self.runs = made.runs
        self.queue = made.queue
        self.stream = EventStream(made, "shop")

    def waiting(self) -> list[str]:
        return [each.uid for each in self.cache.get_view(KEY)]

    async def woken(self) -> Key:
        key = await self.queue.take()
        self.queue.done(key)
        return key


@pytest.fixture
async def parts() -> StreamParts:
    return StreamParts()


async def test_a_new_event_wakes_its_run_and_a_known_one_does_not(parts: StreamParts) -> None:
    parts.stream.on_change("ADDED", event(7, "e1"))
    assert await parts.woken() == KEY
    parts.stream.on_change("ADDED", event(7, "e1"))
    assert parts.queue.idle
    assert parts.waiting() == ["e1"]


async def test_the_list_of_all_events_is_consistent_for_the_runs_known_when_it_was_asked_for(
    parts: StreamParts,
) -> None:
    parts.runs.on_answer(run(5, commits=3))
    parts.server.items = [event(9, "e2"), event(7, "e1")]
    parts.server.open.clear()
    watching = asyncio.create_task(parts.stream.watch.run())
    await asyncio.sleep(0)
    parts.runs.on_answer(run(6, commits=4))  # after the list was asked for
    parts.server.open.set()
    await parts.stream.watch.listed.wait()
    watching.cancel()
    view = parts.cache.get_view(KEY)
    assert parts.waiting() == ["e1", "e2"]
    assert view.complete_for == ("u1", 3)
    assert view.listing == Listing("u1", "5", NOON)


async def test_a_bookmark_moves_the_cache_on(parts: StreamParts) -> None:
    parts.stream.on_bookmark(70)
    assert parts.cache.revision == 70


async def test_a_list_that_was_not_read_to_its_end_counts_for_nothing(parts: StreamParts) -> None:
    parts.stream.on_asking()
    parts.stream.on_page([event(7, "e1")])
    parts.stream.on_asking()
    parts.stream.on_page([event(9, "e2")])
    parts.stream.on_page([event(8, "e3")])
    assert parts.waiting() == []
    parts.stream.on_list(50)
    assert parts.waiting() == ["e3", "e2"]

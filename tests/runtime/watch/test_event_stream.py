import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from grctl_operator.engine.observation import Key, Listing
from grctl_operator.runtime.people.journal import Journal
from grctl_operator.runtime.people.metrics import Metrics
from grctl_operator.runtime.watch.event_stream import EventStream
from grctl_operator.runtime.watch.passed_over import PassedOver
from grctl_operator.runtime.work_queue import WorkQueue
from grctl_operator.views.clock import ServerClock
from grctl_operator.views.events import EventCache
from grctl_operator.views.runs import RunCache
from tests.views.test_runs import run

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
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


class Shelf:
    """Lists what lies on it, once it may."""

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


class Post:
    def __init__(self) -> None:
        self.shelf = Shelf()
        self.cache = EventCache()
        self.runs = RunCache()
        self.queue = WorkQueue()
        clock = ServerClock(lambda: 0.0, on_jump=lambda _: None)
        clock.on_answer(0.0, NOON)
        self.stream = EventStream(
            self.shelf,
            self.cache,
            self.runs,
            self.queue,
            clock=clock,
            journal=Journal(Metrics(), clock.now),
            namespace="shop",
            passed_over=PassedOver(lambda _: None),
            on_restart=lambda _: None,
        )

    def waiting(self) -> list[str]:
        return [each.uid for each in self.cache.get_view(KEY)]

    async def woken(self) -> Key:
        key = await self.queue.take()
        self.queue.done(key)
        return key


@pytest.fixture
async def post() -> Post:
    return Post()


async def test_a_new_event_wakes_its_run_and_an_old_one_nobody(post: Post) -> None:
    post.stream.on_change("ADDED", event(7, "e1"))
    assert await post.woken() == KEY
    post.stream.on_change("ADDED", event(7, "e1"))
    assert post.queue.idle
    assert post.waiting() == ["e1"]


async def test_the_list_of_all_events_is_consistent_for_the_runs_known_when_it_was_asked_for(
    post: Post,
) -> None:
    post.runs.on_answer(run(5, commits=3))
    post.shelf.items = [event(9, "e2"), event(7, "e1")]
    post.shelf.open.clear()
    watching = asyncio.create_task(post.stream.watch.run())
    await asyncio.sleep(0)
    post.runs.on_answer(run(6, commits=4))  # after the list was asked for
    post.shelf.open.set()
    await post.stream.watch.listed.wait()
    watching.cancel()
    view = post.cache.get_view(KEY)
    assert post.waiting() == ["e1", "e2"]
    assert view.complete_for == ("u1", 3)
    assert view.listing == Listing("u1", "5", NOON)


async def test_a_bookmark_moves_the_cache_on(post: Post) -> None:
    post.stream.on_bookmark(70)
    assert post.cache.revision == 70


async def test_a_list_that_was_not_read_to_its_end_counts_for_nothing(post: Post) -> None:
    post.stream.on_asking()
    post.stream.on_page([event(7, "e1")])
    post.stream.on_asking()
    post.stream.on_page([event(9, "e2")])
    post.stream.on_page([event(8, "e3")])
    assert post.waiting() == []
    post.stream.on_list(50)
    assert post.waiting() == ["e3", "e2"]

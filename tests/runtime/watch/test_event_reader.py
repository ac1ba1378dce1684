"""Consistent lists on request: as of which moment, for which runs, and how many."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import count, islice

import pytest

from grctl.kube import EVENTS, ApiError, ExpiredError, UnreachableError
from grctl_operator.engine.observation import Key, Listing
from grctl_operator.runtime.outage import Sleep
from grctl_operator.runtime.people.metrics import Metrics
from grctl_operator.runtime.watch.event_reader import (
    MAX_DEBOUNCES_PER_READ,
    MAX_EVENTS_PER_SAVED_LIST,
    EventReader,
)
from tests.runtime.watch.intakes import NOON, intake
from tests.runtime.watch.test_event_stream import Json, ListServer, event
from tests.views.test_runs import run

KEY = Key("shop", "order-1")


class SelectingServer(ListServer):
    """Lists what a selector of one run asks for, and raises the failures that a test sets."""

    def __init__(self) -> None:
        super().__init__()
        self.paths: list[str] = []
        self.failures: list[Exception] = []

    async def get(
        self,
        path: str,
        /,
        params: Mapping[str, str] | None = None,
        *,
        at_most: int | None = None,  # noqa: ARG002
    ) -> Json:
        self.paths.append(path)
        answer = await super().get(path, params)
        if self.failures:
            raise self.failures.pop()
        selector = (params or {}).get("fieldSelector", "")
        wanted = [
            item
            for item in self.items
            if "workflowId=" not in selector
            or f"spec.workflowId={item['spec']['workflowId']}," in selector
        ]
        return {**answer, "items": wanted}


class ReaderParts:
    def __init__(self, namespace: str | None = None, sleep: Sleep = asyncio.sleep) -> None:
        self.server = SelectingServer()
        self.metrics = Metrics()
        made = intake(self.server, self.metrics)
        self.cache = made.events.get(namespace)
        self.runs = made.runs
        self.queue = made.queue
        self.reader = EventReader(made, namespace, sleep=sleep)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.reader.run())
        yield
        task.cancel()

    async def woken(self, count: int) -> set[Key]:
        """Wait until so many keys are to be reconciled."""
        async with asyncio.timeout(60):
            keys = [await self.queue.take() for _ in range(count)]
        for key in keys:
            self.queue.done(key)
        return set(keys)

    def waiting(self, key: Key = KEY) -> list[str]:
        return [each.uid for each in self.cache.get_view(key)]

    @property
    def selectors(self) -> list[str]:
        return [params["fieldSelector"] for params in self.server.asked]


@pytest.fixture
async def parts() -> ReaderParts:
    return ReaderParts()


def keys_of(count: int, namespace: str = "shop") -> list[Key]:
    return [Key(namespace, f"order-{number}") for number in range(1, count + 1)]


async def asked(parts: ReaderParts) -> None:
    """Wait until a list is under way."""
    async with asyncio.timeout(60):
        while not parts.server.asked:  # noqa: ASYNC110  # the server tells nobody
            await asyncio.sleep(0)


async def test_a_run_is_read_as_of_the_version_known_when_it_was_asked_for(
    parts: ReaderParts,
) -> None:
    parts.runs.on_answer(run(5, commits=3))
    parts.server.items = [event(7, "e1")]
    parts.server.open.clear()
    parts.reader.request(KEY)
    async with parts.reading():
        await asked(parts)
        parts.runs.on_answer(run(6, commits=4))
        parts.server.open.set()
        assert await parts.woken(1) == {KEY}
    view = parts.cache.get_view(KEY)
    assert (view.complete_for, parts.waiting()) == (("u1", 3), ["e1"])
    assert view.listing == Listing("u1", "5", NOON)
    assert "spec.workflowId=order-1" in parts.selectors[0]
    assert "resourceVersion" not in parts.server.asked[0]


async def test_a_run_that_asks_while_it_is_read_shares_the_answer(parts: ReaderParts) -> None:
    parts.server.open.clear()
    parts.reader.request(KEY)
    async with parts.reading():
        await asked(parts)
        parts.reader.request(KEY)
        parts.server.open.set()
        await parts.woken(1)
        parts.reader.request(KEY)
        await parts.woken(1)
    assert len(parts.server.asked) == parts.metrics.value("grctl_event_lists_total") == 2


async def test_a_run_that_asks_alone_is_sent_no_other_events(parts: ReaderParts) -> None:
    parts.reader.request(KEY)
    async with parts.reading():
        await parts.woken(1)
    assert ["spec.workflowId=order-1" in each for each in parts.selectors] == [True]


@pytest.mark.parametrize(
    ("waiting", "lists"), [(MAX_EVENTS_PER_SAVED_LIST, 1), (MAX_EVENTS_PER_SAVED_LIST + 1, 2)]
)
async def test_two_runs_share_a_list_unless_many_events_of_others_wait(
    parts: ReaderParts, waiting: int, lists: int
) -> None:
    for number in range(waiting):
        parts.cache.on_change("ADDED", event(10 + number, f"e{number}", "order-of-others"))
    for key in keys_of(2):
        parts.reader.request(key)
    async with parts.reading():
        assert await parts.woken(2) == set(keys_of(2))
    assert len(parts.selectors) == lists


async def test_many_runs_share_one_list_and_each_gets_its_own_events(parts: ReaderParts) -> None:
    keys = keys_of(1000)
    parts.server.items = [event(7, "e1", "order-1"), event(9, "e3", "order-3"), event(8, "e2")]
    for key in keys:
        parts.reader.request(key)
    async with parts.reading():
        assert await parts.woken(1000) == set(keys)
    assert len(parts.selectors) == 1
    assert "spec.workflowId=" not in parts.selectors[0]
    assert parts.waiting(Key("shop", "order-1")) == ["e1", "e2"]
    assert parts.waiting(Key("shop", "order-2")) == []
    assert parts.waiting(Key("shop", "order-3")) == ["e3"]


async def test_runs_that_ask_while_a_list_is_read_share_the_next_one(parts: ReaderParts) -> None:
    first, *others = keys_of(1000)
    parts.server.open.clear()
    parts.reader.request(first)
    async with parts.reading():
        await asked(parts)
        for key in others:
            parts.reader.request(key)
        parts.server.open.set()
        await parts.woken(1000)
    assert len(parts.selectors) == 2


async def test_nothing_is_read_while_one_run_after_the_other_asks() -> None:
    first, *others = keys_of(20)
    to_come = iter(others)

    parts: ReaderParts

    async def another_asks(_seconds: float) -> None:
        for key in islice(to_come, 1):
            parts.reader.request(key)

    parts = ReaderParts(sleep=another_asks)
    parts.reader.request(first)
    async with parts.reading():
        assert await parts.woken(20) == {first, *others}
    assert len(parts.selectors) == 1


async def test_a_run_is_read_even_if_other_runs_never_stop_asking() -> None:
    endless = (Key("shop", f"other-{number}") for number in count())

    parts: ReaderParts

    async def another_asks(_seconds: float) -> None:
        parts.reader.request(next(endless))
        await asyncio.sleep(0)

    parts = ReaderParts(sleep=another_asks)
    parts.reader.request(KEY)
    async with parts.reading():
        assert KEY in await parts.woken(MAX_DEBOUNCES_PER_READ + 1)


@pytest.mark.parametrize("namespace", ["shop", None])
async def test_a_shared_list_is_of_the_readers_whole_namespace(namespace: str | None) -> None:
    parts = ReaderParts(namespace)
    for key in keys_of(20, "shop") + keys_of(20, "lab"):
        parts.reader.request(key)
    async with parts.reading():
        await parts.woken(40)
    assert parts.server.paths == [EVENTS.path(namespace)]


async def test_a_prefetch_wakes_only_runs_that_asked_or_have_events(parts: ReaderParts) -> None:
    idle, had, has, asks, asks_later = keys_of(5)
    parts.cache.on_change("ADDED", event(7, "e2", had.name))
    parts.server.items = [event(8, "e3", has.name)]
    parts.server.open.clear()
    parts.reader.prefetch([idle, had, has, asks, asks_later])
    parts.reader.request(asks)
    async with parts.reading():
        await asked(parts)
        parts.reader.request(asks_later)
        parts.reader.prefetch([idle])
        parts.server.open.set()
        assert await parts.woken(4) == {had, has, asks, asks_later}
    assert (len(parts.queue), len(parts.selectors)) == (0, 1)


@pytest.mark.parametrize(
    "failure",
    [
        UnreachableError("no answer"),
        ApiError(503, "ServiceUnavailable", "etcd is away"),
        ExpiredError(410, "Expired", "the pages took too long"),
    ],
)
async def test_a_list_that_fails_is_tried_again(failure: Exception) -> None:
    async def at_once(_seconds: float) -> None:
        await asyncio.sleep(0)

    parts = ReaderParts(sleep=at_once)
    parts.server.failures = [failure]
    parts.server.items = [event(7, "e1")]
    parts.reader.request(KEY)
    async with parts.reading():
        await parts.woken(1)
    assert parts.waiting() == ["e1"]


async def test_a_list_that_is_refused_for_good_is_tried_again_too(parts: ReaderParts) -> None:
    parts.server.failures = [ApiError(400, "BadRequest", "no such field")]
    parts.server.items = [event(7, "e1")]
    parts.reader.request(KEY)
    async with parts.reading():
        await parts.woken(1)
    assert parts.waiting() == ["e1"]

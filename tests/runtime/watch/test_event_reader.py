"""Consistent lists on demand: as of when, for whom, and how many."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import count, islice

import pytest

from grctl.kube import EVENTS, ApiError, ExpiredError, UnreachableError
from grctl_operator.engine.observation import Key, Listing
from grctl_operator.runtime.outage import Outage
from grctl_operator.runtime.people.journal import Journal
from grctl_operator.runtime.people.metrics import Metrics
from grctl_operator.runtime.watch.event_reader import MOMENTS, SENT, EventReader
from grctl_operator.runtime.watch.passed_over import PassedOver
from grctl_operator.runtime.work_queue import WorkQueue
from grctl_operator.views.clock import ServerClock
from grctl_operator.views.events import EventCache
from grctl_operator.views.runs import RunCache
from tests.runtime.watch.test_event_stream import Json, Shelf, event
from tests.views.test_runs import run

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
KEY = Key("shop", "order-1")


class Selecting(Shelf):
    """Lists what a selector of one run asks for; fails as often as it is told to."""

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


class Desk:
    def __init__(self, namespace: str | None = None) -> None:
        self.shelf = Selecting()
        self.cache = EventCache()
        self.runs = RunCache()
        self.queue = WorkQueue()
        self.metrics = Metrics()
        clock = ServerClock(lambda: 0.0, on_jump=lambda _: None)
        clock.on_answer(0.0, NOON)
        self.reader = EventReader(
            self.shelf,
            self.cache,
            self.runs,
            self.queue,
            clock=clock,
            journal=Journal(self.metrics, clock.now),
            namespace=namespace,
            passed_over=PassedOver(lambda _: None),
        )

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
        return [params["fieldSelector"] for params in self.shelf.asked]


@pytest.fixture
async def desk() -> Desk:
    return Desk()


def keys_of(count: int, namespace: str = "shop") -> list[Key]:
    return [Key(namespace, f"order-{number}") for number in range(1, count + 1)]


async def asked(desk: Desk) -> None:
    """Wait until a list is under way."""
    async with asyncio.timeout(60):
        while not desk.shelf.asked:  # noqa: ASYNC110  # the shelf tells nobody
            await asyncio.sleep(0)


async def test_a_run_is_read_as_of_the_version_known_when_it_was_asked_for(desk: Desk) -> None:
    desk.runs.on_answer(run(5, commits=3))
    desk.shelf.items = [event(7, "e1")]
    desk.shelf.open.clear()
    desk.reader.ask(KEY)
    async with desk.reading():
        await asked(desk)
        desk.runs.on_answer(run(6, commits=4))
        desk.shelf.open.set()
        assert await desk.woken(1) == {KEY}
    view = desk.cache.get_view(KEY)
    assert (view.complete_for, desk.waiting()) == (("u1", 3), ["e1"])
    assert view.listing == Listing("u1", "5", NOON)
    assert "spec.workflowId=order-1" in desk.selectors[0]
    assert "resourceVersion" not in desk.shelf.asked[0]


async def test_who_asks_while_its_run_is_read_shares_the_answer(desk: Desk) -> None:
    desk.shelf.open.clear()
    desk.reader.ask(KEY)
    async with desk.reading():
        await asked(desk)
        desk.reader.ask(KEY)
        desk.shelf.open.set()
        await desk.woken(1)
        desk.reader.ask(KEY)
        await desk.woken(1)
    assert len(desk.shelf.asked) == desk.metrics.value("grctl_event_lists_total") == 2


async def test_a_run_that_asks_alone_is_sent_no_other_events(desk: Desk) -> None:
    desk.reader.ask(KEY)
    async with desk.reading():
        await desk.woken(1)
    assert ["spec.workflowId=order-1" in each for each in desk.selectors] == [True]


@pytest.mark.parametrize(("waiting", "lists"), [(SENT, 1), (SENT + 1, 2)])
async def test_two_runs_share_a_list_unless_many_events_of_others_wait(
    desk: Desk, waiting: int, lists: int
) -> None:
    for number in range(waiting):
        desk.cache.on_change("ADDED", event(10 + number, f"e{number}", "order-of-others"))
    for key in keys_of(2):
        desk.reader.ask(key)
    async with desk.reading():
        assert await desk.woken(2) == set(keys_of(2))
    assert len(desk.selectors) == lists


async def test_many_runs_share_one_list_and_each_gets_its_own_events(desk: Desk) -> None:
    keys = keys_of(1000)
    desk.shelf.items = [event(7, "e1", "order-1"), event(9, "e3", "order-3"), event(8, "e2")]
    for key in keys:
        desk.reader.ask(key)
    async with desk.reading():
        assert await desk.woken(1000) == set(keys)
    assert len(desk.selectors) == 1
    assert "spec.workflowId=" not in desk.selectors[0]
    assert desk.waiting(Key("shop", "order-1")) == ["e1", "e2"]
    assert desk.waiting(Key("shop", "order-2")) == []
    assert desk.waiting(Key("shop", "order-3")) == ["e3"]


async def test_who_asks_while_a_list_is_read_is_read_by_the_next(desk: Desk) -> None:
    first, *others = keys_of(1000)
    desk.shelf.open.clear()
    desk.reader.ask(first)
    async with desk.reading():
        await asked(desk)
        for key in others:
            desk.reader.ask(key)
        desk.shelf.open.set()
        await desk.woken(1000)
    assert len(desk.selectors) == 2


async def test_while_one_after_the_other_asks_nothing_is_read(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *others = keys_of(20)
    to_come = iter(others)

    async def another_asks(_seconds: float) -> None:
        for key in islice(to_come, 1):
            desk.reader.ask(key)

    monkeypatch.setattr(desk.reader, "_sleep", another_asks)
    desk.reader.ask(first)
    async with desk.reading():
        assert await desk.woken(20) == {first, *others}
    assert len(desk.selectors) == 1


async def test_who_asked_is_read_for_even_if_others_never_stop_asking(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = (Key("shop", f"other-{number}") for number in count())

    async def another_asks(_seconds: float) -> None:
        desk.reader.ask(next(endless))
        await asyncio.sleep(0)

    monkeypatch.setattr(desk.reader, "_sleep", another_asks)
    desk.reader.ask(KEY)
    async with desk.reading():
        assert KEY in await desk.woken(MOMENTS + 1)


@pytest.mark.parametrize("namespace", ["shop", None])
async def test_a_shared_list_is_of_all_that_the_reader_reads(namespace: str | None) -> None:
    desk = Desk(namespace)
    for key in keys_of(20, "shop") + keys_of(20, "lab"):
        desk.reader.ask(key)
    async with desk.reading():
        await desk.woken(40)
    assert desk.shelf.paths == [EVENTS.path(namespace)]


async def test_what_is_read_ahead_wakes_only_who_asked_or_has_events(desk: Desk) -> None:
    idle, had, has, asks, asks_later = keys_of(5)
    desk.cache.on_change("ADDED", event(7, "e2", had.name))
    desk.shelf.items = [event(8, "e3", has.name)]
    desk.shelf.open.clear()
    desk.reader.read_ahead([idle, had, has, asks, asks_later])
    desk.reader.ask(asks)
    async with desk.reading():
        await asked(desk)
        desk.reader.ask(asks_later)
        desk.reader.read_ahead([idle])
        desk.shelf.open.set()
        assert await desk.woken(4) == {had, has, asks, asks_later}
    assert (len(desk.queue), len(desk.selectors)) == (0, 1)


@pytest.mark.parametrize(
    "failure",
    [
        UnreachableError("no answer"),
        ApiError(503, "ServiceUnavailable", "etcd is away"),
        ExpiredError(410, "Expired", "the pages took too long"),
    ],
)
async def test_a_list_that_fails_is_tried_again(
    desk: Desk, failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def at_once(_seconds: float) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr(desk.reader, "_outage", Outage("list events", at_once))
    desk.shelf.failures = [failure]
    desk.shelf.items = [event(7, "e1")]
    desk.reader.ask(KEY)
    async with desk.reading():
        await desk.woken(1)
    assert desk.waiting() == ["e1"]


async def test_a_list_that_is_refused_for_good_is_tried_again_too(desk: Desk) -> None:
    desk.shelf.failures = [ApiError(400, "BadRequest", "no such field")]
    desk.shelf.items = [event(7, "e1")]
    desk.reader.ask(KEY)
    async with desk.reading():
        await desk.woken(1)
    assert desk.waiting() == ["e1"]

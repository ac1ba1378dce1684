import asyncio

import pytest

from grctl_operator.engine.observation import Key
from grctl_operator.runtime.watch.passed_over import PassedOver
from grctl_operator.runtime.watch.run_stream import RunStream
from grctl_operator.runtime.work_queue import WorkQueue
from grctl_operator.views.runs import RunCache
from tests.runtime.watch.test_event_stream import Shelf
from tests.views.test_runs import run

FIRST, SECOND = Key("shop", "order-1"), Key("shop", "order-2")


class Office:
    def __init__(self) -> None:
        self.runs = RunCache()
        self.queue = WorkQueue()
        self.shelf = Shelf()
        self.stream = RunStream(
            self.shelf,
            self.runs,
            self.queue,
            "shop",
            passed_over=PassedOver(lambda _: None),
            on_restart=lambda _: None,
        )

    async def woken(self, count: int) -> set[Key]:
        keys = {await self.queue.take() for _ in range(count)}
        for key in keys:
            self.queue.done(key)
        assert self.queue.idle
        return keys


@pytest.fixture
async def office() -> Office:
    return Office()


async def test_the_list_wakes_every_run_once_and_the_next_one_only_those_that_changed(
    office: Office,
) -> None:
    office.shelf.items = [run(5), run(6, "u2", "order-2")]
    watching = asyncio.create_task(office.stream.watch.run())
    await office.stream.watch.listed.wait()
    watching.cancel()
    assert await office.woken(2) == {FIRST, SECOND}
    office.stream.on_asking()
    office.stream.on_page([run(5), run(9, "u2", "order-2")])
    office.stream.on_list(50)
    assert await office.woken(1) == {SECOND}


async def test_a_list_that_was_not_read_to_its_end_counts_for_nothing(office: Office) -> None:
    office.stream.on_asking()
    office.stream.on_page([run(5)])
    office.stream.on_asking()
    office.stream.on_page([run(6, "u2", "order-2")])
    assert office.runs.keys() == ()
    office.stream.on_list(50)
    assert office.runs.keys() == (SECOND,)
    assert await office.woken(1) == {SECOND}


async def test_what_a_list_lacks_is_gone_and_our_own_writes_are_no_news(office: Office) -> None:
    office.stream.on_change("ADDED", run(5))
    assert await office.woken(1) == {FIRST}
    office.runs.on_answer(run(7))
    office.stream.on_change("MODIFIED", run(7))
    assert office.queue.idle
    office.stream.on_asking()
    office.stream.on_list(50)
    assert await office.woken(1) == {FIRST}
    assert office.runs.get(FIRST) is None

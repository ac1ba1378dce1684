import asyncio

import pytest

from grctl_operator.engine.observation import Key
from grctl_operator.runtime.watch.run_stream import RunStream
from tests.runtime.watch.intakes import intake
from tests.runtime.watch.test_event_stream import ListServer
from tests.views.test_runs import run

FIRST, SECOND = Key("shop", "order-1"), Key("shop", "order-2")


class StreamParts:
    def __init__(self) -> None:
        self.server = ListServer()
        made = intake(self.server)
        self.runs = made.runs
        self.queue = made.queue
        self.stream = RunStream(made, "shop")

    async def woken(self, count: int) -> set[Key]:
        keys = {await self.queue.take() for _ in range(count)}
        for key in keys:
            self.queue.done(key)
        assert self.queue.idle
        return keys


@pytest.fixture
async def parts() -> StreamParts:
    return StreamParts()


async def test_the_list_wakes_every_run_once_and_the_next_one_only_those_that_changed(
    parts: StreamParts,
) -> None:
    parts.server.items = [run(5), run(6, "u2", "order-2")]
    watching = asyncio.create_task(parts.stream.watch.run())
    await parts.stream.watch.listed.wait()
    watching.cancel()
    assert await parts.woken(2) == {FIRST, SECOND}
    parts.stream.on_asking()
    parts.stream.on_page([run(5), run(9, "u2", "order-2")])
    parts.stream.on_list(50)
    assert await parts.woken(1) == {SECOND}


async def test_a_list_that_was_not_read_to_its_end_counts_for_nothing(parts: StreamParts) -> None:
    parts.stream.on_asking()
    parts.stream.on_page([run(5)])
    parts.stream.on_asking()
    parts.stream.on_page([run(6, "u2", "order-2")])
    assert parts.runs.keys() == ()
    parts.stream.on_list(50)
    assert parts.runs.keys() == (SECOND,)
    assert await parts.woken(1) == {SECOND}


async def test_a_run_that_a_list_lacks_is_gone_and_our_own_write_is_not_news(
    parts: StreamParts,
) -> None:
    parts.stream.on_change("ADDED", run(5))
    assert await parts.woken(1) == {FIRST}
    parts.runs.on_answer(run(7))
    parts.stream.on_change("MODIFIED", run(7))
    assert parts.queue.idle
    parts.stream.on_asking()
    parts.stream.on_list(50)
    assert await parts.woken(1) == {FIRST}
    assert parts.runs.get(FIRST) is None

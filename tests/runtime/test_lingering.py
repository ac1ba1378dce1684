"""Reconciles that hang: of all runs of a namespace whose writes do, beside one that is well."""

import asyncio
from collections.abc import Callable

import pytest

from grctl_operator.engine.observation import Key
from grctl_operator.runtime import lingering
from grctl_operator.runtime.lingering import MOST_PER_SUSPECT, Lingering
from grctl_operator.runtime.work_queue import WorkQueue

TURNS = 3


class House:
    """So many loops that take keys; those of the namespace `bad` hang until they are let go."""

    def __init__(self) -> None:
        self.queue = WorkQueue()
        self.lingering = Lingering(self.queue, self.begin)
        self.loops: set[asyncio.Task[None]] = set()
        self.hanging: list[Key] = []
        self.let_go = asyncio.Event()
        self.done: list[Key] = []
        self._grown = asyncio.Condition()

    def begin(self) -> None:
        self.loops.add(loop := asyncio.create_task(self._loop()))
        loop.add_done_callback(self.loops.discard)

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(60), self._grown:
            await self._grown.wait_for(holds)

    async def _loop(self) -> None:
        while True:
            key = await self.queue.take()
            self.lingering.begin(key, key.namespace)
            await self._reconcile(key)
            self.queue.done(key)
            if self.lingering.end(key):
                return

    async def _reconcile(self, key: Key) -> None:
        if key.namespace == "bad":
            self.hanging.append(key)
            await self.let_go.wait()
        self.done.append(key)
        async with self._grown:
            self._grown.notify_all()


@pytest.fixture
async def house(monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr(lingering, "LINGER_S", 0.01)
    made = House()
    for _ in range(TURNS):
        made.begin()
    for number in range(20):
        made.queue.add(Key("bad", f"run-{number}"))
    return made


async def test_a_namespace_whose_writes_hang_holds_up_nobody_else(house: House) -> None:
    well = [Key("good", f"run-{number}") for number in range(20)]
    for key in well:
        house.queue.add(key)
    await house.until(lambda: len(house.done) == len(well))
    assert house.done == well
    assert len(house.hanging) <= MOST_PER_SUSPECT


async def test_it_goes_on_when_its_writes_do_and_the_turns_are_as_many_as_before(
    house: House,
) -> None:
    house.queue.add(Key("good", "run-1"))
    await house.until(lambda: Key("good", "run-1") in house.done)
    house.let_go.set()
    await house.until(lambda: len(house.done) == 21)
    assert set(house.done) == {Key("good", "run-1"), *(Key("bad", f"run-{n}") for n in range(20))}
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(house.loops) == TURNS

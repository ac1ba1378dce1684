"""Reconciles that hang: of all runs of a namespace whose writes do, beside one that is well."""

import asyncio
from collections.abc import Callable

import pytest

from grctl_operator.engine.observation import Key
from grctl_operator.runtime import lingering
from grctl_operator.runtime.lingering import MAX_WORK_PER_SLOW_NAMESPACE, Lingering
from grctl_operator.runtime.work_queue import WorkQueue

TURNS = 3


class LingeringParts:
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
async def parts(monkeypatch: pytest.MonkeyPatch) -> LingeringParts:
    monkeypatch.setattr(lingering, "LINGERS_AFTER_S", 0.01)
    made = LingeringParts()
    for _ in range(TURNS):
        made.begin()
    for number in range(20):
        made.queue.add(Key("bad", f"run-{number}"))
    return made


async def test_a_namespace_whose_writes_hang_holds_up_nobody_else(parts: LingeringParts) -> None:
    well = [Key("good", f"run-{number}") for number in range(20)]
    for key in well:
        parts.queue.add(key)
    await parts.until(lambda: len(parts.done) == len(well))
    assert parts.done == well
    assert len(parts.hanging) <= MAX_WORK_PER_SLOW_NAMESPACE


async def test_a_namespace_goes_on_when_its_writes_do_and_the_turns_are_as_many_as_before(
    parts: LingeringParts,
) -> None:
    parts.queue.add(Key("good", "run-1"))
    await parts.until(lambda: Key("good", "run-1") in parts.done)
    parts.let_go.set()
    await parts.until(lambda: len(parts.done) == 21)
    assert set(parts.done) == {Key("good", "run-1"), *(Key("bad", f"run-{n}") for n in range(20))}
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(parts.loops) == TURNS

import asyncio
from contextlib import suppress

import pytest

from grctl_operator.engine.observation import Key
from grctl_operator.runtime import lingering
from grctl_operator.runtime.write.turns import Turns

FLOODED, OTHER, THIRD = Key("shop", "flooded"), Key("shop", "other"), Key("shop", "third")


class Writers:
    """Who asked for a turn, and who had one in what order."""

    def __init__(self, limit: int) -> None:
        self.began: list[str] = []
        self.turns = Turns(limit)
        self.end = asyncio.Semaphore(0)
        """Lets one of those that began end."""

    async def write(self, key: Key, name: str) -> None:
        async with self.turns.taken(key):
            self.began.append(name)
            await self.end.acquire()

    async def ask(self, key: Key, name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(self.write(key, name))
        await asyncio.sleep(0)
        return task

    async def one_ends(self) -> None:
        self.end.release()
        for _ in range(5):
            await asyncio.sleep(0)


async def test_no_more_writes_than_the_limit_have_a_turn_at_a_time() -> None:
    writers = Writers(limit=2)
    for number in range(4):
        await writers.ask(FLOODED, f"write {number}")
    assert len(writers.began) == 2
    await writers.one_ends()
    assert len(writers.began) == 3


async def test_a_run_with_much_to_write_lets_the_others_go_between() -> None:
    writers = Writers(limit=1)
    for number in range(4):
        await writers.ask(FLOODED, f"flooded {number}")
    await writers.ask(OTHER, "other")
    await writers.ask(THIRD, "third")
    for _ in range(5):
        await writers.one_ends()
    assert writers.began == [
        "flooded 0", "flooded 1", "other", "third", "flooded 2", "flooded 3",
    ]  # fmt: skip


async def test_a_write_that_leaves_the_line_takes_no_turn_along() -> None:
    writers = Writers(limit=1)
    await writers.ask(FLOODED, "first")
    leaving = await writers.ask(OTHER, "leaving")
    await writers.ask(THIRD, "last")
    leaving.cancel()
    await writers.one_ends()
    assert writers.began == ["first", "last"]


async def test_a_turn_that_was_given_to_a_leaving_write_is_passed_on() -> None:
    writers = Writers(limit=1)
    async with writers.turns.taken(FLOODED):
        leaving = await writers.ask(OTHER, "leaving")
        await writers.ask(THIRD, "last")
    leaving.cancel()
    with suppress(asyncio.CancelledError):
        await leaving
    await asyncio.sleep(0)
    assert writers.began == ["last"]


async def test_a_turn_is_free_at_once_when_all_writes_are_done() -> None:
    writers = Writers(limit=1)
    for name in ("one", "two"):
        await writers.ask(FLOODED, name)
    await writers.one_ends()
    await writers.one_ends()
    await writers.ask(OTHER, "three")
    assert writers.began == ["one", "two", "three"]


async def test_a_namespace_with_many_runs_lets_the_others_go_between() -> None:
    writers = Writers(limit=1)
    for number in range(4):
        await writers.ask(Key("bad", f"run-{number}"), f"bad {number}")
    await writers.ask(OTHER, "other")
    await writers.ask(THIRD, "third")
    for _ in range(5):
        await writers.one_ends()
    assert writers.began == ["bad 0", "bad 1", "other", "bad 2", "third", "bad 3"]


async def test_writes_that_hang_in_one_namespace_leave_the_turns_to_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lingering, "LINGERS_AFTER_S", 0.01)
    writers = Writers(limit=2)
    for number in range(20):
        await writers.ask(Key("bad", f"run-{number}"), "bad")
    for number in range(3):
        async with asyncio.timeout(60), writers.turns.taken(OTHER):
            writers.began.append(f"good {number}")
    assert writers.began.count("bad") == lingering.MAX_WORK_PER_SLOW_NAMESPACE
    for _ in range(20):
        await writers.one_ends()
    assert writers.began.count("bad") == 20


async def test_a_write_that_gives_its_turn_away_does_not_hold_up_its_own_namespace() -> None:
    writers = Writers(limit=1)
    async with writers.turns.taken(FLOODED) as leave_turn:
        leave_turn()
        async with asyncio.timeout(60), writers.turns.taken(OTHER):
            writers.began.append("other")
    await writers.ask(THIRD, "third")
    await writers.ask(THIRD, "fourth")
    assert writers.began == ["other", "third"]

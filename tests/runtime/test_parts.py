"""What becomes of a part that fails: time leaps, so no pause is waited for."""

import asyncio

import pytest

from grctl_operator.runtime.outage import StoreRestoredError
from grctl_operator.runtime.parts import FIRST_PAUSE_S, LONGEST_PAUSE_S, STEADY_S, Parts
from tests.runtime.leaping import LeapingLoop


class Part:
    """Fails as often as it is told to, each time after so many seconds; then goes on."""

    def __init__(self, *lasts: float) -> None:
        self.lasts = list(lasts)
        self.began: list[float] = []
        self.goes_on = asyncio.Event()

    async def run(self) -> None:
        self.began.append(asyncio.get_running_loop().time())
        if not self.lasts:
            self.goes_on.set()
            await asyncio.Event().wait()
        await asyncio.sleep(self.lasts.pop(0))
        raise KeyError("status")


class Diary:
    def __init__(self) -> None:
        self.failures = 0
        self.restored: list[str] = []
        self.ends: list[tuple[str, str]] = []
        self.parts = Parts(
            on_failure=self._fail,
            on_restored=lambda error: self.restored.append(str(error)),
            on_end=lambda part, error: self.ends.append((part, str(error))),
        )

    def _fail(self) -> None:
        self.failures += 1


def pauses_of(*lasts: float) -> tuple[list[float], Diary]:
    """Play a part. Give the pauses before each new start."""

    async def play() -> tuple[list[float], Diary]:
        part, diary = Part(*lasts), Diary()
        diary.parts.keep(part.run, "watch")
        await part.goes_on.wait()
        await diary.parts.cancel()
        ended = [began + last for began, last in zip(part.began, lasts, strict=False)]
        return [after - end for after, end in zip(part.began[1:], ended, strict=True)], diary

    loop = LeapingLoop()
    loop.leaping = True
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(play())


def test_a_part_that_fails_is_started_again_and_the_operator_goes_on() -> None:
    _, diary = pauses_of(0.0, 0.0)
    assert (diary.failures, diary.ends, diary.restored) == (2, [], [])


def test_each_new_start_waits_longer_up_to_a_limit() -> None:
    pauses, _ = pauses_of(*[0.0] * 8)
    assert pauses[0] >= FIRST_PAUSE_S
    assert sorted(pauses[:5]) == pauses[:5]
    assert LONGEST_PAUSE_S <= pauses[-1] < LONGEST_PAUSE_S + 1


def test_a_part_that_went_on_for_long_is_started_again_soon() -> None:
    pauses, _ = pauses_of(0.0, 0.0, 0.0, STEADY_S + 1)
    assert FIRST_PAUSE_S <= pauses[-1] < FIRST_PAUSE_S + 1


async def test_a_restored_store_is_told_and_ends_nothing() -> None:
    async def finds_out() -> None:
        raise StoreRestoredError("at 4, was at 9")

    diary = Diary()
    with pytest.raises(StoreRestoredError):
        await diary.parts.keep(finds_out, "watch")
    assert (diary.restored, diary.ends, diary.failures) == (["at 4, was at 9"], [], 0)


async def test_work_that_is_done_once_ends_the_operator_if_it_fails() -> None:
    async def fails() -> None:
        raise OSError("no")

    diary = Diary()
    with pytest.raises(OSError, match="no"):
        await diary.parts.once(fails(), "follow")
    assert diary.ends == [("follow", "no")]

"""What becomes of a part that fails: time leaps, so no pause is waited for."""

import asyncio

import pytest

from grctl_operator.runtime.outage import StoreRestoredError
from grctl_operator.runtime.parts import (
    FIRST_RESTART_PAUSE_S,
    LONGEST_RESTART_PAUSE_S,
    STEADY_PART_S,
    Parts,
)
from tests.runtime.leaping import LeapingLoop


class FailingPart:
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


class RecordedParts:
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


def pauses_of(*lasts: float) -> tuple[list[float], RecordedParts]:
    """Play a part. Give the pauses before each new start."""

    async def play() -> tuple[list[float], RecordedParts]:
        part, recorded = FailingPart(*lasts), RecordedParts()
        recorded.parts.keep(part.run, "watch")
        await part.goes_on.wait()
        await recorded.parts.cancel()
        ended = [began + last for began, last in zip(part.began, lasts, strict=False)]
        return [after - end for after, end in zip(part.began[1:], ended, strict=True)], recorded

    loop = LeapingLoop()
    loop.leaping = True
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(play())


def test_a_part_that_fails_is_started_again_and_the_operator_goes_on() -> None:
    _, recorded = pauses_of(0.0, 0.0)
    assert (recorded.failures, recorded.ends, recorded.restored) == (2, [], [])


def test_each_new_start_waits_longer_up_to_a_limit() -> None:
    pauses, _ = pauses_of(*[0.0] * 8)
    assert pauses[0] >= FIRST_RESTART_PAUSE_S
    assert sorted(pauses[:5]) == pauses[:5]
    assert LONGEST_RESTART_PAUSE_S <= pauses[-1] < LONGEST_RESTART_PAUSE_S + 1


def test_a_part_that_went_on_for_long_is_started_again_soon() -> None:
    pauses, _ = pauses_of(0.0, 0.0, 0.0, STEADY_PART_S + 1)
    assert FIRST_RESTART_PAUSE_S <= pauses[-1] < FIRST_RESTART_PAUSE_S + 1


async def test_a_restored_store_is_reported_and_ends_no_other_part() -> None:
    async def finds_out() -> None:
        raise StoreRestoredError("at 4, was at 9")

    recorded = RecordedParts()
    with pytest.raises(StoreRestoredError):
        await recorded.parts.keep(finds_out, "watch")
    assert (recorded.restored, recorded.ends, recorded.failures) == (["at 4, was at 9"], [], 0)


async def test_work_that_is_done_once_ends_the_operator_if_it_fails() -> None:
    async def fails() -> None:
        raise OSError("no")

    recorded = RecordedParts()
    with pytest.raises(OSError, match="no"):
        await recorded.parts.once(fails(), "follow")
    assert recorded.ends == [("follow", "no")]

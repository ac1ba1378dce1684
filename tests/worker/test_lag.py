"""A blocked event loop is found, logged and reported. The clock is the test's."""

import asyncio
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from grctl.worker import lag
from grctl.worker.executor import execution_of
from grctl.worker.lag import LoopBlockage, LoopWatch


class Clock:
    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


class Watched:
    """A loop's watch that looks when the test calls it, at the time that the test sets."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.reports: list[LoopBlockage] = []
        self.watch = LoopWatch(self.reports.append, self.clock)

    @contextmanager
    def watching(self) -> Iterator[None]:
        with self.watch.watching():
            self.watch._ended.set()  # the test looks, not the thread
            yield

    def look_after(self, seconds: float) -> None:
        """Look from another thread, after the loop has been blocked for so many seconds more."""
        self.clock.time += seconds
        thread = threading.Thread(target=self.watch.look)
        thread.start()
        thread.join()

    def loop_goes_on(self) -> None:
        self.watch._tick()


@pytest.fixture
def watched(caplog: pytest.LogCaptureFixture) -> Watched:
    caplog.set_level(logging.INFO, "grctl")
    return Watched()


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records]


async def test_a_loop_that_is_in_time_is_not_reported(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    with watched.watching():
        for _ in range(10):
            watched.look_after(lag.TICK_S)
            watched.loop_goes_on()
    assert (watched.reports, said(caplog)) == ([], [])


async def test_a_blocked_loop_is_reported_with_the_blocking_line_and_again_at_its_end(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    with watched.watching():
        watched.look_after(10)
        watched.loop_goes_on()
        watched.look_after(0)
    first, last = watched.reports
    assert "test_lag.py" in first.place
    assert first.seconds == pytest.approx(10, abs=lag.TICK_S)
    assert (first.over, last.over, last.place) == (False, True, first.place)
    assert said(caplog) == ["event loop blocked", "event loop was blocked"]


async def test_a_loop_that_stays_blocked_is_logged_once_and_reported_again(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    with watched.watching():
        for _ in range(60):
            watched.look_after(1)
    assert said(caplog) == ["event loop blocked"]
    assert 10 <= len(watched.reports) <= 13


async def test_a_process_that_was_stopped_as_a_whole_is_reported_afterwards(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    with watched.watching():
        watched.clock.time += 43
        watched.loop_goes_on()
        watched.look_after(0)
    (report,) = watched.reports
    assert report.over
    assert report.seconds == pytest.approx(43, abs=lag.TICK_S)
    assert said(caplog) == ["event loop was blocked"]


async def test_the_worst_lag_is_measured_and_forgotten(watched: Watched) -> None:
    with watched.watching():
        watched.clock.time += 2
        watched.loop_goes_on()
        assert watched.watch.lag_s == pytest.approx(2, abs=lag.TICK_S)
        for _ in range(3 * int(lag.WINDOW_S / lag.TICK_S)):
            watched.clock.time += lag.TICK_S
            watched.loop_goes_on()
        assert watched.watch.lag_s == 0


async def test_a_task_of_no_handler_belongs_to_no_execution() -> None:
    task = asyncio.current_task()
    assert task is not None
    assert execution_of(task) is None

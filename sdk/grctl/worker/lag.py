"""Finds which handler blocks the event loop, where and how long, and tells log and operator.

A handler that blocks (`time.sleep`, a driver without async) stops all handlers of its process and
the heartbeat with them. For the operator such a worker looks like one behind a broken network.

1. A timer of the loop notes the time; a thread, which needs no loop, sees that it is late.
2. While the loop is blocked the thread tells the operator, over a connection of its own: this
   process lives, and its executions run. So they are not given to others.
3. A process that is stopped, or holds Python's lock, tells nothing and is lost as before. It logs
   how long that was as soon as it goes on.
"""

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from grctl.logs.loggers import get_logger
from grctl.models.wire import Execution
from grctl.worker.executor import execution_of
from grctl.worker.frames import place_in
from grctl.worker.logs import fields_of

TICK_S = 0.5  # between the notes of the loop's timer
LOOK_S = 1.0  # between the thread's looks at them
BLOCKED_AFTER_S = 3.0  # late: longer than a handler should ever take between two awaits
REPORT_EVERY_S = 5.0  # well within what the operator waits for a silent worker
WINDOW_S = 60.0  # of the worst lag, for metrics: the present and the last one

HINT = "give calls that block to asyncio.to_thread"

logger = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LoopBlockage:
    """A loop that is blocked, or was until now."""

    seconds: float
    place: str
    execution: Execution | None = None
    """Whose handler blocks it; None if unknown (in a task that a handler started, before 3.12)."""
    over: bool = False


Report = Callable[[LoopBlockage], None]
"""Tells the operator, from the watching thread. It may take some seconds and must not raise."""


class LoopWatch:
    """The watch over one event loop.

    Args:
        report: Tells the operator.
        now: A clock that never goes back, in seconds.
    """

    def __init__(self, report: Report, now: Callable[[], float] = time.monotonic) -> None:
        self._report = report
        self._now = now
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self._due = 0.0
        """When the loop's timer is to note the time next."""
        self._worst = [0.0, 0.0]
        """The longest lag of the present window and of the last one."""
        self._window_end = 0.0
        self._missed = 0.0
        """The longest lag that the loop itself noted since the last look."""
        self._told: LoopBlockage | None = None
        self._next_report = 0.0
        self._ended = threading.Event()

    @property
    def lag_s(self) -> float:
        """The longest time that the loop was late in the last one to two minutes."""
        return max(*self._worst, self._now() - self._due if self._loop else 0.0)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch the running loop while the context lasts."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._due = self._now()
        self._tick()
        thread = threading.Thread(target=self._watch, name="grctl-loop-watch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._loop = None
            self._ended.set()

    def _tick(self) -> None:
        """Note the time, in the loop."""
        if self._loop is None:
            return
        now = self._now()
        self._note(now - self._due, now)
        self._due = now + TICK_S
        self._loop.call_later(TICK_S, self._tick)

    def _note(self, lag: float, now: float) -> None:
        if now >= self._window_end:
            self._worst, self._window_end = [0.0, self._worst[0]], now + WINDOW_S
        self._worst[0] = max(self._worst[0], lag)
        self._missed = max(self._missed, lag)

    def _watch(self) -> None:
        process = os.getpid()
        while not self._ended.wait(LOOK_S) and os.getpid() == process:
            self.look()

    def look(self) -> None:
        """Look whether the loop is blocked, or was since the last look, and tell it."""
        loop, now = self._loop, self._now()
        missed, self._missed = self._missed, 0.0
        if loop is None:
            return
        lag = now - self._due
        if lag >= BLOCKED_AFTER_S:
            self._tell_blocked(LoopBlockage(lag, self._place(), _execution(loop)), now)
        elif missed >= BLOCKED_AFTER_S or self._told is not None:
            self._tell_over(missed)

    def _tell_blocked(self, found: LoopBlockage, now: float) -> None:
        known = self._told
        if known is None or known.execution != found.execution:
            logger.warning("event loop blocked", extra=_fields(found) | {"hint": HINT})
            self._next_report = now
        self._told = found
        if now >= self._next_report:
            self._next_report = now + REPORT_EVERY_S
            self._report(found)

    def _tell_over(self, missed: float) -> None:
        last = self._told or LoopBlockage(missed, "nowhere in Python: Python itself was held")
        over = LoopBlockage(max(missed, last.seconds), last.place, last.execution, over=True)
        self._told = None
        logger.warning("event loop was blocked", extra=_fields(over))
        self._report(over)

    def _place(self) -> str:
        return place_in(sys._current_frames().get(self._thread))  # noqa: SLF001  documented, for this


def _execution(loop: asyncio.AbstractEventLoop) -> Execution | None:
    task = asyncio.current_task(loop)
    return execution_of(task) if task is not None else None


def _fields(blockage: LoopBlockage) -> dict[str, Any]:
    named = fields_of(blockage.execution) if blockage.execution else {}
    return named | {"seconds": round(blockage.seconds, 1), "at": blockage.place}

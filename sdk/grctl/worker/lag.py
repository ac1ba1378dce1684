"""Find a handler that blocks the event loop: which, where and how long. Log and report it.

A handler that blocks (`time.sleep`, a driver without async) stops all handlers of its process and
its heartbeat. To the operator, such a worker looks like one behind a broken network.

1. A timer of the loop records the time. A thread, which needs no loop, notices that the timer is
   late.
2. While the loop is blocked, the thread reports to the operator over a connection of its own that
   this process lives and its executions run. So the operator does not give them to other workers.
3. The thread cannot run in a process that is stopped, or while a call holds Python's lock. Such a
   worker is lost to the operator. When it goes on, it logs how long that lasted.
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

TICK_S = 0.5  # how often the loop's timer records the time
LOOK_S = 1.0  # how often the thread looks at that
BLOCKED_AFTER_S = 3.0  # longer than a handler should ever take between two awaits
REPORT_EVERY_S = 5.0  # well within the time that the operator waits for a silent worker
WINDOW_S = 60.0  # the metric shows the worst lag of the present window and the one before

HINT = "give calls that block to asyncio.to_thread"

logger = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LoopBlockage:
    """A blocked loop. `over` is true once it runs again."""

    seconds: float
    place: str
    execution: Execution | None = None
    """The execution whose handler blocks it; None if unknown (before Python 3.12, in a task that a
    handler started)."""
    over: bool = False


Report = Callable[[LoopBlockage], None]
"""Reports to the operator. Called in the watching thread; may take seconds, and must not raise."""


class LoopWatch:
    """The watch over one event loop.

    Args:
        report: Reports a blockage to the operator.
        now: A monotonic clock, in seconds.
    """

    def __init__(self, report: Report, now: Callable[[], float] = time.monotonic) -> None:
        self._report = report
        self._now = now
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self._due = 0.0
        """When the loop's timer is due to record the time next."""
        self._worst = [0.0, 0.0]
        """The longest lag of the present window and of the last one."""
        self._window_end = 0.0
        self._missed = 0.0
        """The longest lag that the loop itself recorded since the last look."""
        self._reported: LoopBlockage | None = None
        self._next_report = 0.0
        self._ended = threading.Event()

    @property
    def lag_s(self) -> float:
        """The longest lag of the loop in the last one to two minutes."""
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
        """Record the time. Called in the loop."""
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
        """Log and report it if the loop is blocked, or was blocked since the last look."""
        loop, now = self._loop, self._now()
        missed, self._missed = self._missed, 0.0
        if loop is None:
            return
        lag = now - self._due
        if lag >= BLOCKED_AFTER_S:
            self._report_blocked(LoopBlockage(lag, self._place(), _execution(loop)), now)
        elif missed >= BLOCKED_AFTER_S or self._reported is not None:
            self._report_over(missed)

    def _report_blocked(self, found: LoopBlockage, now: float) -> None:
        known = self._reported
        if known is None or known.execution != found.execution:
            logger.warning("event loop blocked", extra=_fields(found) | {"hint": HINT})
            self._next_report = now
        self._reported = found
        if now >= self._next_report:
            self._next_report = now + REPORT_EVERY_S
            self._report(found)

    def _report_over(self, missed: float) -> None:
        last = self._reported or LoopBlockage(missed, "nowhere in Python: Python itself was held")
        over = LoopBlockage(max(missed, last.seconds), last.place, last.execution, over=True)
        self._reported = None
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

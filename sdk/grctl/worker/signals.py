"""The signals that stop a worker, and how a forked child gets rid of the worker's handlers.

1. asyncio takes signals by a descriptor that the C handler of a signal writes to. A child made by
   fork has that descriptor and that handler too: a SIGTERM for the child would stop the worker,
   and the child would go on (bpo 66285; Python 3.12 and later close the descriptor and keep the
   handler).
2. Users' code may replace a handler, or the descriptor, while the worker runs: a library that takes
   signals does. Both are taken back within a second, and the log says so. Otherwise a worker could
   only be stopped by force.
3. A child begins with the handlers that were there before the worker's. A signal that comes
   while it begins is held back until then.
"""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from grctl.logs.loggers import get_logger

RECHECK_S = 1.0
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)

logger = get_logger(__name__)

_before: dict[signal.Signals, Any] = {}
"""The handlers that the worker of this process has replaced; empty without one."""


@contextmanager
def stopping_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` at each signal to end; only the main thread can."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = {each: signal.getsignal(each) or signal.SIG_DFL for each in STOP_SIGNALS}
    taken = _Taken(loop, stop)
    taken.take()
    _before.update(before)
    try:
        yield
    finally:
        taken.end()
        _before.clear()
        for each, handler in before.items():
            loop.remove_signal_handler(each)
            signal.signal(each, handler)


class _Taken:
    """The signals that a loop takes."""

    def __init__(self, loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
        self._loop = loop
        self._stop = stop
        self._handlers: dict[signal.Signals, Any] = {}
        """The handlers that asyncio set."""
        self._timer: asyncio.TimerHandle | None = None

    def take(self) -> None:
        """Set the handlers, now and again every second."""
        for each in STOP_SIGNALS:
            if each in self._handlers and signal.getsignal(each) is not self._handlers[each]:
                logger.warning("signal taken back from users' code", extra={"signal": each.name})
            self._loop.add_signal_handler(each, self._stop)  # sets the descriptor too
            self._handlers[each] = signal.getsignal(each)
        self._timer = self._loop.call_later(RECHECK_S, self.take)

    def end(self) -> None:
        """Stop setting the handlers."""
        if self._timer is not None:
            self._timer.cancel()


def _for_a_child(handler: Any) -> Any:
    """Return the handler of a signal that a child gets.

    `asyncio.run` replaces Python's own handler of SIGINT by one that cancels the main task; a child
    has no such task.
    """
    owner = getattr(getattr(handler, "func", None), "__self__", None)
    return signal.default_int_handler if isinstance(owner, asyncio.Runner) else handler


class _Mask(threading.local):
    """The signals that a thread had blocked before it forked."""

    before: set[signal.Signals | int] | None = None


_mask = _Mask()


def _hold_back() -> None:
    """Block the signals while this thread forks: the child has our handlers for a moment."""
    if _before:
        _mask.before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)


def _let_through() -> None:
    if _mask.before is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, _mask.before)
        _mask.before = None


def _give_back() -> None:
    """Set the handlers that were there before the worker's, in a new child."""
    if _before:
        signal.set_wakeup_fd(-1)
        for each, handler in _before.items():
            signal.signal(each, _for_a_child(handler))
        _before.clear()
    _let_through()


os.register_at_fork(before=_hold_back, after_in_parent=_let_through, after_in_child=_give_back)

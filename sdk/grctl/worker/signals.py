"""Stop a worker at SIGTERM and SIGINT, and keep these signals right in forked children.

A signal that asyncio handles has two parts in the process: a C handler, and a descriptor
(`signal.set_wakeup_fd`) into which the C handler writes the signal's number. The loop reads it.

1. Users' code may replace either part while the worker runs; libraries that handle signals do. The
   worker could then be stopped by force only. So both parts are set again every second. If users'
   code had replaced a handler, a warning is logged.
2. A child made by fork inherits both parts. A SIGTERM for the child would be written into the
   worker's descriptor: it would stop the worker, and the child would go on (bpo 66285; Python 3.12
   closes the descriptor in the child and keeps the handler). So a child begins with the handlers
   from before the worker's.
3. A signal may arrive in the moment between the fork and that. So the signals are blocked while a
   thread forks. The kernel delivers a blocked signal when it is unblocked.
"""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from grctl.logs.loggers import get_logger

SIGNALS_RECHECK_S = 1.0
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)

logger = get_logger(__name__)

_replaced: dict[signal.Signals, Any] = {}
"""The handlers that this process had before the worker's; empty while no worker runs."""


@contextmanager
def stopping_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` at each SIGTERM and SIGINT while the context lasts.

    Only the main thread can handle signals. In another thread nothing is done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    replaced = {each: signal.getsignal(each) or signal.SIG_DFL for each in STOP_SIGNALS}
    handlers = _LoopHandlers(loop, stop)
    handlers.set()
    _replaced.update(replaced)
    try:
        yield
    finally:
        handlers.stop_checking()
        _replaced.clear()
        for each, handler in replaced.items():
            loop.remove_signal_handler(each)
            signal.signal(each, handler)


class _LoopHandlers:
    """The handlers by which a loop handles the stop signals."""

    def __init__(self, loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
        self._loop = loop
        self._stop = stop
        self._set: dict[signal.Signals, Any] = {}
        self._timer: asyncio.TimerHandle | None = None

    def set(self) -> None:
        """Set the handlers and the descriptor, now and again every SIGNALS_RECHECK_S."""
        for each in STOP_SIGNALS:
            if each in self._set and signal.getsignal(each) is not self._set[each]:
                logger.warning("signal taken back from users' code", extra={"signal": each.name})
            self._loop.add_signal_handler(each, self._stop)  # sets the descriptor too
            self._set[each] = signal.getsignal(each)
        self._timer = self._loop.call_later(SIGNALS_RECHECK_S, self.set)

    def stop_checking(self) -> None:
        """Set the handlers no more."""
        if self._timer is not None:
            self._timer.cancel()


class _Mask(threading.local):
    """The signals that a thread had blocked before it forked; None unless it forks just now."""

    before_fork: set[signal.Signals | int] | None = None


_mask = _Mask()


def _block_signals() -> None:
    """Block the stop signals in the thread that is about to fork, if a worker runs."""
    if _replaced:
        _mask.before_fork = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)


def _unblock_signals() -> None:
    if _mask.before_fork is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, _mask.before_fork)
        _mask.before_fork = None


def _restore_handlers_in_child() -> None:
    """Set the handlers from before the worker's in a new child, then unblock its signals."""
    if _replaced:
        signal.set_wakeup_fd(-1)
        for each, handler in _replaced.items():
            signal.signal(each, _handler_for_child(handler))
        _replaced.clear()
    _unblock_signals()


def _handler_for_child(handler: Any) -> Any:
    """Return the handler that a child has instead of one of its parent.

    `asyncio.run` replaces Python's own handler of SIGINT by one that cancels the main task. A child
    has no such task, so it gets Python's own.
    """
    owner = getattr(getattr(handler, "func", None), "__self__", None)
    return signal.default_int_handler if isinstance(owner, asyncio.Runner) else handler


os.register_at_fork(
    before=_block_signals,
    after_in_parent=_unblock_signals,
    after_in_child=_restore_handlers_in_child,
)

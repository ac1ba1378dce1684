"""The end of a worker's process, which threads and child processes of handlers must not delay.

At its end Python waits without limit for each thread and each child process that is not a daemon.
A handler can leave some behind: `wait_for(asyncio.to_thread(...), 5)` stops waiting, but the thread
goes on. A worker that was asked to stop has sent all its outcomes by then. So it waits
LEFT_BEHIND_S for threads and child processes, and then ends the process.
"""

import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from grctl.logs.loggers import get_logger
from grctl.worker.frames import place_in

LEFT_BEHIND_S = 5.0  # for threads, child processes and functions of atexit to end by themselves

logger = get_logger(__name__)


@contextmanager
def leaving(left_behind_s: float = LEFT_BEHIND_S) -> Iterator[None]:
    """End the process soon after the context has ended, if it does not end by itself."""
    code = 1
    try:
        yield
        code = 0
    finally:
        try:
            guard = threading.Timer(left_behind_s, _leave, (code,))
            guard.daemon = True
            guard.name = "grctl-leaving"
            guard.start()
        except RuntimeError as error:  # no more threads can be started: the end is not limited
            logger.warning("nothing limits how long the end takes", extra={"why": str(error)})


def _leave(code: int) -> None:
    children = _children()
    left = {
        "threads": "; ".join(_threads()) or None,
        "processes": "; ".join(f"{each.name} ({each.pid})" for each in children) or None,
    }
    logger.warning("leaving without what handlers left behind", extra=left)
    for each in children:
        each.terminate()  # it may hold our pipes, and nothing waits for it any more
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # a user may have closed or replaced the stream
            stream.flush()
    os._exit(code)


def _threads() -> list[str]:
    """Return the names of the threads that Python waits for, and what each of them does."""
    frames = sys._current_frames()  # noqa: SLF001  documented, for this
    return [
        f"{each.name}: {place_in(frames.get(each.ident or 0))}"
        for each in threading.enumerate()
        if not each.daemon and each is not threading.main_thread()
    ]


def _children() -> list[Any]:
    """Return the child processes that Python waits for."""
    multiprocessing = sys.modules.get("multiprocessing")
    if multiprocessing is None:
        return []
    return [each for each in multiprocessing.active_children() if not each.daemon]

"""Child processes: started one after the other, their output shown line by line with a prefix.

1. `ended` is the first child that ends by itself: the others are of no use without it.
2. Children are stopped in the opposite order of their start, each once the one before has ended.
3. Children have sessions of their own. So Ctrl-C in the terminal reaches only this process, which
   stops them in order.
4. When this process is killed, Linux kills the children. On other systems they go on.
"""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Self

LONGEST_LINE_BYTES = 16 * 1024 * 1024  # far beyond any log line
CHILD_GRACE_S = 40.0  # a worker takes up to 30 to finish its handlers, and a little to leave
LAST_LINES_WAIT_S = 1.0  # for output after the end: another process may have inherited the pipe
SET_PARENT_DEATH_SIGNAL_CODE = 1  # of prctl

Show = Callable[[str, str], None]
"""Shows a line: the name of the process, and the text."""


@dataclass(eq=False)
class Child:
    """A child process, and the tasks that read its output and wait for its end."""

    name: str
    process: asyncio.subprocess.Process
    tasks: list[asyncio.Task[None]] = field(default_factory=list)


class Children:
    """The processes of one command. Use it as an async context manager: leaving it stops them."""

    def __init__(self, show: Show, grace: float = CHILD_GRACE_S) -> None:
        self._show = show
        self._grace = grace
        self._children: list[Child] = []
        self._stopping = False
        self._is_killing = False
        self.ended: asyncio.Future[Child] = asyncio.get_running_loop().create_future()
        """The first child that ends without having been stopped."""

    async def __aenter__(self) -> Self:
        """Return this object. Children are started by `start`."""
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Stop all children."""
        await self.stop()

    async def start(self, name: str, command: list[str], environment: Mapping[str, str]) -> Child:
        """Start a process."""
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=environment,
            limit=LONGEST_LINE_BYTES,
            start_new_session=True,
            preexec_fn=die_with_parent(os.getpid()),
        )
        child = Child(name, process)
        child.tasks = [
            asyncio.create_task(self._read(child)),
            asyncio.create_task(self._watch(child)),
        ]
        self._children.append(child)
        return child

    async def stop(self) -> None:
        """Stop all children, the last one first."""
        self._stopping = True
        for child in reversed(self._children):
            await self._stop(child)
            _, late = await asyncio.wait(child.tasks, timeout=LAST_LINES_WAIT_S)
            for task in late:
                task.cancel()

    def kill(self) -> None:
        """Kill all children."""
        self._is_killing = True
        for child in self._children:
            _signal(child, signal.SIGKILL)

    async def _stop(self, child: Child) -> None:
        _signal(child, signal.SIGKILL if self._is_killing else signal.SIGTERM)
        try:
            async with asyncio.timeout(self._grace):
                await child.process.wait()
        except TimeoutError:
            self._show(child.name, f"does not stop within {self._grace:.0f} s: killed")
            _signal(child, signal.SIGKILL)
            await child.process.wait()

    async def _read(self, child: Child) -> None:
        """Show the output of a child until it ends."""
        assert child.process.stdout is not None  # noqa: S101  it was asked for
        while True:
            try:
                line = await child.process.stdout.readline()
            except ValueError:  # the line is lost. A child whose output is not read would stop
                self._show(
                    child.name, f"(a line of over {LONGEST_LINE_BYTES // 2**20} MiB is left out)"
                )
                continue
            if not line:
                return
            self._show(child.name, line.decode(errors="replace").rstrip("\r\n"))

    async def _watch(self, child: Child) -> None:
        await child.process.wait()
        if not self._stopping and not self.ended.done():
            self.ended.set_result(child)


def _signal(child: Child, number: signal.Signals) -> None:
    if child.process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            # Not by the process object: it would reap a process that has just died, and asyncio
            # is about to ask for its exit code.
            os.kill(child.process.pid, number)


def die_with_parent(parent: int) -> Callable[[], None] | None:
    """Return what a new child calls first: it asks Linux to be killed with its parent."""
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)  # loaded here: a forked child must not load libraries

    def ask() -> None:
        library.prctl(SET_PARENT_DEATH_SIGNAL_CODE, signal.SIGKILL)
        if os.getppid() != parent:  # the parent was killed before the child asked
            os._exit(1)

    return ask

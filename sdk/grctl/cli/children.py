"""Child processes: started one after the other, their output shown line by line with a prefix.

1. The first that ends by itself is told (`ended`): the others are of no use without it.
2. They are stopped in the opposite order of their start, each once the one before has ended.
3. They live in sessions of their own, so Ctrl-C in the terminal reaches only us, and we keep order.
4. When this process is killed, Linux kills them. Elsewhere nothing tells them.
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

LONGEST_LINE = 16 * 1024 * 1024  # bytes: far beyond any log line
CHILD_GRACE_S = 40.0  # a worker takes up to 30 to finish its handlers, and a little to leave
LAST_LINES = 1.0  # s: for output to arrive after the end; whoever inherited the pipe may hold it
SET_PARENT_DEATH_SIGNAL = 1  # prctl

Show = Callable[[str, str], None]
"""Shows a line: who says it, and what."""


@dataclass(eq=False)
class Child:
    """A process of ours."""

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
        self._at_once = False
        self.ended: asyncio.Future[Child] = asyncio.get_running_loop().create_future()
        """Is given the first child that ends without having been stopped."""

    async def __aenter__(self) -> Self:
        """Start nothing yet."""
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Stop all."""
        await self.stop()

    async def start(self, name: str, command: list[str], environment: Mapping[str, str]) -> Child:
        """Start a process."""
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=environment,
            limit=LONGEST_LINE,
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
        """Stop all, the last first."""
        self._stopping = True
        for child in reversed(self._children):
            await self._stop(child)
            _, late = await asyncio.wait(child.tasks, timeout=LAST_LINES)
            for task in late:
                task.cancel()

    def kill(self) -> None:
        """Stop all at once."""
        self._at_once = True
        for child in self._children:
            _signal(child, signal.SIGKILL)

    async def _stop(self, child: Child) -> None:
        _signal(child, signal.SIGKILL if self._at_once else signal.SIGTERM)
        try:
            async with asyncio.timeout(self._grace):
                await child.process.wait()
        except TimeoutError:
            self._show(child.name, f"does not stop within {self._grace:.0f} s: killed")
            _signal(child, signal.SIGKILL)
            await child.process.wait()

    async def _read(self, child: Child) -> None:
        """Show what it writes."""
        assert child.process.stdout is not None  # noqa: S101  it was asked for
        while True:
            try:
                line = await child.process.stdout.readline()
            except ValueError:  # it is gone; reading on keeps the process from standing still
                self._show(child.name, f"(a line of over {LONGEST_LINE // 2**20} MiB is left out)")
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
            # Not by the process object: it would reap one that has just died, whose exit code
            # asyncio is about to ask for.
            os.kill(child.process.pid, number)


def die_with_parent(parent: int) -> Callable[[], None] | None:
    """Give what a new child does first: ask to be killed when its parent is."""
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)  # loaded here: the child may not load anything

    def ask() -> None:
        library.prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() != parent:  # it was killed before we asked
            os._exit(1)

    return ask

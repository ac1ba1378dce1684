"""The processes of a test: started, killed, paused, started again, and never left behind.

1. Each process logs into one file, over all its lives; a failure shows the end of it.
2. A process that is started again has the same command line, and so the same port and name.
3. A process ends when the `Processes` that it belongs to are left. On Linux it also ends with the
   process of the test, even if that is killed.
4. No test sleeps for a process: it waits for a line of its log, with a deadline.
"""

import asyncio
import contextlib
import json
import math
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

from grctl.cli.children import die_with_parent
from tests.lab.waiting import eventually

ROOT = Path(__file__).parent.parent.parent
GRCTL = (sys.executable, "-m", "grctl.cli")
PORTS = range(20_000, 32_000)  # below the range of outgoing connections


class Process:
    """One process, over all its lives.

    Args:
        name: What it is called in messages.
        command: Its command line.
        log: The file that it writes into.
        environment: Variables that differ from those of this process.
    """

    def __init__(
        self, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str]
    ) -> None:
        self.name = name
        self._command = command
        self._log = log
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._born = 0
        self.pids: list[int] = []
        """Of all its lives."""

    @property
    def pid(self) -> int:
        """Its pid in this life."""
        return self.pids[-1]

    @property
    def is_running(self) -> bool:
        """Whether it lives. A paused process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """Its output in all its lives."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    @property
    def output(self) -> str:
        """Its output in this life."""
        return self._log.read_bytes()[self._born :].decode(errors="replace")

    def records(self, message: str) -> list[dict[str, Any]]:
        """Return its log records with this message in all its lives, if it logs JSON."""
        lines = [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]
        return [line for line in lines if line.get("message") == message]

    def start(self) -> Self:
        """Start it, for the first time or again."""
        assert not self.is_running, f"{self.name} runs already"
        self._born = self._log.stat().st_size if self._log.exists() else 0
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                env={**bare_environment(), **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent(os.getpid()),  # noqa: PLW1509  one system call
            )
        self.pids.append(self._process.pid)
        return self

    def kill(self) -> None:
        """Kill it by SIGKILL, and wait for its end."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    async def terminate(self) -> int:
        """Send it SIGTERM, and return its exit code."""
        self.signal(signal.SIGTERM)
        return await self.until_ended()

    async def until_ended(self) -> int:
        """Wait until it has ended, and return its exit code."""
        await eventually(lambda: not self.is_running, f"{self.name} has ended", self._tail)
        assert self._process is not None
        return int(self._process.returncode)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal: SIGSTOP pauses it, SIGCONT lets it go on."""
        assert self._process is not None
        self._process.send_signal(number)

    async def until_logged(self, text: str) -> Self:
        """Wait until its output in this life holds a text; fail at once if it ends before."""
        await eventually(
            lambda: text in self.output or not self.is_running, f"{self.name}: {text}", self._tail
        )
        assert text in self.output, f"{self.name} ended before it logged {text!r}:\n{self._tail()}"
        return self

    @asynccontextmanager
    async def keep_alive(self) -> AsyncIterator[None]:
        """Start it again whenever it ends, as Kubernetes does with a pod's container."""

        async def watch() -> None:
            while True:
                await eventually(lambda: not self.is_running, "", patience=math.inf)
                self.start()

        watching = asyncio.create_task(watch())
        try:
            yield
        finally:
            watching.cancel()

    def _tail(self) -> str:
        return "\n".join(self.log.splitlines()[-30:])


class Processes:
    """All processes of a test. Use it as a context manager: leaving it ends them, the last first.

    Args:
        directory: For their logs.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.all: list[Process] = []

    def __enter__(self) -> Self:
        """Start nothing yet."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Kill the processes that still live."""
        self.kill(self.all)

    def kill(self, processes: Sequence[Process]) -> None:
        """Kill some of them, the last first."""
        for process in reversed(processes):
            process.kill()

    def find(self, name: str) -> list[Process]:
        """Return the processes of a name."""
        return [each for each in self.all if each.name == name]

    def add(
        self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> Process:
        """Add a process, which is not started yet."""
        process = Process(name, command, self._directory / f"{name}.log", environment or {})
        self.all.append(process)
        return process


def is_alive(pid: int) -> bool:
    """Return whether a process lives: one that is dead and not yet waited for does not."""
    done = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()[:1] not in {"", "Z"}


def free_port() -> int:
    """Return a port on which nobody listens, outside of the range of outgoing connections."""
    while True:
        port = random.choice(PORTS)  # noqa: S311
        with contextlib.suppress(OSError), socket.socket() as listener:
            listener.bind(("127.0.0.1", port))
            return port


def bare_environment() -> dict[str, str]:
    """Return this process's environment without what leads to the user's own clusters."""
    return {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("GRCTL_") and key != "KUBECONFIG"
    }

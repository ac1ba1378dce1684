"""The processes of a scenario: started, killed, paused, started again, and never left behind.

1. Each writes into a file of its own, over all its lives; a failure shows the end of it.
2. A process started again is the same command line, so it has the port and the name it had.
3. They end however the test ends: with the `Processes` they belong to, and on Linux with this
   process, even if that is killed.
4. Nothing is slept for: what a process has come to is awaited in its log, with a deadline.
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
PORTS = range(20_000, 32_000)  # below those that outgoing connections are given


class Process:
    """One process, over all its lives.

    Args:
        name: What it is called in messages.
        command: Its command line.
        log: The file that it writes into.
        environment: What is different from this process's environment.
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
    def running(self) -> bool:
        """Whether it lives; also when it is paused."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """What it wrote in all its lives."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    @property
    def said(self) -> str:
        """What it wrote in this life."""
        return self._log.read_bytes()[self._born :].decode(errors="replace")

    def records(self, message: str) -> list[dict[str, Any]]:
        """Give what it logged with this message in all its lives, if it logs JSON."""
        lines = [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]
        return [line for line in lines if line.get("message") == message]

    def start(self) -> Self:
        """Start it, for the first time or again."""
        assert not self.running, f"{self.name} runs already"
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
        """Kill it with -9, whatever it does, and bury it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    async def terminate(self) -> int:
        """Ask it to end, and give its exit code."""
        self.signal(signal.SIGTERM)
        return await self.ended()

    async def ended(self) -> int:
        """Wait until it has ended; give its exit code."""
        await eventually(lambda: not self.running, f"{self.name} has ended", self._tail)
        assert self._process is not None
        return int(self._process.returncode)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal: SIGSTOP pauses it, SIGCONT lets it go on."""
        assert self._process is not None
        self._process.send_signal(number)

    async def until_said(self, text: str) -> Self:
        """Wait until it has written a text in this life; fail at once if it ends before."""
        await eventually(
            lambda: text in self.said or not self.running, f"{self.name}: {text}", self._tail
        )
        assert text in self.said, f"{self.name} ended before it said {text!r}:\n{self._tail()}"
        return self

    @asynccontextmanager
    async def kept_alive(self) -> AsyncIterator[None]:
        """Start it again whenever it ends, as Kubernetes does with a pod's container."""

        async def watch() -> None:
            while True:
                await eventually(lambda: not self.running, "", patience=math.inf)
                self.start()

        watching = asyncio.create_task(watch())
        try:
            yield
        finally:
            watching.cancel()

    def _tail(self) -> str:
        return "\n".join(self.log.splitlines()[-30:])


class Processes:
    """All processes of a scenario. Use it as a context manager: leaving it ends them, last first.

    Args:
        directory: Where their output goes.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.all: list[Process] = []

    def __enter__(self) -> Self:
        """Start nothing yet."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Kill what still lives: a scenario that asks for an orderly end has seen it by now."""
        self.kill(self.all)

    def kill(self, processes: Sequence[Process]) -> None:
        """Kill some of them, the last first."""
        for process in reversed(processes):
            process.kill()

    def named(self, name: str) -> list[Process]:
        """Return those of a name."""
        return [each for each in self.all if each.name == name]

    def add(
        self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> Process:
        """Describe a process, and start it later."""
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
    """Find a port of this machine that nobody listens on, and that no connection is given."""
    while True:
        port = random.choice(PORTS)  # noqa: S311
        with contextlib.suppress(OSError), socket.socket() as listener:
            listener.bind(("127.0.0.1", port))
            return port


def bare_environment() -> dict[str, str]:
    """Give an environment in which nothing of this machine's own clusters is touched."""
    return {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("GRCTL_") and key != "KUBECONFIG"
    }

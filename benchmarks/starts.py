"""The moments at which handlers start: workers write them into a file, the benchmark reads it.

1. Both are processes of this machine, so they share the monotonic clock.
2. A line is written by one system call at the end of the file, before the handler does anything.
3. A read continues where the last one ended. So it costs little, and nothing while events are sent.
"""

import asyncio
import functools
import os
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

STARTS_FILE_VARIABLE = "BENCH_STARTS"
"""The environment variable with the path of the file."""
PAYLOAD_TEXT = "x" * 70
"""Makes a payload of about 100 bytes, with the number and the names of both fields."""
POLL_INTERVAL_S = 0.01
START_TIMEOUT_S = 60.0  # for the next start of a handler


class Start(NamedTuple):
    """The start of the handler of an event of a run. Number 0 is the start handler."""

    run: str
    number: int

    @property
    def payload(self) -> dict[str, Any]:
        """The payload of the event."""
        return {"number": self.number, "text": PAYLOAD_TEXT}


class StartsMissingError(Exception):
    """Some handlers did not start in time."""


def note_start(run: str, number: int) -> None:
    """Write the start of a handler into the file."""
    os.write(_file(), f"{time.monotonic_ns()} {run} {number}\n".encode())


@functools.cache
def _file() -> int:
    return os.open(os.environ[STARTS_FILE_VARIABLE], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


class Starts:
    """Reads the starts that workers wrote.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        path.touch()
        self._file = path.open("rb")
        self._rest = b""
        self.first: dict[Start, float] = {}
        """The first start of each handler, in seconds of the monotonic clock."""
        self.repeated: Counter[Start] = Counter()
        """How often each handler started again."""

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    async def until(self, wanted: Iterable[Start]) -> None:
        """Wait until all of these handlers have started.

        Raises:
            StartsMissingError: none of them started for `START_TIMEOUT_S`.
        """
        deadline = time.monotonic() + START_TIMEOUT_S
        while missing := [each for each in wanted if each not in self.first]:
            if self._read():
                deadline = time.monotonic() + START_TIMEOUT_S
            elif time.monotonic() > deadline:
                some = ", ".join(f"{run} {number}" for run, number in missing[:5])
                raise StartsMissingError(f"{len(missing)} handlers did not start, such as {some}")
            wanted = missing
            await asyncio.sleep(POLL_INTERVAL_S)

    def _read(self) -> int:
        """Read the starts that were written since the last read. Return their number."""
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        for line in lines:
            self._on_line(line.decode())
        return len(lines)

    def _on_line(self, line: str) -> None:
        moment, run, number = line.split()
        start = Start(run, int(number))
        if start in self.first:
            self.repeated[start] += 1
        else:
            self.first[start] = int(moment) / 1e9

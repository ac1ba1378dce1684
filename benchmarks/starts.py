"""When handlers started: workers write it into a file, the benchmark reads it.

1. Both are processes of this machine, so the monotonic clock is one for both.
2. A line is written by one system call at the end of the file, before the handler does anything.
3. Reading goes on where it ended: it costs little, and nothing while events are being sent.
"""

import asyncio
import functools
import os
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

FILE = "BENCH_STARTS"
"""Environment variable that names the file."""
TEXT = "x" * 70
"""With the number and the names of both about 100 bytes of payload."""
POLL = 0.01  # s
PATIENCE = 60.0  # s: for the next start; what takes longer has stopped


class Start(NamedTuple):
    """The event of a run whose handler started; number 0: the start handler."""

    run: str
    number: int

    @property
    def payload(self) -> dict[str, Any]:
        """What the event is sent with."""
        return {"number": self.number, "text": TEXT}


class StartsMissingError(Exception):
    """Handlers that should have started did not, within the time of our patience."""


def note(run: str, number: int) -> None:
    """Write down that a handler starts."""
    os.write(_file(), f"{time.monotonic_ns()} {run} {number}\n".encode())


@functools.cache
def _file() -> int:
    return os.open(os.environ[FILE], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


class Starts:
    """Reads what workers wrote down.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        path.touch()
        self._file = path.open("rb")
        self._rest = b""
        self.first: dict[Start, float] = {}
        """When each handler started for the first time, in seconds of the monotonic clock."""
        self.repeated: Counter[Start] = Counter()
        """How often it started once more."""

    def close(self) -> None:
        """Read no more."""
        self._file.close()

    async def until(self, wanted: Iterable[Start]) -> None:
        """Wait until all of these have started.

        Raises:
            StartsMissingError: none did for as long as we have patience.
        """
        deadline = time.monotonic() + PATIENCE
        while missing := [each for each in wanted if each not in self.first]:
            if self._read():
                deadline = time.monotonic() + PATIENCE
            elif time.monotonic() > deadline:
                some = ", ".join(f"{run} {number}" for run, number in missing[:5])
                raise StartsMissingError(f"{len(missing)} handlers did not start, such as {some}")
            wanted = missing
            await asyncio.sleep(POLL)

    def _read(self) -> int:
        """Take what was written since. Give how many starts that were."""
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        for line in lines:
            self._take(line.decode())
        return len(lines)

    def _take(self, line: str) -> None:
        moment, run, number = line.split()
        start = Start(run, int(number))
        if start in self.first:
            self.repeated[start] += 1
        else:
            self.first[start] = int(moment) / 1e9

"""A place in a handler where it waits until the test lets it go on.

A file each for "the handler is here" and "it may go on": both sides are processes that may be
killed at any moment, and a file outlives them.
"""

import asyncio
import os
from pathlib import Path

DIRECTORY = "LAB_DIRECTORY"
"""Environment variable: where the scenario's files are."""
POLL = 0.01  # s


class Gate:
    """One such place, by its name.

    Args:
        name: Its name; without one it stands open.
        directory: The scenario's files; in a worker, the environment says where.
    """

    def __init__(self, name: str, directory: Path | None = None) -> None:
        place = directory or lab_directory()
        self._here = place / f"{name}.here"
        self._open = place / f"{name}.open"

    async def pass_through(self) -> None:
        """Say that a handler is here, and wait until it may go on."""
        self._here.touch()
        while not self._open.exists():  # noqa: ASYNC110  the test is another process
            await asyncio.sleep(POLL)

    @property
    def reached(self) -> bool:
        """Whether a handler has come here."""
        return self._here.exists()

    @property
    def is_open(self) -> bool:
        """Whether handlers may go on."""
        return self._open.exists()

    def open(self) -> None:
        """Let handlers go on, this one and all that come."""
        self._open.touch()

    def close(self) -> None:
        """Have the next handler wait, and nobody be here yet."""
        self._open.unlink(missing_ok=True)
        self._here.unlink(missing_ok=True)


def lab_directory() -> Path:
    """Give the directory of the scenario that this worker belongs to."""
    return Path(os.environ[DIRECTORY])

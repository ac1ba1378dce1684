"""A gate: a place in a handler where it waits until the test opens it.

One file says that a handler is at the gate, another that the gate is open. Both sides are processes
that may be killed at any moment, and files outlive them.
"""

import asyncio
import os
from pathlib import Path

DIRECTORY = "LAB_DIRECTORY"
"""Environment variable that names the directory of the sandbox."""
POLL_S = 0.01


class Gate:
    """A gate, by its name.

    Args:
        name: Its name.
        directory: Directory of the sandbox; None in a worker, whose environment names it.
    """

    def __init__(self, name: str, directory: Path | None = None) -> None:
        place = directory or lab_directory()
        self._here = place / f"{name}.here"
        self._open = place / f"{name}.open"

    async def pass_through(self) -> None:
        """Mark that a handler is here, and wait until the gate is open."""
        self.arrive()
        while not self._open.exists():  # noqa: ASYNC110  the test is another process
            await asyncio.sleep(POLL_S)

    def arrive(self) -> None:
        """Mark that a handler is here."""
        self._here.touch()

    @property
    def is_reached(self) -> bool:
        """Whether a handler has come here."""
        return self._here.exists()

    @property
    def is_open(self) -> bool:
        """Whether handlers may go on."""
        return self._open.exists()

    def open(self) -> None:
        """Open the gate for this handler and all later ones."""
        self._open.touch()

    def close(self) -> None:
        """Close the gate for the next handler, and forget that one was here."""
        self._open.unlink(missing_ok=True)
        self._here.unlink(missing_ok=True)


def lab_directory() -> Path:
    """Return the directory of the sandbox that this worker belongs to."""
    return Path(os.environ[DIRECTORY])

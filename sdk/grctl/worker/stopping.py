"""What `Worker.stop` returns: awaiting it waits for the end, and leaving it alone is fine."""

from collections.abc import Callable, Coroutine, Generator
from typing import Any


class WorkerStop(Coroutine[Any, Any, None]):
    """The end of a worker that is asked to stop.

    A coroutine that nobody awaits is a mistake that Python warns of. This one may be left alone, as
    the worker stops anyway. So a signal handler can call `stop()`, and other code can await it.

    Args:
        wait: Waits until the worker has ended.
    """

    def __init__(self, wait: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._wait = wait
        self._waiting: Coroutine[Any, Any, None] | None = None

    def __await__(self) -> Generator[Any, Any, None]:
        """Wait for the end."""
        return self._begun().__await__()

    def send(self, value: Any) -> Any:
        """Go on waiting; for the event loop."""
        return self._begun().send(value)

    def throw(self, *error: Any) -> Any:
        """Raise an error in the wait; for the event loop."""
        return self._begun().throw(*error)

    def close(self) -> None:
        """End the wait; the worker stops all the same."""
        if self._waiting is not None:
            self._waiting.close()

    def _begun(self) -> Coroutine[Any, Any, None]:
        if self._waiting is None:
            self._waiting = self._wait()
        return self._waiting

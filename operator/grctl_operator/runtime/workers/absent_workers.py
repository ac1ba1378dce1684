"""AbsentWorkers: how long a worker that went away keeps its executions.

The connection of a process that was killed closes at once, and a live worker is back within
CLOSED_GRACE_S. A worker whose heartbeats fail may well be alive behind a broken network: it has
SILENT_GRACE_S. After its grace its executions are lost.
"""

import asyncio
import logging

from grctl.models.wire import Hello
from grctl_operator.runtime.work_queue import WorkQueue
from grctl_operator.views.executions import ExecutionRegistry

CLOSED_GRACE_S = 1.0  # a worker's first try to reconnect, and its Hello
SILENT_GRACE_S = 30.0  # two missed heartbeats and a reconnect

logger = logging.getLogger(__name__)


class AbsentWorkers:
    """The workers that are away and hold executions.

    Args:
        registry: Knows which executions each worker holds.
        queue: Where runs are added whose execution is lost.
        closed_grace: Of a worker whose connection closed, in seconds.
        silent_grace: Of a worker whose heartbeats failed, in seconds.
    """

    def __init__(
        self,
        registry: ExecutionRegistry,
        queue: WorkQueue,
        closed_grace: float,
        silent_grace: float,
    ) -> None:
        self._registry = registry
        self._queue = queue
        self._closed_grace = closed_grace
        self._silent_grace = silent_grace
        self._timers: dict[str, tuple[asyncio.TimerHandle, Hello]] = {}
        """When each worker is given up, by its instance."""

    def on_leave(self, hello: Hello, *, silent: bool) -> None:
        """Start the grace of a worker that holds executions; at its end the worker is given up."""
        self._give_up_in(self._silent_grace if silent else self._closed_grace, hello)

    def on_return(self, instance: str) -> None:
        """Note that a worker is back."""
        timer, _ = self._timers.pop(instance, (None, None))
        if timer is not None:
            timer.cancel()

    def wait_longer(self, instance: str) -> None:
        """Begin the grace of a worker anew, if it is away: it reports that it lives."""
        timer, hello = self._timers.get(instance, (None, None))
        if timer is not None and hello is not None:
            timer.cancel()
            self._give_up_in(self._silent_grace, hello)

    def stop(self) -> None:
        """Cancel all timers."""
        for timer, _ in self._timers.values():
            timer.cancel()

    def _give_up_in(self, seconds: float, hello: Hello) -> None:
        timer = asyncio.get_running_loop().call_later(seconds, self._give_up, hello)
        self._timers[hello.instance] = (timer, hello)

    def _give_up(self, hello: Hello) -> None:
        self._timers.pop(hello.instance, None)
        lost = self._registry.give_up(hello.instance)
        logger.warning("worker lost", extra={"worker": hello.worker, "runs": len(lost)})
        for key in lost:
            self._queue.add(key)

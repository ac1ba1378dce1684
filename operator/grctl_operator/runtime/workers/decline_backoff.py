"""DeclineBackOff: gives nothing to a worker that declines executions, for longer each time.

An outcome of the worker ends the back-off: the registry counts what it declined since then.
"""

import asyncio
import logging
from collections.abc import Callable

from grctl_operator.views.executions import ExecutionRegistry
from grctl_operator.views.team import Group, WorkerProcess

FIRST_REST_S = 0.1  # doubled with each execution that a worker declines
LONGEST_REST_S = 30.0
MAX_REST_DOUBLINGS = 20

logger = logging.getLogger(__name__)


class DeclineBackOff:
    """The workers that rest because they declined an execution.

    Args:
        registry: Counts what workers decline, and is told which of them rest.
        offer_room: Wakes the next run of a group that waits for room.
    """

    def __init__(self, registry: ExecutionRegistry, offer_room: Callable[[Group], None]) -> None:
        self._registry = registry
        self._offer_room = offer_room
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def on_decline(self, worker: WorkerProcess) -> None:
        """Rest a worker for a while: what it declines would be given to it again."""
        if not worker.declined:
            return
        self._registry.set_resting(worker.instance, resting=True)
        doubled: float = FIRST_REST_S * 2 ** min(worker.declined - 1, MAX_REST_DOUBLINGS)
        rest = min(doubled, LONGEST_REST_S)
        fields = {"worker": worker.name, "declined": worker.declined, "seconds": rest}
        logger.warning("worker rests: it declined what it was given", extra=fields)
        known = self._timers.pop(worker.instance, None)
        if known is not None:
            known.cancel()
        loop = asyncio.get_running_loop()
        self._timers[worker.instance] = loop.call_later(rest, self._end_rest, worker.instance)

    def stop(self) -> None:
        """Cancel all timers."""
        for timer in self._timers.values():
            timer.cancel()

    def _end_rest(self, instance: str) -> None:
        self._timers.pop(instance, None)
        for group in self._registry.set_resting(instance, resting=False):
            self._offer_room(group)

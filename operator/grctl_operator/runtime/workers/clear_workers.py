"""ClearWorkers: keeps a worker for a run whose next attempt must run alone (I4 (one commit)).

A handler may have ended the process of its worker. Its next attempt runs alone, so that the next
crash proves something. The worker that is kept gets nothing else. The executions that it still has
may take SUSPECT_PATIENCE_S to end. After that the attempt begins beside them: a handler that never
ends must not hold up all runs of its worker.
"""

import asyncio
import logging
from collections.abc import Callable

from grctl_operator.engine import decision
from grctl_operator.engine.observation import Key
from grctl_operator.views.executions import ExecutionRegistry
from grctl_operator.views.team import Group, WorkerProcess

SUSPECT_PATIENCE_S = 60.0  # most handlers end in that time; nothing new begins there meanwhile

logger = logging.getLogger(__name__)


class ClearWorkers:
    """The workers that are kept, each for one run.

    Args:
        registry: Reserves workers.
        offer_room: Wakes the next run of a group that waits for room.
    """

    def __init__(self, registry: ExecutionRegistry, offer_room: Callable[[Group], None]) -> None:
        self._registry = registry
        self._offer_room = offer_room
        self._patience: dict[Key, asyncio.TimerHandle] = {}
        """Of runs for which a worker is kept, and which are not dispatched yet."""
        self._asked: set[Key] = set()
        """Keys for which a worker is wanted in the reconcile under way."""

    def choose(
        self, key: Key, group: Group, effect: decision.Dispatch, *, has_journal: bool
    ) -> WorkerProcess | None:
        """Return a worker on which nothing else runs, and reserve it. None: there is none."""
        worker = self._registry.roster.reserve_clear(
            key, group, effect.kind, effect.name, effect.but, has_journal=has_journal
        )
        if worker is not None:
            self._end_patience(key)
        return worker

    def reserve(
        self, key: Key, group: Group, effect: decision.AwaitClearWorker, *, has_journal: bool
    ) -> None:
        """Keep a worker for a run. The run is reconciled when the worker is clear."""
        self._asked.add(key)
        worker = self._registry.roster.reserve(
            key, group, effect.kind, effect.name, effect.but, has_journal=has_journal
        )
        if worker is None or key in self._patience:
            return
        logger.info("worker kept for one run", extra={"worker": worker.name, "run": str(key)})
        loop = asyncio.get_running_loop()
        self._patience[key] = loop.call_later(SUSPECT_PATIENCE_S, self._lose_patience, key)

    def on_reconciled(self, key: Key) -> None:
        """Note the end of a reconcile. A worker that its run does not want any more is freed."""
        if key in self._asked:
            self._asked.discard(key)
            return
        self._end_patience(key)
        for group in self._registry.end_reservation(key):
            self._offer_room(group)

    def stop(self) -> None:
        """Cancel all timers."""
        for timer in self._patience.values():
            timer.cancel()

    def _lose_patience(self, key: Key) -> None:
        self._patience.pop(key, None)
        self._registry.begin_beside_others(key)

    def _end_patience(self, key: Key) -> None:
        timer = self._patience.pop(key, None)
        if timer is not None:
            timer.cancel()

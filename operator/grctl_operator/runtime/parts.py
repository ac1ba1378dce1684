"""Parts: the tasks that go on by themselves, and what becomes of a part that fails.

1. A part that fails is logged, counted and started again with back-off; the others go on. Each
   part decides from caches and API objects alone, so it may begin anew at any time.
2. An error that no restart mends is passed to `on_end`: another operator has the Lease, or work
   that is done once has failed.
3. The error of a restored store is passed to `on_restored`, and its part is not started again.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from grctl_operator.runtime.outage import StoreRestoredError

FIRST_RESTART_PAUSE_S = 1.0
LONGEST_RESTART_PAUSE_S = 30.0  # a person who mends the cause should not wait longer
STEADY_PART_S = 60.0  # a part that went on for so long begins with the first pause again

Work = Coroutine[Any, Any, Any]

logger = logging.getLogger(__name__)


class Parts:
    """The tasks of one operator.

    Args:
        on_failure: Is told of each part that is started again.
        on_restored: Is told that the store was restored from a backup.
        on_end: Is told the name of a part and why the operator cannot go on without it.
    """

    def __init__(
        self,
        *,
        on_failure: Callable[[], None],
        on_restored: Callable[[StoreRestoredError], None],
        on_end: Callable[[str, BaseException], None],
    ) -> None:
        self._on_failure = on_failure
        self._on_restored = on_restored
        self._on_end = on_end
        self._tasks: set[asyncio.Task[Any]] = set()

    def keep(self, part: Callable[[], Work], name: str) -> asyncio.Task[Any]:
        """Start a part that goes on until it is cancelled, or has no more to do."""
        return self._start(self._keep_going(part, name), name)

    def once(self, work: Work, name: str) -> asyncio.Task[Any]:
        """Start work that is done once. If it fails, the operator ends."""
        return self._start(work, name)

    async def cancel(self) -> None:
        """End all parts."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, work: Work, name: str) -> asyncio.Task[Any]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._note_end)
        return task

    async def _keep_going(self, part: Callable[[], Work], name: str) -> None:
        pause, now = FIRST_RESTART_PAUSE_S, asyncio.get_running_loop().time
        while True:
            began = now()
            try:
                await part()
            except StoreRestoredError:
                raise
            except Exception as error:
                self._on_failure()
                fields = {"part": name, "error": str(error)}
                logger.exception("part failed and is started again", extra=fields)
            else:
                return
            if now() - began > STEADY_PART_S:
                pause = FIRST_RESTART_PAUSE_S
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_RESTART_PAUSE_S)

    def _note_end(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, StoreRestoredError):
            self._on_restored(error)
        elif error is not None:
            self._on_end(task.get_name(), error)

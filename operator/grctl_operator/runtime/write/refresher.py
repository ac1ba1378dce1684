"""Refresher: grants turns to background writes, which show the catalogues of workers on runs.

1. A new version of a workflow changes the event names of every run of its type at once. These
   writes share a budget: one each REFRESH_INTERVAL_S, whatever else is written.
2. A difference that is over within REFRESH_AFTER_S is not written: a rolling update has ended by
   then.
3. A run that is written for another reason meanwhile shows the names too, and leaves the line.
4. Only keys are in memory. A new operator finds the differences again when it decides.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import NoReturn

from grctl_operator.engine.observation import Key
from grctl_operator.runtime.work_queue import WorkQueue
from grctl_operator.views.team import Group

REFRESH_AFTER_S = 30.0
"""As long as a rolling update takes to replace a worker."""
REFRESH_INTERVAL_S = 0.04
"""25 writes a second: ten thousand runs take some minutes, and an API server does not notice."""
CATALOGUE_GATHER_S = 5.0
"""Workers of a new version come one after the other; their runs are looked at once."""


class Refresher:
    """The line of runs whose status shows old catalogues.

    Args:
        queue: Gets a run whose turn it is.
        runs_of: Returns the runs of a type that are not finished.
        monotonic: A clock for durations, in seconds.
    """

    def __init__(
        self,
        queue: WorkQueue,
        runs_of: Callable[[Group], Iterable[Key]],
        monotonic: Callable[[], float],
    ) -> None:
        self._queue = queue
        self._runs_of = runs_of
        self._monotonic = monotonic
        self._line: dict[Key, float] = {}
        """Since when the status of each run shows old catalogues; in order."""
        self._granted: set[Key] = set()
        self._changed: dict[Group, asyncio.TimerHandle] = {}
        self._news = asyncio.Event()

    def __len__(self) -> int:
        """Return the number of runs that wait to be written."""
        return len(self._line)

    def note_change(self, group: Group) -> None:
        """Note that the workers of a type have other handlers. Its runs are looked at soon."""
        if group not in self._changed:
            loop = asyncio.get_running_loop()
            self._changed[group] = loop.call_later(CATALOGUE_GATHER_S, self._look, group)

    def may_write(self, key: Key) -> bool:
        """Return whether the turn of a run has come; otherwise it waits for its turn."""
        if key in self._granted:
            return True
        self._line.setdefault(key, self._monotonic())
        self._news.set()
        return False

    def forget(self, key: Key) -> None:
        """Take out a run that shows the present catalogues."""
        self._line.pop(key, None)
        self._granted.discard(key)

    def close(self) -> None:
        """Stop all timers."""
        for timer in self._changed.values():
            timer.cancel()
        self._changed.clear()

    async def run(self) -> NoReturn:
        """Grant turns to runs, until cancelled."""
        while True:
            if not self._line:
                self._news.clear()
                await self._news.wait()
            await asyncio.sleep(self._due_in())
            self.grant_turn()

    def grant_turn(self) -> Key | None:
        """Grant the first run its turn if it has waited for long enough. Return it."""
        key = next(iter(self._line), None)
        if key is None or self._monotonic() < self._line[key] + REFRESH_AFTER_S:
            return None
        del self._line[key]
        self._granted.add(key)
        self._queue.sweep([key])
        return key

    def _due_in(self) -> float:
        first = next(iter(self._line.values()))
        return max(REFRESH_INTERVAL_S, first + REFRESH_AFTER_S - self._monotonic())

    def _look(self, group: Group) -> None:
        del self._changed[group]
        self._queue.sweep(self._runs_of(group))

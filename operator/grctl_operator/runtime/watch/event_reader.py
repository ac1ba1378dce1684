"""EventReader: consistent lists of events, for runs of which the watch alone proves too little.

1. What is known of a run, and the time, are noted before its list is asked for: the list shows at
   least what was so then. Afterwards the run is reconciled again.
2. A list makes the API server look at every event of the namespace. So nothing is read while one
   after the other asks, who asks while lists are read waits for the next ones, and runs that ask
   together share one list of all unsettled events, unless too many wait: a thousand waits with one
   deadline cost a few lists.
3. A list that fails is tried again; who asked is not forgotten.
4. What is read before anybody asks wakes nobody for whom nothing waits: that may be all runs.
"""

import asyncio
from collections.abc import Iterable
from typing import Any, NoReturn

from grctl.kube import EVENTS, ApiError, ExpiredError, NotFoundError, UnreachableError
from grctl.models.phases import UNSETTLED_SELECTOR
from grctl_operator.engine.observation import Key
from grctl_operator.runtime.outage import Outage, Sleep
from grctl_operator.runtime.people.journal import Journal
from grctl_operator.runtime.watch.list_watch import Source, is_gone, list_into
from grctl_operator.runtime.watch.listed_events import ListedEvents
from grctl_operator.runtime.watch.passed_over import PassedOver
from grctl_operator.runtime.work_queue import WorkQueue
from grctl_operator.views.clock import ServerClock
from grctl_operator.views.events import EventCache, key_of
from grctl_operator.views.runs import RunCache

MOMENT = 0.001  # s: in which the next one asks, where many do
MOMENTS = 500  # then those that asked have waited long enough
SENT = 100  # events: being sent so many is not dearer than having all looked at once more

Json = dict[str, Any]


class EventReader:
    """Reads the unsettled events of whoever asks."""

    def __init__(
        self,
        api: Source,
        cache: EventCache,
        runs: RunCache,
        queue: WorkQueue,
        *,
        clock: ServerClock,
        journal: Journal,
        namespace: str | None = None,
        passed_over: PassedOver,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._passed_over = passed_over
        self._api = api
        self._cache = cache
        self._runs = runs
        self._queue = queue
        self._clock = clock
        self._journal = journal
        self._namespace = namespace
        self._sleep = sleep
        self._outage = Outage("list events", sleep, patient=True)
        self._wanted: dict[Key, bool] = {}
        """Whose events are to be read, and whether it asked and must be woken."""
        self._reading: dict[Key, bool] = {}
        """Who is being read: until woken, and not longer, as who is woken may ask again."""
        self._asked = asyncio.Event()

    def ask(self, key: Key) -> None:
        """Have a run's unsettled events read, and the run reconciled again."""
        if key in self._reading:
            self._reading[key] = True
        else:
            self._wanted[key] = True
            self._asked.set()

    def read_ahead(self, keys: Iterable[Key]) -> None:
        """Have the events of runs read of which nobody has asked for it yet."""
        for key in keys:
            if key not in self._reading:
                self._wanted.setdefault(key, False)
                self._asked.set()

    async def run(self) -> NoReturn:
        """Read what is asked for, until cancelled."""
        while True:
            await self._asked.wait()
            await self._let_others_ask()
            self._asked.clear()
            self._reading, self._wanted = self._wanted, {}
            try:
                await self._read_all(tuple(self._reading))
            except (UnreachableError, ApiError) as error:
                await self._keep_for_later(error)
            else:
                self._outage.over()
            self._reading = {}

    async def _let_others_ask(self) -> None:
        """Wait while one after the other asks."""
        for _ in range(MOMENTS):
            asked = len(self._wanted)
            await self._sleep(MOMENT)
            if len(self._wanted) == asked:
                return

    async def _read_all(self, keys: tuple[Key, ...]) -> None:
        """Read some runs' events: all with one list, or each with its own."""
        if len(keys) > 1 and len(self._cache) <= SENT * (len(keys) - 1):
            await self._list(keys, self._namespace, UNSETTLED_SELECTOR)
            return
        reading = (
            self._list((key,), key.namespace, f"spec.workflowId={key.name},{UNSETTLED_SELECTOR}")
            for key in keys
        )
        for result in await asyncio.gather(*reading, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result

    async def _list(self, keys: tuple[Key, ...], namespace: str | None, selector: str) -> None:
        """Read the events of some runs with one list."""
        known, at = [self._runs.get_version(key) for key in keys], self._clock.now()
        path = EVENTS.path(namespace)
        items, revision = await self._ask_for(keys, path, {"fieldSelector": selector})
        self._journal.listed(namespace, len(keys), len(items))
        of_run, at = _by_run(items), self._clock.if_past(at)
        for key, run in zip(keys, known, strict=True):
            waited = len(self._cache.get_view(key))
            self._cache.on_run_list(key, of_run.get(key, []), revision, run, at)
            if self._reading.pop(key) or waited or self._cache.get_view(key):
                self._queue.add(key)

    async def _read_list(self, path: str, params: dict[str, str]) -> tuple[list[Json], int]:
        listed = ListedEvents(self._cache, self._passed_over)
        try:
            revision = await list_into(listed.add, self._api, path, params)
        finally:
            items = listed.take()
        return items, revision

    async def _ask_for(
        self, keys: tuple[Key, ...], path: str, params: dict[str, str]
    ) -> tuple[list[Json], int]:
        """List events. There are none where their definition was deleted, as with our chart."""
        try:
            return await self._read_list(path, params)
        except NotFoundError:
            if not await is_gone(self._api, EVENTS):
                raise
        return [], self._cache.get_newest_revision(keys) + 1

    async def _keep_for_later(self, error: UnreachableError | ApiError) -> None:
        self._wanted = self._reading | self._wanted
        self._asked.set()
        if not isinstance(error, ExpiredError):  # else the pages took too long: try again at once
            await self._outage.pause(error)


def _by_run(items: list[Json]) -> dict[Key, list[Json]]:
    found: dict[Key, list[Json]] = {}
    for item in items:
        found.setdefault(key_of(item), []).append(item)
    return found

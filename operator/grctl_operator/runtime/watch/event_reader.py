"""EventReader: consistent lists of events, for runs of which the watch alone proves too little.

1. The known version of a run, and the time, are noted before its list is asked for: the list shows
   at least what was there at that moment. Afterwards the run is reconciled again.
2. A list makes the API server look at every event of the namespace. So lists are debounced: nothing
   is read while one run after the other asks, and runs that ask while lists are read wait for the
   next ones. Runs that ask together share one list of all unsettled events, unless too many events
   wait: a thousand waits with one deadline cost a few lists.
3. A list that fails is tried again, for all runs that asked.
4. Events that are read before their run asked wake it only if it has events: it may be one of all
   runs.
"""

import asyncio
from collections.abc import Iterable
from typing import Any, NoReturn

from grctl.kube import EVENTS, ApiError, ExpiredError, NotFoundError, UnreachableError
from grctl.models.phases import UNSETTLED_SELECTOR
from grctl_operator.engine.observation import Key
from grctl_operator.runtime.outage import Outage, Sleep
from grctl_operator.runtime.watch.intake import Intake
from grctl_operator.runtime.watch.listed_events import ListedEvents
from grctl_operator.runtime.watch.lists import is_gone, list_into
from grctl_operator.views.events import key_of

DEBOUNCE_S = 0.001  # within which the next run asks, if many do
MAX_DEBOUNCES_PER_READ = 500  # then the runs that asked have waited long enough
MAX_EVENTS_PER_SAVED_LIST = 100
"""So many events may be sent for each list that is saved. That costs no more than one more look at
all events."""

Json = dict[str, Any]


class EventReader:
    """Reads the unsettled events of runs that ask for them, in one namespace or in all."""

    def __init__(
        self, intake: Intake, namespace: str | None = None, *, sleep: Sleep = asyncio.sleep
    ) -> None:
        self._passed_over = intake.passed_over
        self._api = intake.api
        self._cache = intake.events.get(namespace)
        self._runs = intake.runs
        self._queue = intake.queue
        self._clock = intake.clock
        self._activity_log = intake.activity_log
        self._namespace = namespace
        self._sleep = sleep
        self._outage = Outage("list events", sleep, patient=True)
        self._wanted: dict[Key, bool] = {}
        """The runs whose events are to be read, and whether they asked and must be woken."""
        self._reading: dict[Key, bool] = {}
        """The runs that are being read. A run leaves when it is woken, as it may ask again then."""
        self._asked = asyncio.Event()

    def request(self, key: Key) -> None:
        """Ask for a run's unsettled events. Then the run is reconciled."""
        if key in self._reading:
            self._reading[key] = True
        else:
            self._wanted[key] = True
            self._asked.set()

    def prefetch(self, keys: Iterable[Key]) -> None:
        """Ask for the events of runs that have not asked for them yet."""
        for key in keys:
            if key not in self._reading:
                self._wanted.setdefault(key, False)
                self._asked.set()

    async def run(self) -> NoReturn:
        """Read what is asked for, until cancelled."""
        while True:
            await self._asked.wait()
            await self._debounce()
            self._asked.clear()
            self._reading, self._wanted = self._wanted, {}
            try:
                await self._read_all(tuple(self._reading))
            except (UnreachableError, ApiError) as error:
                await self._retry_later(error)
            else:
                self._outage.over()
            self._reading = {}

    async def _debounce(self) -> None:
        """Wait while one run after the other asks."""
        for _ in range(MAX_DEBOUNCES_PER_READ):
            asked = len(self._wanted)
            await self._sleep(DEBOUNCE_S)
            if len(self._wanted) == asked:
                return

    async def _read_all(self, keys: tuple[Key, ...]) -> None:
        """Read the events of some runs: with one list, or with one for each."""
        saved = len(keys) - 1
        if saved > 0 and len(self._cache) <= MAX_EVENTS_PER_SAVED_LIST * saved:
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
        self._activity_log.on_list(namespace, len(keys), len(items))
        of_run, at = _by_run(items), self._clock.past_or_long_ago(at)
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
        """List events. There are none if their definition was deleted, as with our chart."""
        try:
            return await self._read_list(path, params)
        except NotFoundError:
            if not await is_gone(self._api, EVENTS):
                raise
        return [], self._cache.get_newest_revision(keys) + 1

    async def _retry_later(self, error: UnreachableError | ApiError) -> None:
        self._wanted = self._reading | self._wanted
        self._asked.set()
        if not isinstance(error, ExpiredError):  # an expired list took too long: try again at once
            await self._outage.pause(error)


def _by_run(items: list[Json]) -> dict[Key, list[Json]]:
    found: dict[Key, list[Json]] = {}
    for item in items:
        found.setdefault(key_of(item), []).append(item)
    return found

"""Trimmer: removes settled events beyond those that their run keeps, in the background.

1. The engine decides which events are removed: all settled events of one run up to a sequence. No
   other event is touched, and an object is deleted as exactly the uid that was seen settled.
2. To find them takes a list of the namespace's settled events. The list waits until it is worth
   it: until a share of the events that the last list found is to be removed, or LATEST_TRIM_S has
   passed. So each removal costs the reading of a few events, however many runs there are.
3. Removals are remembered only to leave out repeats: after a restart the first list finds the rest.
4. Best effort, one request at a time in each namespace: a failure is logged and tried again later.
   An event that may not be removed is passed over, and no namespace waits for another.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, NoReturn

from grctl.kube import EVENTS, Api, ApiError, ConflictError, NotFoundError, UnreachableError
from grctl.models import WorkflowRun
from grctl.models.phases import SETTLED_SELECTOR
from grctl_operator.engine.decision import Trim
from grctl_operator.engine.observation import Key
from grctl_operator.runtime.people.metrics import Metrics
from grctl_operator.runtime.watch.lists import list_pages
from grctl_operator.views.events import is_settled, key_of
from grctl_operator.views.runs import RunCache

TRIM_SURPLUS_RATIO = 0.1
"""Of the events that the last list found: ten are read for each that is removed."""
LATEST_TRIM_S = 600.0
"""A few events too many disturb nobody for so long."""
TRIM_PAUSE_S = 1.0
"""Between two looks: events that come together are removed together."""
PAUSE_AFTER_TRIM_FAILURE_S = 10.0
TRIM_PAGE_SIZE = 100
"""Events in a page of a list, each of 512 KiB at most."""

Json = dict[str, Any]

logger = logging.getLogger(__name__)


class Through(NamedTuple):
    """The settled events of one run up to a sequence."""

    uid: str
    sequence: int


@dataclass(slots=True)
class Surplus:
    """The events to be removed in one namespace. Invariant: `since` is None if there are none.

    Pure: the caller passes the time.
    """

    wanted: dict[Key, Through] = field(default_factory=dict)
    since: float | None = None
    """When the first of the wanted removals was asked for."""
    removed: dict[Key, Through] = field(default_factory=dict)
    stayed: int = 0
    """How many settled events the last list left."""

    def want(self, key: Key, through: Through, now: float) -> None:
        """Note which events of a run are to be removed, if they are not removed yet."""
        if through.sequence > self._removed_of(key, through.uid):
            self.wanted[key] = through
            self.since = now if self.since is None else self.since

    def is_worth_a_list(self, now: float) -> bool:
        """Return whether there is enough to remove for a list, or has been something for long."""
        if self.since is None:
            return False
        surplus = sum(
            through.sequence - self._removed_of(key, through.uid)
            for key, through in self.wanted.items()
        )
        return surplus >= TRIM_SURPLUS_RATIO * self.stayed or now - self.since >= LATEST_TRIM_S

    def on_removed(self, wanted: dict[Key, Through], stayed: int, now: float) -> None:
        """Note that wanted events were removed. More may be wanted by now."""
        self.removed |= wanted
        self.stayed, self.since = stayed, None
        again, self.wanted = self.wanted, {}
        for key, through in again.items():
            self.want(key, through, now)

    def forget(self, gone: Callable[[Key, Through], bool]) -> None:
        """Forget the runs that are gone: they took their events along."""
        for known in (self.wanted, self.removed):
            for key, through in list(known.items()):
                if gone(key, through):
                    del known[key]
        if not self.wanted:
            self.since = None

    def _removed_of(self, key: Key, uid: str) -> int:
        removed = self.removed.get(key)
        return removed.sequence if removed and removed.uid == uid else 0


class Trimmer:
    """Removes in the background the events that were passed to `trim`."""

    def __init__(self, api: Api, runs: RunCache, metrics: Metrics) -> None:
        self._api = api
        self._runs = runs
        self._metrics = metrics
        self._namespaces: dict[str, Surplus] = {}
        self._under_way: dict[str, asyncio.Task[None]] = {}
        """By namespaces in which events are being removed."""
        self._asked = asyncio.Event()

    def trim(self, key: Key, run: WorkflowRun, effect: Trim) -> None:
        """Note that the settled events of a run are to be removed, up to a sequence."""
        namespace = self._namespaces.setdefault(key.namespace, Surplus())
        through = Through(run.metadata.uid, effect.through)
        namespace.want(key, through, asyncio.get_running_loop().time())
        if namespace.wanted:
            self._asked.set()

    async def run(self) -> NoReturn:
        """Remove wanted events, until cancelled."""
        try:
            while True:
                await self._asked.wait()
                await asyncio.sleep(TRIM_PAUSE_S)
                self._begin_if_worth_a_list()
                if not any(each.wanted for each in self._namespaces.values()):
                    self._asked.clear()
        finally:
            for task in self._under_way.values():
                task.cancel()

    def _begin_if_worth_a_list(self) -> None:
        for name, namespace in list(self._namespaces.items()):
            namespace.forget(lambda key, through: self._runs.get_uid(key) != through.uid)
            now = asyncio.get_running_loop().time()
            if name not in self._under_way and namespace.is_worth_a_list(now):
                self._under_way[name] = asyncio.create_task(self._try(name, namespace))

    async def _try(self, name: str, namespace: Surplus) -> None:
        try:
            await self._list_and_remove(name, namespace)
        except (ApiError, UnreachableError) as error:
            fields = {"namespace": name, "error": str(error)}
            logger.warning("settled events not removed", extra=fields)
            await asyncio.sleep(PAUSE_AFTER_TRIM_FAILURE_S)
        finally:
            del self._under_way[name]

    async def _list_and_remove(self, name: str, namespace: Surplus) -> None:
        wanted = dict(namespace.wanted)
        removed = stayed = 0
        params = {"fieldSelector": SETTLED_SELECTOR}
        async for page in list_pages(self._api, EVENTS.path(name), params, size=TRIM_PAGE_SIZE):
            settled = [item for item in page.get("items") or () if is_settled(item)]
            surplus = [item for item in settled if _goes(item, wanted)]
            gone = [await self._remove(name, item) for item in surplus]
            removed += sum(gone)
            stayed += len(settled) - sum(gone)
        namespace.on_removed(wanted, stayed, asyncio.get_running_loop().time())
        fields = {"namespace": name, "removed": removed, "stayed": stayed}
        logger.info("settled events removed", extra=fields)

    async def _remove(self, namespace: str, item: Json) -> bool:
        """Remove an event. Return whether it is gone.

        Raises:
            UnreachableError: the API server gives no answer.
        """
        metadata = item["metadata"]
        path = EVENTS.path(namespace, metadata["name"])
        try:
            await self._api.delete(path, preconditions={"uid": metadata["uid"]})
        except (NotFoundError, ConflictError):
            return True  # another client removed it, and may have created another of that name
        except ApiError as error:
            fields = {"namespace": namespace, "event": metadata["name"], "error": str(error)}
            logger.warning("settled event not removed", extra=fields)
            return False
        self._metrics.events_removed.inc()
        return True


def _goes(item: Json, wanted: dict[Key, Through]) -> bool:
    through, status = wanted.get(key_of(item)), item["status"]
    if through is None or status.get("runUid") != through.uid:
        return False
    sequence = status.get("sequence")
    return sequence is not None and sequence <= through.sequence

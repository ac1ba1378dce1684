"""Trimmer: removes settled events beyond those that their run keeps, in the background.

1. What may go was decided: all settled events of one run up to a sequence. Nothing else is touched,
   and an object is deleted as exactly the uid that was seen settled.
2. Finding them takes a list of the namespace's settled events, so it waits until that pays: until a
   share of what the last list found is to go, or LATEST has passed. So each removal costs the
   reading of a few events at most, however many runs there are, and is never one list per event.
3. What was removed is remembered only to leave out repeats: after a restart the first list finds
   what is left.
4. Best effort, one request at a time in each namespace: what fails is logged and tried again later.
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

SHARE = 0.1  # of the events found last: ten are read for each that is removed
LATEST = 600.0  # s: few events too many disturb nobody for so long
PAUSE = 1.0  # s: between two looks; events that come together go together
AFTER_FAILURE = 10.0  # s
PAGE = 100  # events: of 512 KiB at most

Json = dict[str, Any]

logger = logging.getLogger(__name__)


class Through(NamedTuple):
    """The settled events of one run up to a sequence."""

    uid: str
    sequence: int


@dataclass(slots=True)
class Surplus:
    """What is to be removed in one namespace. Invariant: `since` is None where nothing is.

    Pure: the time is given.
    """

    wanted: dict[Key, Through] = field(default_factory=dict)
    since: float | None = None
    """When the first of what is wanted came."""
    removed: dict[Key, Through] = field(default_factory=dict)
    stayed: int = 0
    """How many settled events the last list left."""

    def want(self, key: Key, through: Through, now: float) -> None:
        """Note what is to be removed, if it is not yet."""
        if through.sequence > self._removed_of(key, through.uid):
            self.wanted[key] = through
            self.since = now if self.since is None else self.since

    def pays(self, now: float) -> bool:
        """Say whether enough is to be removed for a list, or has been for long."""
        if self.since is None:
            return False
        surplus = sum(
            through.sequence - self._removed_of(key, through.uid)
            for key, through in self.wanted.items()
        )
        return surplus >= SHARE * self.stayed or now - self.since >= LATEST

    def done(self, wanted: dict[Key, Through], stayed: int, now: float) -> None:
        """Note that what was wanted is removed; more may be wanted by now."""
        self.removed |= wanted
        self.stayed, self.since = stayed, None
        again, self.wanted = self.wanted, {}
        for key, through in again.items():
            self.want(key, through, now)

    def forget(self, gone: Callable[[Key, Through], bool]) -> None:
        """Drop what is known of runs that are gone: they took their events along."""
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
    """Removes in the background what `trim` asks for."""

    def __init__(self, api: Api, runs: RunCache, metrics: Metrics, *, pause: float = PAUSE) -> None:
        self._api = api
        self._runs = runs
        self._metrics = metrics
        self._pause = pause
        self._namespaces: dict[str, Surplus] = {}
        self._under_way: dict[str, asyncio.Task[None]] = {}
        """By namespaces in which events are being removed."""
        self._asked = asyncio.Event()

    def trim(self, key: Key, run: WorkflowRun, effect: Trim) -> None:
        """Have the settled events of a run removed, up to a sequence."""
        namespace = self._namespaces.setdefault(key.namespace, Surplus())
        through = Through(run.metadata.uid, effect.through)
        namespace.want(key, through, asyncio.get_running_loop().time())
        if namespace.wanted:
            self._asked.set()

    async def run(self) -> NoReturn:
        """Remove what is wanted, until cancelled."""
        try:
            while True:
                await self._asked.wait()
                await asyncio.sleep(self._pause)
                self._begin_where_it_pays()
                if not any(each.wanted for each in self._namespaces.values()):
                    self._asked.clear()
        finally:
            for task in self._under_way.values():
                task.cancel()

    def _begin_where_it_pays(self) -> None:
        for name, namespace in list(self._namespaces.items()):
            namespace.forget(lambda key, through: self._runs.get_uid(key) != through.uid)
            now = asyncio.get_running_loop().time()
            if name not in self._under_way and namespace.pays(now):
                self._under_way[name] = asyncio.create_task(self._try(name, namespace))

    async def _try(self, name: str, namespace: Surplus) -> None:
        try:
            await self._list_and_remove(name, namespace)
        except (ApiError, UnreachableError) as error:
            fields = {"namespace": name, "error": str(error)}
            logger.warning("settled events not removed", extra=fields)
            await asyncio.sleep(AFTER_FAILURE)
        finally:
            del self._under_way[name]

    async def _list_and_remove(self, name: str, namespace: Surplus) -> None:
        wanted = dict(namespace.wanted)
        removed = stayed = 0
        params = {"fieldSelector": SETTLED_SELECTOR}
        async for page in list_pages(self._api, EVENTS.path(name), params, size=PAGE):
            settled = [item for item in page.get("items") or () if is_settled(item)]
            surplus = [item for item in settled if _goes(item, wanted)]
            gone = [await self._remove(name, item) for item in surplus]
            removed += sum(gone)
            stayed += len(settled) - sum(gone)
        namespace.done(wanted, stayed, asyncio.get_running_loop().time())
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
            return True  # somebody else removed it, and may have created another of that name
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

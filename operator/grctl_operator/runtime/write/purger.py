"""Purger: removes the settled events of runs that are being deleted, in the background.

1. A deleted run asks for it, and is reconciled again when its events are gone. Only then may it be
   let go.
2. A search for a run's events makes the API server read all events of the namespace. So there is no
   search for a run that counted no events. For others only the phases are searched that they
   counted, and runs that are deleted together share one list.
3. A namespace where it fails is tried again with back-off; the others go on.
4. Everything may be done twice: an unsettled event is never touched.
"""

import asyncio
from collections import OrderedDict
from typing import Any, NamedTuple

from grctl.kube import EVENTS, Api, ApiError, ConflictError, NotFoundError, UnreachableError
from grctl.models import WorkflowRun
from grctl.models.phases import SETTLED_PHASES, SETTLED_SELECTOR, EventPhase
from grctl_operator.engine.observation import Key
from grctl_operator.runtime.outage import Outage
from grctl_operator.runtime.watch.lists import list_pages
from grctl_operator.runtime.work_queue import WorkQueue
from grctl_operator.views.events import is_settled, key_of

PURGE_GATHER_S = 0.05
"""Runs that are deleted together ask within this time."""
MAX_RUNS_PURGED_ONE_BY_ONE = 3
"""More runs share one list, instead of one look for each run and phase."""
PURGE_PAGE_SIZE = 100
"""Events in a page of a list, each of 512 KiB at most."""
MAX_DELETIONS_AT_ONCE = 8
MAX_REMEMBERED_PURGES = 10_000
"""Runs whose events are gone, and which are not let go yet."""

Json = dict[str, Any]


class RunVersion(NamedTuple):
    """A run as it was when it asked: a later one may have settled more."""

    uid: str
    version: str


Wanted = dict[Key, tuple[RunVersion, tuple[EventPhase, ...]]]


class Purger:
    """Removes the events of the runs that were passed to `purge`."""

    def __init__(self, api: Api, queue: WorkQueue) -> None:
        self._api = api
        self._queue = queue
        self._wanted: dict[str, Wanted] = {}
        """By namespaces in which something is being removed."""
        self._done: OrderedDict[Key, RunVersion] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def under_way(self) -> tuple[asyncio.Task[None], ...]:
        """The removals that have not ended."""
        return tuple(self._tasks)

    def purge(self, key: Key, run: WorkflowRun) -> bool:
        """Remove the settled events of a run. Return whether they are gone."""
        version = RunVersion(run.metadata.uid, run.metadata.resource_version or "")
        phases = _phases_of(run)
        if not phases or self._done.pop(key, None) == version:
            return True
        begins = key.namespace not in self._wanted
        self._wanted.setdefault(key.namespace, {})[key] = (version, phases)
        if begins:
            self._tasks.add(task := asyncio.create_task(self._work(key.namespace)))
            task.add_done_callback(self._tasks.discard)
        return False

    async def _work(self, namespace: str) -> None:
        outage = Outage(f"remove settled events in {namespace}", patient=True)
        try:
            while self._wanted[namespace]:
                await asyncio.sleep(PURGE_GATHER_S)
                wanted, self._wanted[namespace] = self._wanted[namespace], {}
                try:
                    await self._remove(namespace, wanted)
                except NotFoundError:  # the definition was deleted, and the events with it
                    self._note_done(wanted)
                except (ApiError, UnreachableError) as error:
                    self._wanted[namespace] = wanted | self._wanted[namespace]
                    await outage.pause(error)
                else:
                    self._note_done(wanted)
        finally:
            del self._wanted[namespace]

    def _note_done(self, wanted: Wanted) -> None:
        for key, (version, _) in wanted.items():
            self._done[key] = version
            if len(self._done) > MAX_REMEMBERED_PURGES:
                self._done.popitem(last=False)
            self._queue.add(key)

    async def _remove(self, namespace: str, wanted: Wanted) -> None:
        if len(wanted) > MAX_RUNS_PURGED_ONE_BY_ONE:
            await self._list_and_remove(namespace, wanted)
            return
        for key, (_, phases) in wanted.items():
            for phase in phases:
                selector = f"spec.workflowId={key.name},status.phase={phase.value}"
                await self._api.delete_all(EVENTS.path(namespace), {"fieldSelector": selector})

    async def _list_and_remove(self, namespace: str, wanted: Wanted) -> None:
        params = {"fieldSelector": SETTLED_SELECTOR}
        async for page in list_pages(
            self._api, EVENTS.path(namespace), params, size=PURGE_PAGE_SIZE
        ):
            items = [
                item
                for item in page.get("items") or ()
                if is_settled(item) and key_of(item) in wanted
            ]
            for first in range(0, len(items), MAX_DELETIONS_AT_ONCE):
                batch = items[first : first + MAX_DELETIONS_AT_ONCE]
                removing = (self._remove_one(namespace, item["metadata"]) for item in batch)
                for result in await asyncio.gather(*removing, return_exceptions=True):
                    if isinstance(result, BaseException):
                        raise result

    async def _remove_one(self, namespace: str, metadata: Json) -> None:
        path = EVENTS.path(namespace, metadata["name"])
        try:
            await self._api.delete(path, preconditions={"uid": metadata["uid"]})
        except (NotFoundError, ConflictError):
            return  # another client removed it, and may have created another of that name


def _phases_of(run: WorkflowRun) -> tuple[EventPhase, ...]:
    """Return the final phases of the events that a run counted.

    If a part of its status could not be read, its counts are unknown: return all final phases.
    """
    if run.unreadable is not None:
        return SETTLED_PHASES
    counted = run.status.events
    phases = {
        EventPhase.PROCESSED: counted.processed,
        EventPhase.FAILED: counted.failed,
        EventPhase.REJECTED: counted.rejected,
    }
    return tuple(phase for phase, count in phases.items() if count)

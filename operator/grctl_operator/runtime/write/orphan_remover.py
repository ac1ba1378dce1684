"""OrphanRemover: removes events that were rejected without a run, after a while.

1. Such an event belongs to no run (`RunGone`): neither `spec.keepEvents` nor the deletion of a run
   removes it. It stays for ORPHANS_KEPT, so that its sender can see what became of it.
2. A look for them makes the API server read the events of a namespace. It is made when the first
   known one is due, and at most every LOOK_EVERY_S. One is made when this operator begins to lead,
   as operators before it may have left some.
3. Best effort: a failed removal is logged and tried again with the next look. If one event of a
   namespace may not be removed, its others wait for that look too, and other namespaces go on.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, NoReturn

from grctl.kube import EVENTS, Api, ApiError, ConflictError, NotFoundError, UnreachableError
from grctl.models.phases import EventPhase
from grctl_operator.runtime.people.metrics import Metrics
from grctl_operator.runtime.watch.lists import list_pages

ORPHANS_KEPT = timedelta(days=1)
FIRST_LOOK_S = 2.0
"""After the takeover, which has more urgent requests to make."""
LOOK_EVERY_S = 600.0
ORPHANS_PAGE_SIZE = 100
"""Events in a page of a list, each of 512 KiB at most."""
REJECTED_SELECTOR = f"status.phase={EventPhase.REJECTED.value}"

Json = dict[str, Any]

logger = logging.getLogger(__name__)


class OrphanRemover:
    """Removes the events that `note` tells of, and those that were left before.

    Args:
        api: Lists and removes the events.
        metrics: Counts removals.
        namespaces: The namespaces served; none: all.
        now: The API server's time.
    """

    def __init__(
        self, api: Api, metrics: Metrics, namespaces: Sequence[str], now: Callable[[], datetime]
    ) -> None:
        self._api = api
        self._metrics = metrics
        self._scopes: tuple[str | None, ...] = tuple(namespaces) or (None,)
        self._now = now
        self._due: dict[str | None, float] = {}
        """When to look, by scope; in the loop's time."""
        self._noted = asyncio.Event()

    def note(self, namespace: str) -> None:
        """Note that an event of a namespace was rejected without a run."""
        scope = namespace if namespace in self._scopes else None
        if scope not in self._due:
            self._due[scope] = asyncio.get_running_loop().time() + ORPHANS_KEPT.total_seconds()
            self._noted.set()

    async def run(self) -> NoReturn:
        """Look whenever an event is due, until cancelled."""
        time = asyncio.get_running_loop().time
        self._due |= dict.fromkeys(self._scopes, time() + FIRST_LOOK_S)
        while True:
            await self._await_due()
            for scope in [scope for scope, due in self._due.items() if due <= time()]:
                seconds = await self._look(scope)
                if seconds is None:
                    del self._due[scope]
                else:
                    self._due[scope] = time() + seconds

    async def _await_due(self) -> None:
        self._noted.clear()
        try:
            async with asyncio.timeout_at(min(self._due.values(), default=None)):
                await self._noted.wait()
        except TimeoutError:
            return

    async def _look(self, scope: str | None) -> float | None:
        """Remove due events. Return the seconds until the next look; None if no event is left."""
        try:
            oldest = await self._remove_old(scope)
        except (ApiError, UnreachableError) as error:
            fields = {"namespace": scope, "error": str(error)}
            logger.warning("rejected events not removed", extra=fields)
            return LOOK_EVERY_S
        if oldest is None:
            return None
        return max(LOOK_EVERY_S, (oldest + ORPHANS_KEPT - self._now()).total_seconds())

    async def _remove_old(self, scope: str | None) -> datetime | None:
        """Remove old events. Return when the oldest one that stays was settled."""
        stay, refused = [], set[str]()
        params = {"fieldSelector": REJECTED_SELECTOR}
        async for page in list_pages(self._api, EVENTS.path(scope), params, size=ORPHANS_PAGE_SIZE):
            for item in page.get("items") or ():
                if not _is_orphan(item):
                    continue
                namespace = item["metadata"]["namespace"]
                due = _settled_at(item) + ORPHANS_KEPT <= self._now()
                if not due or namespace in refused:
                    stay.append(_settled_at(item))
                elif not await self._remove(item["metadata"]):
                    refused.add(namespace)
                    stay.append(_settled_at(item))
        return min(stay, default=None)

    async def _remove(self, metadata: Json) -> bool:
        """Remove an event. Return whether it is gone."""
        path = EVENTS.path(metadata["namespace"], metadata["name"])
        try:
            await self._api.delete(path, preconditions={"uid": metadata["uid"]})
        except (NotFoundError, ConflictError):
            return True  # another client removed it, and may have created another of that name
        except (ApiError, UnreachableError) as error:
            fields = {"namespace": metadata["namespace"], "error": str(error)}
            logger.warning("rejected event not removed", extra=fields)
            return False
        self._metrics.events_removed.inc()
        return True


def _is_orphan(item: Json) -> bool:
    status = item.get("status") or {}
    return status.get("phase") == EventPhase.REJECTED and not status.get("runUid")


def _settled_at(item: Json) -> datetime:
    """Return when an event was settled, as far as its status says so."""
    stamp = item["status"].get("settledAt")
    try:
        return datetime.fromisoformat(stamp)
    except (TypeError, ValueError):
        return datetime.fromisoformat(item["metadata"]["creationTimestamp"])

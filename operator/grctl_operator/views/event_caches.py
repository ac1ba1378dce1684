"""EventCaches: an EventCache for each watch of events.

1. A watch's progress is its own: how far the watch of one namespace has come says nothing of
   another's, and what it has not shown yet must not be taken for old. So each has its own cache.
2. Who asks names a run or brings an object: its namespace says which cache.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import chain
from typing import Any, Protocol

from grctl_operator.engine.observation import Events, Key
from grctl_operator.views.events import EventCache, PayloadBudget
from grctl_operator.views.reading import slim_event

Json = dict[str, Any]


class Inboxes(Protocol):
    """What is known of events, by the run that they are for: one cache, or several."""

    def view(self, key: Key, run_since: int | None = None) -> Events:
        """Return the inbox of one workflow id. `run_since`: see `Events`."""

    def answered(self, item: Json) -> None:
        """Take an object that the API server answered us."""

    def missed(self, key: Key, uid: str) -> None:
        """Note that the API server has no such event (any more)."""

    def committed(self, key: Key, uid: str, before: int, after: int) -> None:
        """Note that we ourselves moved the run's `commits`."""

    def orphaned(self, key: Key, uids: Iterable[str], at: datetime) -> None:
        """Note for which events a read found no run, and when it was asked for."""

    def doubt(self, key: Key, uid: str) -> None:
        """Note that an event is being settled although no run consumed it."""

    def resolve(self, key: Key, uid: str) -> None:
        """Note that this has ended."""

    def forget(self, key: Key) -> None:
        """Drop what is known of a run that is gone, if no event waits for its id."""


class EventCaches:
    """The caches of the namespaces served; none named: one cache for all."""

    def __init__(self, namespaces: Sequence[str] = ()) -> None:
        budget = PayloadBudget()
        self._everywhere = EventCache(budget)
        self._caches = {namespace: EventCache(budget) for namespace in namespaces}

    def of(self, namespace: str | None) -> EventCache:
        """Give the cache of a namespace."""
        return self._caches.get(namespace or "", self._everywhere)

    def __len__(self) -> int:
        """Count the unsettled events."""
        return sum(len(cache) for cache in self._all)

    @property
    def inversions(self) -> int:
        """How often an event appeared behind one that was created after it."""
        return sum(cache.inversions for cache in self._all)

    def keys(self) -> tuple[Key, ...]:
        """Give every workflow id of which something is known."""
        return tuple(chain.from_iterable(cache.keys() for cache in self._all))

    def view(self, key: Key, run_since: int | None = None) -> Events:
        """Return the inbox of one workflow id. `run_since`: see `Events`."""
        return self.of(key.namespace).view(key, run_since)

    def answered(self, item: Json) -> None:
        """Take an object that the API server answered us.

        Raises:
            UnreadableError: it is not a WorkflowEvent.
        """
        event = slim_event(item)
        self.of(event["metadata"]["namespace"]).answered(event)

    def missed(self, key: Key, uid: str) -> None:
        """Note that the API server has no such event (any more)."""
        self.of(key.namespace).missed(key, uid)

    def committed(self, key: Key, uid: str, before: int, after: int) -> None:
        """Note that we ourselves moved the run's `commits`."""
        self.of(key.namespace).committed(key, uid, before, after)

    def orphaned(self, key: Key, uids: Iterable[str], at: datetime) -> None:
        """Note for which events a read found no run, and when it was asked for."""
        self.of(key.namespace).orphaned(key, uids, at)

    def doubt(self, key: Key, uid: str) -> None:
        """Note that an event is being settled although no run consumed it."""
        self.of(key.namespace).doubt(key, uid)

    def resolve(self, key: Key, uid: str) -> None:
        """Note that this has ended."""
        self.of(key.namespace).resolve(key, uid)

    def on_jump(self) -> None:
        """Note that the API server's clock jumped."""
        for cache in self._all:
            cache.on_jump()

    def forget(self, key: Key) -> None:
        """Drop what is known of a run that is gone, if no event waits for its id."""
        self.of(key.namespace).forget(key)

    @property
    def _all(self) -> tuple[EventCache, ...]:
        return (self._everywhere, *self._caches.values())

"""EventCaches: an EventCache for each watch of events.

1. A revision says how far one watch has come, and nothing about another watch. So each watch has a
   cache of its own.
2. Only the budget for payloads is shared.
"""

from collections.abc import Sequence
from itertools import chain

from grctl_operator.engine.observation import Key
from grctl_operator.views.events import EventCache
from grctl_operator.views.payloads import PayloadBudget


class EventCaches:
    """The caches of the namespaces served; if none is named, one cache for all."""

    def __init__(self, namespaces: Sequence[str] = ()) -> None:
        budget = PayloadBudget()
        self._everywhere = EventCache(budget)
        self._by_namespace = {namespace: EventCache(budget) for namespace in namespaces}

    def of(self, key: Key) -> EventCache:
        """Return the cache that has the events of a workflow id."""
        return self._by_namespace.get(key.namespace, self._everywhere)

    def get(self, namespace: str | None) -> EventCache:
        """Return the cache of one watch: of a namespace, or of all."""
        return self._by_namespace.get(namespace or "", self._everywhere)

    def __len__(self) -> int:
        """Count the unsettled events."""
        return sum(len(cache) for cache in self._all)

    @property
    def inversions(self) -> int:
        """How often an event appeared behind one that was created after it."""
        return sum(cache.inversions for cache in self._all)

    def keys(self) -> tuple[Key, ...]:
        """Return every workflow id of which something is known."""
        return tuple(chain.from_iterable(cache.keys() for cache in self._all))

    def on_jump(self) -> None:
        """Note that the API server's clock jumped."""
        for cache in self._all:
            cache.on_jump()

    @property
    def _all(self) -> tuple[EventCache, ...]:
        return (self._everywhere, *self._by_namespace.values())

"""Offers: which handlers the connected workers of a type have together, and when that changes.

1. A worker that is added, or replaced by another one of its version, changes nothing.
2. A type without a connected worker keeps its last handlers: what the next worker has is not known.

Pure data: workers in, groups out.
"""

from collections import Counter
from collections.abc import Iterable

from grctl.models.phases import HandlerKind
from grctl.models.wire import Catalogue, Hello
from grctl_operator.views.team import Group

Named = tuple[HandlerKind, str]


class Offers:
    """The handlers of each group of workers."""

    def __init__(self) -> None:
        self._catalogues: dict[str, dict[Group, Catalogue]] = {}
        """Of connected workers, by their instance."""
        self._counts: dict[Group, Counter[Named]] = {}
        self._known: dict[Group, frozenset[Named]] = {}

    def on_hello(self, hello: Hello) -> tuple[Group, ...]:
        """Add a worker that connected. Return the groups whose handlers changed by it."""
        left = self._remove(hello.instance)
        came = {(hello.namespace, each.type): each for each in hello.catalogues}
        self._catalogues[hello.instance] = came
        for group, catalogue in came.items():
            self._counts.setdefault(group, Counter()).update(_handlers(catalogue))
        return self._changed((*left, *came))

    def on_disconnect(self, instance: str) -> tuple[Group, ...]:
        """Remove a worker whose connection ended. Return the groups that lost a handler by it."""
        return self._changed(self._remove(instance))

    def _remove(self, instance: str) -> tuple[Group, ...]:
        catalogues = self._catalogues.pop(instance, {})
        for group, catalogue in catalogues.items():
            self._counts[group].subtract(_handlers(catalogue))
        return tuple(catalogues)

    def _changed(self, groups: Iterable[Group]) -> tuple[Group, ...]:
        return tuple(group for group in dict.fromkeys(groups) if self._is_news(group))

    def _is_news(self, group: Group) -> bool:
        self._counts[group] = +self._counts[group]  # without handlers at zero
        offered = frozenset(self._counts[group])
        if not offered or offered == self._known.get(group):
            return False
        self._known[group] = offered
        return True


def _handlers(catalogue: Catalogue) -> list[Named]:
    return [(each.kind, each.name) for each in catalogue.handlers]

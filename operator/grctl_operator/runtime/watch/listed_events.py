"""ListedEvents: what is kept of a list of events while its pages are read.

1. An event that cannot be read is passed over.
2. Payloads that are known already, or for which the budget has no room, are left out. So a list may
   be larger than what is kept of it.
"""

from typing import Any

from grctl_operator.runtime.watch.passed_over import PassedOver
from grctl_operator.views.events import EventCache
from grctl_operator.views.payloads import NOT_KEPT
from grctl_operator.views.reading import UnreadableError, slim_event

Json = dict[str, Any]


class ListedEvents:
    """The events of the pages that came so far."""

    def __init__(self, cache: EventCache, passed_over: PassedOver) -> None:
        self._cache = cache
        self._passed_over = passed_over
        self._events: list[Json] = []
        self._reserved = 0

    def add(self, items: list[Json]) -> None:
        """Keep what is needed of a page."""
        for item in items:
            try:
                event = slim_event(item)
            except UnreadableError as error:
                self._passed_over.add("WorkflowEvent", item, str(error))
            else:
                self._events.append(self._within_budget(event))

    def take(self) -> list[Json]:
        """Return the events that were kept, and keep none."""
        self._cache.budget.reserved -= self._reserved
        events, self._events, self._reserved = self._events, [], 0
        return events

    def _within_budget(self, event: Json) -> Json:
        budget, payload = self._cache.budget, event["spec"]["payload"]
        if self._cache.has_event(event) or not budget.has_room_for(payload):
            event["spec"]["payload"] = NOT_KEPT
        else:
            self._reserved += budget.reserve(payload)
        return event

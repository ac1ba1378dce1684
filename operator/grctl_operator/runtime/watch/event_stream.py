"""EventStream: the inbox of every run, from one ordered list-and-watch of unsettled events.

1. Objects enter the EventCache in stream order; order of arrival is decided there and nowhere else.
2. What cannot be read is passed over: it enters no cache, and its object says so.
3. It starts when the list of all runs is complete: an event that a known run's commit consumed
   is then either in that run's outbox or not in this list (all runs first, then one list).
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from grctl.kube import EVENTS
from grctl.models.phases import UNSETTLED_SELECTOR
from grctl_operator.engine.observation import Key
from grctl_operator.runtime.people.journal import Journal
from grctl_operator.runtime.watch.list_watch import ListWatch, Source
from grctl_operator.runtime.watch.listed_events import ListedEvents
from grctl_operator.runtime.watch.passed_over import PassedOver
from grctl_operator.runtime.work_queue import WorkQueue
from grctl_operator.views.clock import EPOCH, ServerClock
from grctl_operator.views.events import EventCache
from grctl_operator.views.reading import UnreadableError, slim_event
from grctl_operator.views.runs import KnownRun, RunCache

Json = dict[str, Any]
Asked = tuple[Mapping[Key, KnownRun], datetime]


class EventStream:
    """Receives every change of an unsettled event."""

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
        on_restart: Callable[[str], None],
    ) -> None:
        self._cache = cache
        self._passed_over = passed_over
        self._runs = runs
        self._queue = queue
        self._namespace = namespace
        self._clock = clock
        self._journal = journal
        self._asked: Asked = ({}, EPOCH)
        """The runs that were known when the last list was asked for, and the time."""
        self._listed = ListedEvents(cache, self._passed_over)
        """What the list that is being read has shown so far."""
        self.watch = ListWatch(
            api,
            EVENTS.path(namespace),
            self,
            on_restart=on_restart,
            selector=UNSETTLED_SELECTOR,
            may_vanish=EVENTS,
        )

    def on_asking(self) -> None:
        """Note which runs are known: the list is consistent for these versions of them."""
        self._asked = (self._runs.get_versions(self._namespace), self._clock.now())
        self._listed.take()

    def on_page(self, items: list[Json]) -> None:
        """Keep what is needed of a part of a list."""
        self._listed.add(items)

    def on_list(self, revision: int) -> None:
        """Compare the whole list with what was known. Runs without events have time."""
        runs, at = self._asked
        keys = self._cache.on_list(self._listed.take(), revision, runs, self._clock.if_past(at))
        for key in keys:
            if self._cache.get_view(key):
                self._queue.add(key)
        self._queue.sweep(keys)

    def on_change(self, change: str, item: Json) -> None:
        """Take what is new."""
        try:
            event = slim_event(item)
        except UnreadableError as error:
            self._passed_over.add("WorkflowEvent", item, str(error))
            return
        if change == "ADDED":
            self._journal.arrived(event["metadata"]["uid"])
        key = self._cache.on_change(change, event)
        if key is not None:
            self._queue.add(key)

    def on_bookmark(self, revision: int) -> None:
        """Note how far the stream has come."""
        self._cache.on_bookmark(revision)

"""EventStream: the inbox of every run, from one ordered list-and-watch of unsettled events.

1. Objects enter the EventCache in stream order. Only the cache decides upon the order of arrival.
2. An object that cannot be read is passed over: it enters no cache, and a core Event on it says so.
3. The stream starts when the list of all runs is complete. So an event that the commit of a known
   run consumed is either in that run's outbox or not in the list of events.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

from grctl.kube import EVENTS
from grctl.models.phases import UNSETTLED_SELECTOR
from grctl_operator.engine.observation import Key
from grctl_operator.runtime.watch.intake import Intake
from grctl_operator.runtime.watch.list_watch import ListWatch
from grctl_operator.runtime.watch.listed_events import ListedEvents
from grctl_operator.views.clock import EPOCH
from grctl_operator.views.reading import UnreadableError, slim_event
from grctl_operator.views.runs import KnownRun

Json = dict[str, Any]
Asked = tuple[Mapping[Key, KnownRun], datetime]


class EventStream:
    """Receives every change of an unsettled event of one namespace, or of all."""

    def __init__(self, intake: Intake, namespace: str | None = None) -> None:
        self._cache = intake.events.get(namespace)
        self._passed_over = intake.passed_over
        self._runs = intake.runs
        self._queue = intake.queue
        self._namespace = namespace
        self._clock = intake.clock
        self._activity_log = intake.activity_log
        self._asked: Asked = ({}, EPOCH)
        """The runs that were known when the present list was asked for, and the time."""
        self._listed = ListedEvents(self._cache, self._passed_over)
        """What the pages of the present list have shown so far."""
        self.watch = ListWatch(
            intake.api,
            EVENTS.path(namespace),
            self,
            selector=UNSETTLED_SELECTOR,
            may_vanish=EVENTS,
            on_restart=partial(intake.on_restart, EVENTS.plural),
        )

    def on_asking(self) -> None:
        """Note which runs are known: the list is consistent for these versions of them."""
        self._asked = (self._runs.get_versions(self._namespace), self._clock.now())
        self._listed.take()

    def on_page(self, items: list[Json]) -> None:
        """Keep what is needed of a part of a list."""
        self._listed.add(items)

    def on_list(self, revision: int) -> None:
        """Compare the whole list with what was known. Runs without events are not urgent."""
        runs, at = self._asked
        keys = self._cache.on_list(
            self._listed.take(), revision, runs, self._clock.past_or_long_ago(at)
        )
        for key in keys:
            if self._cache.get_view(key):
                self._queue.add(key)
        self._queue.sweep(keys)

    def on_change(self, change: str, item: Json) -> None:
        """Take a change, and wake its run if it is news."""
        try:
            event = slim_event(item)
        except UnreadableError as error:
            self._passed_over.add("WorkflowEvent", item, str(error))
            return
        if change == "ADDED":
            self._activity_log.on_arrival(event["metadata"]["uid"])
        key = self._cache.on_change(change, event)
        if key is not None:
            self._queue.add(key)

    def on_bookmark(self, revision: int) -> None:
        """Note how far the stream has come."""
        self._cache.on_bookmark(revision)

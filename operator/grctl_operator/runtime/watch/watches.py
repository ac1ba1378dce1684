"""Watches: the two streams, of runs and of events, of each namespace served, and its reader.

1. All runs of a namespace are listed before its events: see `event_stream`.
2. Lists and revisions of one namespace say nothing about another's.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from grctl_operator.engine.observation import Key
from grctl_operator.runtime.clock import ServerClock
from grctl_operator.runtime.people.journal import Journal
from grctl_operator.runtime.watch.event_caches import EventCaches
from grctl_operator.runtime.watch.event_reader import EventReader
from grctl_operator.runtime.watch.event_stream import EventStream
from grctl_operator.runtime.watch.list_watch import ListWatch, Source
from grctl_operator.runtime.watch.passed_over import PassedOver
from grctl_operator.runtime.watch.run_stream import RunStream
from grctl_operator.runtime.watch.runs import RunCache
from grctl_operator.runtime.work_queue import WorkQueue

Spawn = Callable[[Callable[[], Coroutine[Any, Any, Any]], str], asyncio.Task[Any]]
OnRestart = Callable[[str, str], None]
"""Gets the resource whose watch is opened anew, and the cause."""


class Watches:
    """Keeps the caches as the API server has it.

    Args:
        api: Where to ask.
        runs: Cache of runs.
        events: Caches of events.
        queue: Gets the key of whatever changed.
        clock: The API server's time.
        journal: Follows events.
        namespaces: Those served; none: all, by one pair of watches.
        spawn: Starts a part of the operator.
        on_restart: Is told when a watch is opened anew.
        passed_over: Is told of objects that cannot be read.
    """

    def __init__(
        self,
        api: Source,
        runs: RunCache,
        events: EventCaches,
        queue: WorkQueue,
        *,
        clock: ServerClock,
        journal: Journal,
        namespaces: Sequence[str],
        spawn: Spawn,
        on_restart: OnRestart,
        passed_over: PassedOver | None = None,
    ) -> None:
        passed_over = passed_over or PassedOver()
        scopes: tuple[str | None, ...] = tuple(namespaces) or (None,)
        self._spawn = spawn
        self._known = runs
        self._inboxes = events
        self._runs = [
            RunStream(api, runs, queue, scope, passed_over=passed_over).watch for scope in scopes
        ]
        self._events = [
            EventStream(
                api,
                events.of(scope),
                runs,
                queue,
                clock=clock,
                journal=journal,
                namespace=scope,
                passed_over=passed_over,
            ).watch
            for scope in scopes
        ]
        self._readers = {
            scope: EventReader(
                api,
                events.of(scope),
                runs,
                queue,
                clock=clock,
                journal=journal,
                namespace=scope,
                passed_over=passed_over,
            )
            for scope in scopes
        }
        self.follow_events = False
        """Whether events are listed and watched."""
        for resource, watches in (("workflowruns", self._runs), ("workflowevents", self._events)):
            for watch in watches:
                watch.on_restart = partial(on_restart, resource)

    def start_runs(self) -> None:
        """Begin to list and watch the runs, and to read the events of those that ask for it."""
        for watch in self._runs:
            self._spawn(watch.run, "watch runs")
        for reader in self._readers.values():
            self._spawn(reader.run, "read events")

    async def runs_listed(self) -> None:
        """Wait until all runs are known."""
        await _listed(self._runs)

    def start_events(self) -> None:
        """Begin to list and watch the events."""
        self.follow_events = True
        for watch in self._events:
            self._spawn(watch.run, "watch events")

    async def events_listed(self) -> None:
        """Wait until all events are known."""
        await _listed(self._events)

    def read(self, key: Key) -> None:
        """Have one run's unsettled events read with a consistent list, and it reconciled again."""
        self._reader(key).ask(key)

    def read_what_others_moved(self) -> None:
        """Have the events read of runs that another operator has moved since they were.

        They are asked for together, before each asks: see "When a view may be trusted" in
        docs/architecture.md.
        """
        moved: dict[EventReader, list[Key]] = {}
        for key, run in self._known.known().items():
            if not self._inboxes.view(key).complete(run.uid, run.commits):
                moved.setdefault(self._reader(key), []).append(key)
        for reader, keys in moved.items():
            reader.read_ahead(keys)

    def _reader(self, key: Key) -> EventReader:
        return self._readers.get(key.namespace) or self._readers[None]


async def _listed(watches: Sequence[ListWatch]) -> None:
    for watch in watches:
        await watch.listed.wait()

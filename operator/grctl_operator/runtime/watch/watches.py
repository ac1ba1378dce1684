"""Watches: the scopes, one for each namespace served, or one for all.

1. Lists and revisions of one namespace say nothing about another's.
2. A namespace that cannot be listed is left out for the time being: the others do not wait for it.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from typing import Any

from grctl_operator.engine.observation import Key
from grctl_operator.runtime.people.journal import Journal
from grctl_operator.runtime.watch.event_reader import EventReader
from grctl_operator.runtime.watch.list_watch import ListWatch, Source
from grctl_operator.runtime.watch.passed_over import PassedOver
from grctl_operator.runtime.watch.scope import OnKnown, OnRestart, Scope
from grctl_operator.runtime.work_queue import WorkQueue
from grctl_operator.views.clock import ServerClock
from grctl_operator.views.event_caches import EventCaches
from grctl_operator.views.runs import RunCache

LEAVE_OUT_AFTER_S = 60.0  # for lists that are neither answered nor refused

logger = logging.getLogger(__name__)

Spawn = Callable[[Callable[[], Coroutine[Any, Any, Any]], str], asyncio.Task[Any]]


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
        on_known: Is told of each namespace when all its runs and events are known.
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
        on_known: OnKnown,
        passed_over: PassedOver,
    ) -> None:
        scopes: tuple[str | None, ...] = tuple(namespaces) or (None,)
        self._spawn = spawn
        self._known = runs
        self._events = events
        self._scopes = {
            scope: Scope(
                api,
                runs,
                events,
                queue,
                clock=clock,
                journal=journal,
                namespace=scope,
                on_known=on_known,
                on_restart=on_restart,
                passed_over=passed_over,
            )
            for scope in scopes
        }
        self.follow_events = False
        """Whether events are listed and watched."""

    @property
    def left_out(self) -> int:
        """Count the namespaces that cannot be listed or watched at present."""
        return sum(scope.trouble is not None for scope in self._scopes.values())

    def knows(self, key: Key) -> bool:
        """Return whether all runs and events of a key's namespace are known."""
        return self._scope(key).known.is_set()

    def start_runs(self) -> None:
        """Begin to list and watch the runs, and to read the events of those that ask for it."""
        for scope in self._scopes.values():
            self._spawn(scope.runs.run, "watch runs")
            self._spawn(scope.reader.run, "read events")

    async def runs_listed(self) -> None:
        """Wait until all runs are known, of those namespaces that can be listed."""
        await _listed([scope.runs for scope in self._scopes.values()])

    def start_events(self) -> None:
        """Begin to list and watch the events."""
        self.follow_events = True
        for scope in self._scopes.values():
            self._spawn(scope.follow_events, "watch events")
            self._spawn(scope.get_to_know, "get to know")

    async def events_listed(self) -> None:
        """Wait until all events are known, of those namespaces whose runs are."""
        listed = [scope for scope in self._scopes.values() if scope.runs.listed.is_set()]
        await _listed([scope.events for scope in listed])
        await _first(scope.known for scope in listed)

    def tell_left_out(self) -> None:
        """Log which namespaces cannot be listed."""
        for name, scope in self._scopes.items():
            if not scope.known.is_set() and scope.trouble is not None:
                logger.warning(
                    "namespace left out", extra={"namespace": name, "error": scope.trouble}
                )

    def read(self, key: Key) -> None:
        """Have one run's unsettled events read with a consistent list, and it reconciled again."""
        self._reader(key).ask(key)

    def read_what_others_moved(self) -> None:
        """Have the events read of runs that another operator has moved since they were.

        They are asked for together, before each asks: see "When a view may be trusted" in
        docs/architecture.md.
        """
        moved: dict[EventReader, list[Key]] = {}
        for key, run in self._known.get_versions().items():
            if not self._events.of(key).get_view(key).complete(run.uid, run.commits):
                moved.setdefault(self._reader(key), []).append(key)
        for reader, keys in moved.items():
            reader.read_ahead(keys)

    def _reader(self, key: Key) -> EventReader:
        return self._scope(key).reader

    def _scope(self, key: Key) -> Scope:
        return self._scopes.get(key.namespace) or self._scopes[None]


async def _listed(watches: Sequence[ListWatch]) -> None:
    """Wait until each list is complete or refused, and one is complete."""
    with suppress(TimeoutError):
        async with asyncio.timeout(LEAVE_OUT_AFTER_S):
            for watch in watches:
                await watch.tried.wait()
    await _first(watch.listed for watch in watches)


async def _first(events: Iterable[asyncio.Event]) -> None:
    """Wait until one of some events is set."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waiting:
            each.cancel()

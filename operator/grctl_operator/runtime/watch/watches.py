"""Watches: the scopes, one for each namespace served, or one for all.

1. Lists and revisions of one namespace prove nothing about another.
2. A namespace that cannot be listed is left out until it can: the others do not wait for it.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from typing import Any

from grctl_operator.engine.observation import Key
from grctl_operator.runtime.watch.event_reader import EventReader
from grctl_operator.runtime.watch.intake import Intake
from grctl_operator.runtime.watch.list_watch import ListWatch
from grctl_operator.runtime.watch.scope import OnKnown, Scope

LEAVE_OUT_AFTER_S = 60.0  # for lists that are neither answered nor refused

logger = logging.getLogger(__name__)

Spawn = Callable[[Callable[[], Coroutine[Any, Any, Any]], str], asyncio.Task[Any]]


class Watches:
    """Keeps the caches as the API server has the objects.

    Args:
        intake: What the watches read, fill and wake.
        namespaces: Those served. If there is none, all are, by one pair of watches.
        spawn: Starts a part of the operator.
        on_known: Gets each namespace when all its runs and events are known.
    """

    def __init__(
        self, intake: Intake, namespaces: Sequence[str], *, spawn: Spawn, on_known: OnKnown
    ) -> None:
        self.follows_events = False
        """Whether events are listed and watched."""
        self._spawn = spawn
        self._runs = intake.runs
        self._events = intake.events
        scopes: tuple[str | None, ...] = tuple(namespaces) or (None,)
        self._scopes = {scope: Scope(intake, scope, on_known) for scope in scopes}

    @property
    def left_out(self) -> int:
        """Count the namespaces that cannot be listed or watched at present."""
        return sum(scope.trouble is not None for scope in self._scopes.values())

    def is_known(self, key: Key) -> bool:
        """Return whether all runs and events of a key's namespace are known."""
        return self._scope(key).known.is_set()

    def start_runs(self) -> None:
        """Begin to list and watch the runs, and to read events on request."""
        for scope in self._scopes.values():
            self._spawn(scope.runs.run, "watch runs")
            self._spawn(scope.reader.run, "read events")

    async def wait_for_runs(self) -> None:
        """Wait until all runs are known, of those namespaces that can be listed."""
        await _wait_for_lists([scope.runs for scope in self._scopes.values()])

    def start_events(self) -> None:
        """Begin to list and watch the events."""
        self.follows_events = True
        for scope in self._scopes.values():
            self._spawn(scope.follow_events, "watch events")
            self._spawn(scope.begin_when_known, "wait until known")

    async def wait_for_events(self) -> None:
        """Wait until all events are known, of those namespaces whose runs are."""
        listed = [scope for scope in self._scopes.values() if scope.runs.listed.is_set()]
        await _wait_for_lists([scope.events for scope in listed])
        await _wait_for_first(scope.known for scope in listed)

    def log_left_out(self) -> None:
        """Log which namespaces cannot be listed."""
        for name, scope in self._scopes.items():
            if not scope.known.is_set() and scope.trouble is not None:
                logger.warning(
                    "namespace left out", extra={"namespace": name, "error": scope.trouble}
                )

    def request_events(self, key: Key) -> None:
        """Ask for a consistent list of a run's unsettled events. Then the run is reconciled."""
        self._reader(key).request(key)

    def prefetch_runs_of_others(self) -> None:
        """Ask for the events of runs of which another operator made the last commit.

        They share lists, before each run asks for its own: see "When a view may be trusted" in
        docs/architecture.md.
        """
        incomplete: dict[EventReader, list[Key]] = {}
        for key, run in self._runs.get_versions().items():
            if not self._events.of(key).get_view(key).is_complete(run.uid, run.commits):
                incomplete.setdefault(self._reader(key), []).append(key)
        for reader, keys in incomplete.items():
            reader.prefetch(keys)

    def _reader(self, key: Key) -> EventReader:
        return self._scope(key).reader

    def _scope(self, key: Key) -> Scope:
        return self._scopes.get(key.namespace) or self._scopes[None]


async def _wait_for_lists(watches: Sequence[ListWatch]) -> None:
    """Wait until each list is complete or refused, and one is complete."""
    with suppress(TimeoutError):
        async with asyncio.timeout(LEAVE_OUT_AFTER_S):
            for watch in watches:
                await watch.tried.wait()
    await _wait_for_first(watch.listed for watch in watches)


async def _wait_for_first(events: Iterable[asyncio.Event]) -> None:
    """Wait until one of some events is set."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waiting:
            each.cancel()

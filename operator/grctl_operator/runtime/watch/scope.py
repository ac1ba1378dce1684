"""Scope: the pair of watches of one namespace, or of all, and what is known by them.

1. All runs are listed before the events: see `event_stream`.
2. The runs of a scope are decided upon when both lists are complete, not before: until then the
   queue holds its namespace. What is not known yet must not be taken for gone.
3. A scope that may not be listed holds up nobody else. It is tried again, and known later.
"""

import asyncio
from collections.abc import Callable
from functools import partial

from grctl_operator.runtime.people.journal import Journal
from grctl_operator.runtime.watch.event_reader import EventReader
from grctl_operator.runtime.watch.event_stream import EventStream
from grctl_operator.runtime.watch.list_watch import Source
from grctl_operator.runtime.watch.passed_over import PassedOver
from grctl_operator.runtime.watch.run_stream import RunStream
from grctl_operator.runtime.work_queue import WorkQueue
from grctl_operator.views.clock import ServerClock
from grctl_operator.views.event_caches import EventCaches
from grctl_operator.views.runs import RunCache

OnKnown = Callable[[str | None], None]
OnRestart = Callable[[str, str], None]
"""Is told which watch is opened anew, and why."""


class Scope:
    """What is listed and watched together.

    Args:
        api: Where to ask.
        runs: Cache of runs.
        events: Caches of events.
        queue: Gets the key of whatever changed.
        clock: The API server's time.
        journal: Follows events.
        namespace: The namespace served; None: all.
        on_known: Is told of the namespace when all its runs and events are known.
        on_restart: Is told which watch is opened anew, and why.
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
        namespace: str | None,
        on_known: OnKnown,
        on_restart: OnRestart,
        passed_over: PassedOver,
    ) -> None:
        cache = events.get(namespace)
        self.namespace = namespace
        self.known = asyncio.Event()
        """Set when all runs and all events are known."""
        self.runs = RunStream(
            api,
            runs,
            queue,
            namespace,
            passed_over=passed_over,
            on_restart=partial(on_restart, "workflowruns"),
        ).watch
        self.events = EventStream(
            api,
            cache,
            runs,
            queue,
            clock=clock,
            journal=journal,
            namespace=namespace,
            passed_over=passed_over,
            on_restart=partial(on_restart, "workflowevents"),
        ).watch
        self.reader = EventReader(
            api,
            cache,
            runs,
            queue,
            clock=clock,
            journal=journal,
            namespace=namespace,
            passed_over=passed_over,
        )
        self._queue = queue
        self._on_known = on_known
        if namespace is not None:
            queue.hold(namespace)

    @property
    def trouble(self) -> str | None:
        """Why it cannot be listed or watched at present; None: it can."""
        return self.runs.trouble or self.events.trouble

    async def follow_events(self) -> None:
        """List and watch the events, once the runs are listed, until cancelled.

        Raises:
            StoreRestoredError: the API server is behind what it told before.
        """
        await self.runs.listed.wait()
        await self.events.run()

    async def get_to_know(self) -> None:
        """Wait until all is known, and have it decided upon."""
        await self.runs.listed.wait()
        await self.events.listed.wait()
        self.known.set()
        if self.namespace is not None:
            self._queue.release(self.namespace)
        self._on_known(self.namespace)

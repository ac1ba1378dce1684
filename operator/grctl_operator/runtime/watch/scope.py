"""Scope: the pair of watches of one namespace, or of all.

1. All runs are listed before the events: see `event_stream`.
2. The runs of a scope are decided upon when both lists are complete, not before. Until then the
   queue holds back its namespace: a run that is not known yet must not be taken for gone.
3. A scope that may not be listed holds up no other scope. It is tried again, and joins later.
"""

import asyncio
from collections.abc import Callable

from grctl_operator.runtime.watch.event_reader import EventReader
from grctl_operator.runtime.watch.event_stream import EventStream
from grctl_operator.runtime.watch.intake import Intake
from grctl_operator.runtime.watch.run_stream import RunStream

OnKnown = Callable[[str | None], None]
"""Gets a namespace, or None for all, when all its runs and events are known."""


class Scope:
    """What is listed and watched together: one namespace, or all if it is None."""

    def __init__(self, intake: Intake, namespace: str | None, on_known: OnKnown) -> None:
        self.namespace = namespace
        self.known = asyncio.Event()
        """Set when all runs and all events are known."""
        self.runs = RunStream(intake, namespace).watch
        self.events = EventStream(intake, namespace).watch
        self.reader = EventReader(intake, namespace)
        self._queue = intake.queue
        self._on_known = on_known
        if namespace is not None:
            self._queue.block_namespace(namespace)

    @property
    def trouble(self) -> str | None:
        """Why it cannot be listed or watched at present; None: it can."""
        return self.runs.trouble or self.events.trouble

    async def follow_events(self) -> None:
        """List and watch the events, once the runs are listed, until cancelled.

        Raises:
            StoreRestoredError: the API server is at a revision below one that it showed before.
        """
        await self.runs.listed.wait()
        await self.events.run()

    async def begin_when_known(self) -> None:
        """Wait until all runs and events are known, then release them to the reconciles."""
        await self.runs.listed.wait()
        await self.events.listed.wait()
        self.known.set()
        if self.namespace is not None:
            self._queue.unblock_namespace(self.namespace)
        self._on_known(self.namespace)

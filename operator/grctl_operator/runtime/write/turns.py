"""Turns: how many writes are under way at a time, shared by namespaces and then by runs.

1. No namespace waits for more than one write of each other namespace that waits, and no run for
   more than one of each other run of its namespace.
2. The writes of one run have their turns in the order in which they asked.
3. A write that is cancelled while it waits takes no turn along.
4. A write that lasts, or that waits before it is tried again, goes on without a turn, and its
   namespace gets few turns for a while (see `lingering`).
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from grctl_operator.engine.observation import Key
from grctl_operator.runtime.lingering import Lingering

Waiting = asyncio.Future[None]
Lines = OrderedDict[Key, deque[Waiting]]


class Turns:
    """The relation: a write waits only while no turn is free, or while its namespace is blocked.

    Args:
        limit: How many writes have a turn at a time.
    """

    def __init__(self, limit: int) -> None:
        self._free = limit
        self._namespaces: OrderedDict[str, Lines] = OrderedDict()
        """The writes that wait, by namespace and run. The next in turn comes first."""
        self._blocked: set[str] = set()
        self._lingering = Lingering(self, self._pass_on)

    @asynccontextmanager
    async def taken(self, key: Key) -> AsyncIterator[Callable[[], None]]:
        """Wait for a turn of this run, and keep it for the block.

        Yields:
            A function that gives the turn away before the block ends.
        """
        await self._take(key)
        work = object()
        self._lingering.begin(work, key.namespace)
        try:
            yield lambda: self._lingering.linger(work)
        finally:
            if not self._lingering.end(work):
                self._pass_on()

    def block_namespace(self, namespace: str) -> None:
        """Keep turns from a namespace until it is unblocked."""
        self._blocked.add(namespace)

    def unblock_namespace(self, namespace: str) -> None:
        """Serve the lines of a namespace again."""
        self._blocked.discard(namespace)
        self._serve()

    async def _take(self, key: Key) -> None:
        if self._free and key.namespace not in self._blocked:
            self._free -= 1
            return
        turn: Waiting = asyncio.get_running_loop().create_future()
        lines = self._namespaces.setdefault(key.namespace, OrderedDict())
        lines.setdefault(key, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self._pass_on()  # it was ours already
            raise

    def _pass_on(self) -> None:
        self._free += 1
        self._serve()

    def _serve(self) -> None:
        while self._free and (turn := self._next()) is not None:
            if not turn.done():
                self._free -= 1
                turn.set_result(None)

    def _next(self) -> Waiting | None:
        """Take the next write in turn out of the lines."""
        for namespace in self._namespaces:
            if namespace not in self._blocked:
                return self._first_of(namespace)
        return None

    def _first_of(self, namespace: str) -> Waiting:
        lines = self._namespaces.pop(namespace)
        key, line = lines.popitem(last=False)
        turn = line.popleft()
        if line:
            lines[key] = line
        if lines:
            self._namespaces[namespace] = lines
        return turn

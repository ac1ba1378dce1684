"""Turns: so many writes at a time, and runs take turns however much each of them has to write.

1. No run waits for more than one write of each other run that waits.
2. Those of one run have their turns in the order in which they asked.
3. Who is cancelled while it waits takes nobody's turn along.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from grctl_operator.engine.observation import Key


class Turns:
    """The relation: somebody waits only while no turn is free.

    Args:
        limit: How many have a turn at a time.
    """

    def __init__(self, limit: int) -> None:
        self._free = limit
        self._lines: OrderedDict[Key, deque[asyncio.Future[None]]] = OrderedDict()
        """Who waits, by run; the run whose turn is next comes first."""

    @asynccontextmanager
    async def taken(self, key: Key) -> AsyncIterator[None]:
        """Wait for a turn of this run, and have it for the block."""
        await self._take(key)
        try:
            yield
        finally:
            self._pass_on()

    async def _take(self, key: Key) -> None:
        if self._free:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._lines.setdefault(key, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self._pass_on()  # it was ours already
            raise

    def _pass_on(self) -> None:
        while self._lines:
            key, line = self._lines.popitem(last=False)
            turn = line.popleft()
            if line:
                self._lines[key] = line
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

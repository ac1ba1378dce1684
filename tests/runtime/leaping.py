"""An event loop whose time leaps: while nothing happens, it is at once as late as the next timer.

For what takes an hour of doing nothing. I/O within this process is seen before time leaps, as it is
in the kernel by the time that the loop looks; what threads or other processes do is not waited for.
"""

import asyncio
import selectors

GRACE = 0.002  # s: for I/O that the kernel is about to deliver


class LeapingLoop(asyncio.SelectorEventLoop):
    """Leaps while `leaping` is set."""

    def __init__(self) -> None:
        self.leaping = False
        self._ahead = 0.0
        super().__init__(_Selector(self))

    def time(self) -> float:
        return super().time() + self._ahead

    def leap(self, seconds: float) -> None:
        self._ahead += seconds

    async def let_pass(self, seconds: float) -> None:
        """Return when so much time has passed and all has happened that had to."""
        self.leaping = True
        try:
            await asyncio.sleep(seconds)
        finally:
            self.leaping = False


class _Selector(selectors.DefaultSelector):
    def __init__(self, loop: LeapingLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if not self._loop.leaping or timeout is None or timeout <= 0:
            return super().select(timeout)
        happened = super().select(GRACE)
        if not happened:
            self._loop.leap(timeout)
        return happened

"""Admission: whether a worker that connects is taken in, sent to the leader, or waits for one.

1. One operator leads at a time; workers are the leader's, and standbys know where it is.
2. While nobody leads, a worker waits a little, connected: so a handover costs it no back-off. After
   that it is told so and tries again, perhaps at another standby.
3. So does one that was at the leader and found nobody: the Lease of a leader that was killed says
   for a while that it leads. It waits for any news of a leader, be it of the same address, and is
   sent there once more when none came.
"""

import asyncio
import contextlib

PARKED = 3.0  # s: less than a worker waits for its Welcome
ABSENT = 1.0  # s: less than a leader that is back waits for its workers


class NotHereError(Exception):
    """A worker cannot come in here now: `url` says where it can; None: it tries again.

    `refused`: not before somebody did something, so it need not hurry.
    """

    def __init__(self, message: str, url: str | None = None, *, refused: bool = False) -> None:
        super().__init__(message)
        self.url = url
        self.refused = refused


class Admission:
    """What is known of who leads."""

    def __init__(self, parked: float = PARKED, absent: float = ABSENT) -> None:
        self._parked = parked
        self._absent = absent
        self._leads = False
        self._leader: str | None = None
        """Where another leads; None: we do, or nobody."""
        self._news = asyncio.Event()
        """Set, and then another one, when something is said about who leads."""

    def lead(self) -> None:
        """Take workers in from now on."""
        self._tell(None, leads=True)

    def follow(self, url: str | None) -> None:
        """Send workers to this address, where somebody began to lead; None: have them wait."""
        self._tell(url.rstrip("/") if url else None, leads=False)

    async def wait(self, unreachable: str | None = None) -> None:
        """Return when a worker may come in.

        Args:
            unreachable: Where it was a moment ago and found nobody.

        Raises:
            NotHereError: it may not.
        """
        if self._leader is not None and self._leader == unreachable:
            await self._until_news(self._absent)
        await self._until_known()
        if self._leader is not None:
            raise NotHereError("Another operator leads", self._leader)
        if not self._leads:
            raise NotHereError("No operator leads at present; try again")

    def _tell(self, leader: str | None, *, leads: bool) -> None:
        self._leader, self._leads = leader, leads
        self._news.set()
        self._news = asyncio.Event()

    async def _until_news(self, longest: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), longest)

    async def _until_known(self) -> None:
        """Wait until somebody leads, but not for longer than a worker may be kept."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._parked):
                while self._leader is None and not self._leads:
                    await self._news.wait()

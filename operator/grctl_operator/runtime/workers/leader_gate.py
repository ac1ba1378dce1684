"""LeaderGate: whether a worker that connects is accepted, sent to the leader, or waits for one.

1. One operator leads at a time. Workers connect to the leader; standbys know its address.
2. While nobody leads, a worker waits a little, connected, so a change of leader costs it no
   back-off. After that it is told so and tries again, perhaps at another standby.
3. A worker that found nobody at the leader's address waits too: the Lease of a leader that was
   killed names it for a while. Any news of a leader ends that wait, even if it names the same
   address. Without news the worker is sent there once more.
"""

import asyncio
import contextlib

WAIT_FOR_LEADER_S = 3.0  # less than a worker waits for its Welcome
WAIT_FOR_NEWS_S = 1.0  # less than a leader that is back waits for its workers


class NotHereError(Exception):
    """A worker is not accepted here now.

    Args:
        message: Why; it goes to the worker.
        url: Where the worker is to go. None: it tries again.
        refused: Whether somebody must do something first, so that the worker need not hurry.
    """

    def __init__(self, message: str, url: str | None = None, *, refused: bool = False) -> None:
        super().__init__(message)
        self.url = url
        self.refused = refused


class LeaderGate:
    """Who leads, as far as this operator knows.

    Args:
        wait_for_leader: How long a worker waits while nobody leads, in seconds.
        wait_for_news: How long a worker waits that found nobody at the leader's address.
    """

    def __init__(
        self, wait_for_leader: float = WAIT_FOR_LEADER_S, wait_for_news: float = WAIT_FOR_NEWS_S
    ) -> None:
        self._wait_for_leader = wait_for_leader
        self._wait_for_news = wait_for_news
        self._leads = False
        self._leader: str | None = None
        """The address of another operator that leads. None: this one leads, or nobody."""
        self._news = asyncio.Event()
        """Set, and replaced by a new one, with each news of a leader."""

    def lead(self) -> None:
        """Accept workers from now on."""
        self._tell(None, leads=True)

    def follow(self, url: str | None) -> None:
        """Send workers to this address, where an operator began to lead. None: let them wait."""
        self._tell(url.rstrip("/") if url else None, leads=False)

    async def wait(self, unreachable: str | None = None) -> None:
        """Return when a worker may be accepted.

        Args:
            unreachable: The address at which the worker found nobody a moment ago.

        Raises:
            NotHereError: another operator leads, or none did in time.
        """
        if self._leader is not None and self._leader == unreachable:
            await self._until_news()
        await self._until_known()
        if self._leader is not None:
            raise NotHereError("Another operator leads", self._leader)
        if not self._leads:
            raise NotHereError("No operator leads at present; try again")

    def _tell(self, leader: str | None, *, leads: bool) -> None:
        self._leader, self._leads = leader, leads
        self._news.set()
        self._news = asyncio.Event()

    async def _until_news(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), self._wait_for_news)

    async def _until_known(self) -> None:
        """Wait until an operator leads, but not longer than a worker may be kept waiting."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._wait_for_leader):
                while self._leader is None and not self._leads:
                    await self._news.wait()

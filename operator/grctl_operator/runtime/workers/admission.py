"""Admission: whether a worker that connects is taken in, sent to the leader, or waits for one.

1. One operator leads at a time; workers are the leader's, and standbys know where it is.
2. While nobody leads, a worker waits a little, connected: so a handover costs it no back-off. After
   that it is told so and tries again, perhaps at another standby.
"""

import asyncio

PARKED = 3.0  # s: less than a worker waits for its Welcome


class NotHereError(Exception):
    """A worker cannot come in here now: `url` says where it can; None: it tries again."""

    def __init__(self, message: str, url: str | None = None) -> None:
        super().__init__(message)
        self.url = url


class Admission:
    """What is known of who leads."""

    def __init__(self, parked: float = PARKED) -> None:
        self._parked = parked
        self._known = asyncio.Event()
        """Set while somebody leads."""
        self._leader: str | None = None

    def lead(self) -> None:
        """Take workers in from now on."""
        self._leader = None
        self._known.set()

    def follow(self, url: str | None) -> None:
        """Send workers to this address; None: have them wait."""
        self._leader = url
        if url is None:
            self._known.clear()
        else:
            self._known.set()

    async def wait(self) -> None:
        """Return when a worker may come in.

        Raises:
            NotHereError: it may not.
        """
        try:
            async with asyncio.timeout(self._parked):
                await self._known.wait()
        except TimeoutError:
            raise NotHereError("No operator leads at present; try again") from None
        if self._leader is not None:
            raise NotHereError("Another operator leads", self._leader)

"""Outage: how long to pause when the API server does not do what is asked, and what to say of it.

1. What may pass by itself is tried for ever, with growing pauses and jitter.
2. An outage is logged once when it begins and once when it is over, not at every try.
3. What no repetition mends is raised, unless the one who asks is patient: a person may mend it.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

from grctl.kube import ApiError, NotFoundError, UnreachableError

logger = logging.getLogger(__name__)

FIRST = 0.1  # s
LONGEST = 5.0  # s: so that an API server that is back is noticed while a person still looks

Sleep = Callable[[float], Awaitable[None]]


class StoreRestoredError(Exception):
    """The API server is at a revision below one that it told before."""


MISSING = (
    "The API server does not know the resources of grctl.dev."
    " Install them: grctl crds | kubectl apply -f -"
)
HINTS = {
    401: "The API server does not accept the operator's credentials",
    403: "The operator's ServiceAccount may not do this; it needs the chart's ClusterRole",
    404: MISSING,
}


def passes(error: Exception) -> bool:
    """Say whether an error may go away without a change of the request."""
    if isinstance(error, ApiError):
        return error.retriable or error.status in HINTS
    return isinstance(error, UnreachableError)


def pause_after(tries: int) -> float:
    """Return the seconds to wait after so many tries that failed before this one."""
    delay: float = min(LONGEST, FIRST * 2 ** min(tries, 10))
    # Jitter: operators that lost one API server together must not come back together.
    return delay * (0.5 + random.random() / 2)  # noqa: S311


class Outage:
    """The tries at one thing that has to succeed some day.

    Args:
        what: Names it in the log.
        sleep: Waits; for tests.
        missing: What to do where the resource is missing.
        patient: Whether errors that no repetition mends are waited for as well.
    """

    def __init__(
        self,
        what: str,
        sleep: Sleep = asyncio.sleep,
        *,
        missing: str = MISSING,
        patient: bool = False,
    ) -> None:
        self._what = what
        self._patient = patient
        self._hints = HINTS | {404: missing}
        self._sleep = sleep
        self._tries = 0

    async def pause(self, error: Exception) -> None:
        """Wait before the next try; longer each time, up to LONGEST.

        Raises:
            Exception: the error itself, where no repetition mends it and nobody is patient.
        """
        if not self._patient and not passes(error):
            raise error
        if self._tries == 0:
            logger.warning("waiting for the API server", extra=self._fields(error))
        self._tries += 1
        await self._sleep(pause_after(self._tries - 1))

    def over(self) -> None:
        """Note a success."""
        if self._tries:
            logger.info("the API server answers again", extra={"request": self._what})
        self._tries = 0

    def _fields(self, error: Exception) -> dict[str, str]:
        fields = {"request": self._what, "error": str(error)}
        status = error.status if isinstance(error, ApiError) else 0
        if status in HINTS and (status != 404 or isinstance(error, NotFoundError)):
            fields["hint"] = self._hints[status]
        return fields

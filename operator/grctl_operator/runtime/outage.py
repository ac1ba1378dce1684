"""Outage: how long to pause while the API server does not do what is asked, and what to log.

1. A request whose error may pass by itself is tried for ever, with back-off and jitter.
2. An outage is logged once when it begins and once when it is over, not at every try.
3. An error that no repetition mends is raised, unless the caller is patient: a person may mend it.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

from grctl.kube import ApiError, NotFoundError, UnreachableError

logger = logging.getLogger(__name__)

FIRST_API_PAUSE_S = 0.1
LONGEST_API_PAUSE_S = 5.0
"""An API server that is back is noticed while a person still looks."""

Sleep = Callable[[float], Awaitable[None]]


class StoreRestoredError(Exception):
    """The API server is at a revision below one that it told before."""


CRDS_ARE_MISSING = (
    "The API server does not know the resources of grctl.dev."
    " Install them: grctl crds | kubectl apply -f -"
)
HINT_OF_STATUS = {
    401: "The API server does not accept the operator's credentials",
    403: "The operator's ServiceAccount may not do this; it needs the chart's ClusterRole",
    404: CRDS_ARE_MISSING,
}


def passes(error: Exception) -> bool:
    """Return whether an error may go away without a change of the request."""
    if isinstance(error, ApiError):
        return error.retriable or error.status in HINT_OF_STATUS
    return isinstance(error, UnreachableError)


def pause_after(tries: int) -> float:
    """Return the seconds to wait after a failed try that so many failed tries came before."""
    delay: float = min(LONGEST_API_PAUSE_S, FIRST_API_PAUSE_S * 2 ** min(tries, 10))
    # Jitter: operators that lost one API server together must not come back together.
    return delay * (0.5 + random.random() / 2)  # noqa: S311


class Outage:
    """The tries at one request that has to succeed some day.

    Args:
        what: Name of the request in the log.
        sleep: Waits for some seconds.
        missing: What to do if the resource is missing.
        patient: Whether to wait also after errors that no repetition mends.
    """

    def __init__(
        self,
        what: str,
        sleep: Sleep = asyncio.sleep,
        *,
        missing: str = CRDS_ARE_MISSING,
        patient: bool = False,
    ) -> None:
        self._what = what
        self._patient = patient
        self._hints = HINT_OF_STATUS | {404: missing}
        self._sleep = sleep
        self._tries = 0

    async def pause(self, error: Exception) -> None:
        """Wait before the next try, longer each time, up to LONGEST_API_PAUSE_S.

        Raises:
            Exception: the error itself, if no repetition mends it and the caller is not patient.
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
        if status in HINT_OF_STATUS and (status != 404 or isinstance(error, NotFoundError)):
            fields["hint"] = self._hints[status]
        return fields

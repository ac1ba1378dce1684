"""Why a worker has no connection: in words, and without a flood of log records.

1. Each cause is one warning in an outage, however often it occurs.
2. While the outage lasts, the cause is told again after a minute, and with pauses that double up to
   ten. What comes in between is at debug.
"""

import os
from collections.abc import Callable

import aiohttp

FIRST_REMINDER_S = 60.0
LONGEST_REMINDER_S = 600.0
MAX_CAUSES_PER_OUTAGE = 20  # kept of one outage; beyond, only reminders tell


class Trouble:
    """The causes that one worker has met since it lost its connection.

    Args:
        now: A clock that never goes back, in seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self.cause = "nothing was tried yet"
        """Why there is no connection; empty while there is one."""
        self._now = now
        self._told: set[str] = set()
        self._reminder = 0.0
        self._pause = FIRST_REMINDER_S

    def is_news(self, cause: str) -> bool:
        """Record a cause, and return whether it should be told now."""
        self.cause = cause
        if not self._told:
            self._reminder = self._now() + self._pause
        if cause not in self._told and len(self._told) < MAX_CAUSES_PER_OUTAGE:
            self._told.add(cause)
            return True
        if self._now() < self._reminder:
            return False
        self._pause = min(self._pause * 2, LONGEST_REMINDER_S)
        self._reminder = self._now() + self._pause
        return True

    def end(self) -> None:
        """Record that there is a connection."""
        self.cause = ""
        self._told.clear()
        self._pause = FIRST_REMINDER_S


def in_words(error: BaseException) -> str:
    """Return what a failed connection means, without what its library holds."""
    return _known(error) or str(error) or type(error).__name__


def _known(error: BaseException) -> str | None:
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return f"its certificate is not trusted: {error.certificate_error}"
        case aiohttp.ClientConnectorDNSError():
            return f"no address is known for {error.host}"
        case aiohttp.ClientConnectorError():
            return f"nothing answers at {error.host}:{error.port}: {_of_system(error.os_error)}"
        case aiohttp.WSServerHandshakeError():
            return f"what answers is not an operator, or not ready: HTTP status {error.status}"
        case aiohttp.ServerDisconnectedError():
            return "the connection was closed before the operator answered"
    return "no answer in time" if isinstance(error, TimeoutError) else None


def _of_system(error: OSError) -> str:
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return str(error) or type(error).__name__

"""Tell why a worker has no connection, in words and without a flood of log records.

1. Each cause is one warning in an outage, however often it occurs.
2. While the outage lasts, the present cause is a warning again after a minute, and then after
   pauses that double up to ten minutes. Any other occurrence is logged at debug.
"""

import os
from collections.abc import Callable

import aiohttp

FIRST_REMINDER_S = 60.0
LONGEST_REMINDER_S = 600.0
MAX_CAUSES_PER_OUTAGE = 20  # further causes are seen in reminders only


class Trouble:
    """The causes that one worker has met since it lost its connection.

    Args:
        now: A monotonic clock, in seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self.cause = "nothing was tried yet"
        """Why there is no connection; empty while there is one."""
        self._now = now
        self._causes: set[str] = set()
        self._reminder = 0.0
        self._pause = FIRST_REMINDER_S

    def note_cause(self, cause: str) -> bool:
        """Record a cause. Return whether it is to be a warning now."""
        self.cause = cause
        if not self._causes:
            self._reminder = self._now() + self._pause
        if cause not in self._causes and len(self._causes) < MAX_CAUSES_PER_OUTAGE:
            self._causes.add(cause)
            return True
        if self._now() < self._reminder:
            return False
        self._pause = min(self._pause * 2, LONGEST_REMINDER_S)
        self._reminder = self._now() + self._pause
        return True

    def on_connected(self) -> None:
        """Record that there is a connection."""
        self.cause = ""
        self._causes.clear()
        self._pause = FIRST_REMINDER_S


def describe_failure(error: BaseException) -> str:
    """Return the meaning of a failed connection, without the details of the library."""
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

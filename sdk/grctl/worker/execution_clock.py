"""The clock of an execution: the API server's time, as far as the operator knew it at the dispatch.

It goes on by the monotonic clock of this machine, so a worker whose own clock is wrong has the same
time as all others. An operator before protocol 4 sends no time; then it is this machine's.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Monotonic = Callable[[], float]

CLOCK_ERROR_S = 1.0
"""By so much the clock of one attempt may be behind that of a later one. None is ahead of the API
server, but its answers only tell whole seconds. A pause that outlives a worker is longer by it, so
that it is never too short."""


class ExecutionClock:
    """Tells the time while an execution runs.

    Args:
        time: The time when the execution arrived; None: this machine's.
        monotonic: A monotonic clock, in seconds.
    """

    def __init__(self, time: datetime | None, monotonic: Monotonic = time.monotonic) -> None:
        self._start = time or datetime.now(UTC)
        self._monotonic = monotonic
        self._started_at = monotonic()

    def now(self) -> datetime:
        """Return the time, in UTC."""
        return self._start + timedelta(seconds=self._monotonic() - self._started_at)

    def until(self, moment: datetime) -> float:
        """Return the seconds until a moment; 0 if it has passed."""
        return max(0.0, (moment - self.now()).total_seconds())


def write_moment(moment: datetime) -> str:
    """Write a moment as the journal has it: ISO 8601 in UTC, to the microsecond."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def read_moment(text: object) -> datetime | None:
    """Return a moment of the journal; None if it is none that can be read."""
    try:
        moment = datetime.fromisoformat(text)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)

"""ServerClock: the API server's time, as far as its answers prove it.

1. An answer's `Date` has whole seconds, and was true at some moment between question and answer.
   So each answer bounds how far the server's clock is ahead of ours. The bounds are intersected.
2. `now()` is certainly not after the server's present time, and as late as is proved. So a deadline
   that is taken from this clock passes late, never early: I7 (deadlines).
3. Answers that contradict each other mean that a clock jumped. The bounds start anew, and `on_jump`
   gets by how much, because timers were set by the old time. Between two jumps `now()` never goes
   back.

Pure: the local clock is passed in.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from grctl_operator.engine.observation import LONG_AGO

DRIFT_SHARE = 200e-6  # s/s: how fast two clocks that NTP keeps may run apart
DATE_RESOLUTION_S = 1.0  # of an HTTP date

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ServerClock:
    """The API server's time, from the dates of its answers.

    Args:
        monotonic: Seconds of a clock that never jumps.
        on_jump: Gets by how much the API server's clock jumped.
    """

    def __init__(
        self, monotonic: Callable[[], float], *, on_jump: Callable[[timedelta], None]
    ) -> None:
        self._on_jump = on_jump
        self._monotonic = monotonic
        self._heard = 0.0
        self._bounds: tuple[float, float] | None = None
        """The server's clock minus ours, at least and at most, as known when last heard."""

    def on_answer(self, took: float, date: datetime) -> None:
        """Take the date of an answer that has just come. `took`: seconds since its request."""
        local = self._monotonic()
        stamp = (date - EPOCH).total_seconds()
        low, high = stamp - local, stamp + DATE_RESOLUTION_S - (local - took)
        known_low, known_high = self._aged(local) if self._bounds else (low, high)
        jumped = low > known_high or known_low > high
        if not jumped:
            low, high = max(low, known_low), min(high, known_high)
        self._bounds, self._heard = (low, high), local
        if jumped:
            self._on_jump(timedelta(seconds=low - known_low))

    @property
    def is_known(self) -> bool:
        """Whether the API server has answered at all."""
        return self._bounds is not None

    def now(self) -> datetime:
        """Return a moment that is not after the API server's present time."""
        if self._bounds is None:
            raise RuntimeError("The API server has not answered yet: its time is not known")
        local = self._monotonic()
        return EPOCH + timedelta(seconds=local + self._aged(local)[0])

    def past_or_long_ago(self, moment: datetime) -> datetime:
        """Return a moment of this clock, or LONG_AGO if the clock has gone back since."""
        return LONG_AGO if moment > self.now() else moment

    def _aged(self, local: float) -> tuple[float, float]:
        """Return the bounds, wider by what the clocks may have drifted since the last answer."""
        if self._bounds is None:
            raise RuntimeError("There are no bounds yet")
        slack = (local - self._heard) * DRIFT_SHARE
        return self._bounds[0] - slack, self._bounds[1] + slack

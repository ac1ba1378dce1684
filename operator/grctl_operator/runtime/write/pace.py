"""Pace: when the status of a run is to be written.

1. What is only for people is due at the first `write_by` since it differed, not at the last: so
   what lasts is shown in time, and what a commit overtakes costs no write.
2. Outcomes of a run that goes on waiting are written at once, unless the run was written less than
   TOGETHER ago: then they are due when that time is over, together with those that come meanwhile.
   So events that come quickly share writes, and one that comes alone waits for nothing.
3. Nothing is ever due later than TOGETHER after it could have been.

Pure: time is given.
"""

from datetime import datetime, timedelta

from grctl_operator.engine import Decision
from grctl_operator.engine.observation import Key

TOGETHER = timedelta(seconds=0.02)
"""A run's events that come this close to each other share a write of it."""


class Pace:
    """Remembers when runs were written a moment ago, and when they are to be."""

    def __init__(self) -> None:
        self._due: dict[Key, datetime] = {}
        self._written: dict[Key, datetime] = {}
        """Runs that were written less than TOGETHER before the last write, the oldest first."""

    def due(self, key: Key) -> datetime | None:
        """Say when the run is to be written; None: there is nothing to write."""
        return self._due.get(key)

    def decided(self, key: Key, decision: Decision, now: datetime) -> None:
        """Take a decision about a run."""
        due = decision.write_by
        if due is None:
            self._due.pop(key, None)
            return
        if decision.with_next and key in self._written:
            written = min(self._written[key], now)  # rule 3, where the clock went back
            due = max(due, written + TOGETHER)
        self._due[key] = min(due, self._due.get(key, due))

    def written(self, key: Key, now: datetime) -> None:
        """Note that the run was written."""
        self._due.pop(key, None)
        self._written.pop(key, None)
        self._written[key] = now
        self._forget_what_is_past(now)

    def _forget_what_is_past(self, now: datetime) -> None:
        while True:
            oldest = next(iter(self._written))
            if now - self._written[oldest] < TOGETHER:
                return
            del self._written[oldest]

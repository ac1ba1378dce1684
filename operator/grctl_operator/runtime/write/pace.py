"""Pace: when the status of a run is to be written.

1. What is only for people is due at the first `write_by` since it differed, not at the last: so
   what lasts is shown in time, and what a commit overtakes costs no write.
2. Outcomes of a run that goes on waiting are written at once, unless the run was written less than
   TOGETHER ago: then they are due when that time is over, together with those that come meanwhile.
   So events that come quickly share writes, and one that comes alone waits for nothing.
3. Where nothing came meanwhile, IN_VAIN times in a row, the sender waits for these writes or has no
   more to send: until that is ALONE ago nothing of this run waits.
4. Nothing is ever due later than TOGETHER after it could have been.

Pure: time is given, in seconds of a monotonic clock. A server's clock may jump by an hour, and a
write that was put off until then would be made an hour later.
"""

from datetime import datetime

from grctl_operator.engine import Decision
from grctl_operator.engine.observation import Key

TOGETHER = 0.02  # s
"""A run's events that come this close to each other share a write of it."""
IN_VAIN = 3
"""More than one: an API server that collects its garbage holds up a sender once in a while."""
ALONE = 1.0  # s


class Pace:
    """Remembers when runs were written a moment ago, and when they are to be."""

    def __init__(self) -> None:
        self._due: dict[Key, float] = {}
        self._waits: set[Key] = set()
        """Runs whose write could have been made already (rule 2)."""
        self._written = _Moments(TOGETHER)
        self._waited_alone = _Moments(ALONE)

    def due(self, key: Key) -> float | None:
        """Say when the run is to be written; None: there is nothing to write."""
        return self._due.get(key)

    def decided(self, key: Key, decision: Decision, at: datetime, now: float) -> None:
        """Take a decision about a run, made when the server's clock showed `at`."""
        if decision.write_by is None:
            self._forget(key)
            return
        left = (decision.write_by - at).total_seconds()
        if not (decision.with_next and left <= 0 and self.put_off(key, now)):
            self._note_due(key, now + left)

    def put_off(self, key: Key, now: float) -> float | None:
        """Have outcomes wait that may (rules 2 and 3). Give until when; None: they are due."""
        written = self._written.last(key, now)
        if written is None or self._waited_alone.times(key, now) >= IN_VAIN:
            return None
        self._waits.add(key)
        until = written + TOGETHER
        self._note_due(key, until)
        return until

    def waits(self, key: Key, now: float) -> bool:
        """Say whether outcomes of a run wait, and are not due yet."""
        due = self._due.get(key)
        return key in self._waits and due is not None and now < due

    def written(self, key: Key, now: float, outcomes: int) -> None:
        """Note that the run was written, with so many outcomes."""
        if outcomes > 1:
            self._waited_alone.forget(key)
        elif key in self._waits:
            self._waited_alone.note(key, now)
        self._written.note(key, now)
        self._forget(key)

    def _note_due(self, key: Key, due: float) -> None:
        self._due[key] = min(due, self._due.get(key, due))

    def _forget(self, key: Key) -> None:
        self._due.pop(key, None)
        self._waits.discard(key)


class _Moments:
    """When something happened to a run last, and how often, until that is some time ago."""

    def __init__(self, lasts: float) -> None:
        self._lasts = lasts
        self._moments: dict[Key, tuple[float, int]] = {}
        """In the order of their noting."""

    def note(self, key: Key, now: float) -> None:
        times = self.times(key, now)
        self.forget(key)
        self._moments[key] = (now, times + 1)
        while self._is_past(oldest := next(iter(self._moments)), now):
            self.forget(oldest)

    def forget(self, key: Key) -> None:
        self._moments.pop(key, None)

    def times(self, key: Key, now: float) -> int:
        """Count how often it happened, each time before the time before was over."""
        return 0 if self._is_past(key, now) else self._moments[key][1]

    def last(self, key: Key, now: float) -> float | None:
        """Return the moment, or None if it is past."""
        return None if self._is_past(key, now) else self._moments[key][0]

    def _is_past(self, key: Key, now: float) -> bool:
        known = self._moments.get(key)
        return known is None or now - known[0] >= self._lasts

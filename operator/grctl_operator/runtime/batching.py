"""Batching: which runs were written a moment ago, so that their next outcomes may share a write.

1. Outcomes that may be batched are written at once, unless the run was written less than
   WRITE_BATCH_WINDOW_S ago. Then they are due when that window ends, together with the outcomes
   that come meanwhile. So events that come quickly share writes, and a single one waits for
   nothing.
2. If no other outcome came meanwhile, MAX_VAIN_DEFERRALS times in a row, the sender waits for these
   writes or has no more to send. Then no write of the run is deferred until VAIN_DEFERRALS_LAST_S
   have passed.

Pure: the caller passes the time, in seconds of a monotonic clock. `Timing` works without this file
(`batching=None`): each outcome then has a write of its own.
"""

from grctl_operator.engine.observation import Key

WRITE_BATCH_WINDOW_S = 0.02
"""Events of a run that come this close to each other share a write of it."""
MAX_VAIN_DEFERRALS = 3
"""More than one: an API server that collects its garbage holds up a sender once in a while."""
VAIN_DEFERRALS_LAST_S = 1.0


class Batching:
    """Decides which writes are deferred."""

    def __init__(self) -> None:
        self._deferred: set[Key] = set()
        """Runs whose write could have been made already."""
        self._written = _Moments(WRITE_BATCH_WINDOW_S)
        self._deferred_in_vain = _Moments(VAIN_DEFERRALS_LAST_S)

    def defer(self, key: Key, now: float) -> float | None:
        """Defer a write that may be batched. Return its due time, or None if it is due now."""
        written = self._written.last(key, now)
        if written is None or self._deferred_in_vain.times(key, now) >= MAX_VAIN_DEFERRALS:
            return None
        self._deferred.add(key)
        return written + WRITE_BATCH_WINDOW_S

    def is_deferred(self, key: Key) -> bool:
        """Return whether the write of a run was deferred, and not made since."""
        return key in self._deferred

    def on_write(self, key: Key, now: float, outcomes: int) -> None:
        """Note that a run was written, with so many outcomes."""
        if outcomes > 1:
            self._deferred_in_vain.forget(key)
        elif key in self._deferred:
            self._deferred_in_vain.note(key, now)
        self._written.note(key, now)
        self._deferred.discard(key)

    def forget(self, key: Key) -> None:
        """Note that nothing of a run is to be written any more."""
        self._deferred.discard(key)


class _Moments:
    """When something happened to a run last, and how often, until that is some time ago."""

    def __init__(self, lasts_s: float) -> None:
        self._lasts_s = lasts_s
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
        """Return how often it happened, each time before the time before was over."""
        return 0 if self._is_past(key, now) else self._moments[key][1]

    def last(self, key: Key, now: float) -> float | None:
        """Return the moment, or None if it is past."""
        return None if self._is_past(key, now) else self._moments[key][0]

    def _is_past(self, key: Key, now: float) -> bool:
        known = self._moments.get(key)
        return known is None or now - known[0] >= self._lasts_s

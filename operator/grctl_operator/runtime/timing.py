"""Timing: when a run is looked at again, and when its status is written.

The engine says how urgent a write is (`Urgency`) and when to look again at the latest. This file
makes moments of both. No other file of the runtime decides when a run is looked at or written.

1. A reconcile sets the moments of its run anew: `begin` forgets the timer, and of several moments
   the earliest counts.
2. Coalescing: a run that nobody waits for is looked at together with the next thing that happens
   to it, or after COALESCE_S.
3. For people: a status that differs only in its readable part is written once that part has been
   true for SHOWN_AFTER (250 ms, `engine/urgency.py`). A commit that comes first writes that part
   too, so it costs no write of its own.
4. Batching: outcomes of a run that was written a moment ago are deferred, for WRITE_BATCH_WINDOW_S
   at most (20 ms, see `batching`). With `batching=None` no write is deferred.
5. Records: one that its handler does not wait for is looked at when it is to be written, after
   SHOWN_AFTER. If the commit comes first, it costs neither a reconcile nor a write. One that is
   awaited is looked at now, and no write of its run is deferred any longer.
6. Back-off: a run whose reconcile fails is looked at again later each time, until one succeeds.
7. Durations are measured by the event loop's monotonic clock. The engine's moments are the API
   server's: when that clock jumps, every run that has a timer is looked at (`wake_all`).
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from enum import Enum, auto
from typing import Protocol

from grctl_operator.engine import SHOWN_AFTER, Decision, Urgency
from grctl_operator.engine.observation import Key
from grctl_operator.runtime.batching import Batching
from grctl_operator.runtime.work_queue import WorkQueue
from grctl_operator.runtime.write.refresher import Refresher

FIRST_RETRY_S = 0.05
LONGEST_RETRY_S = 30.0
"""A person who mends the cause should not wait longer."""
COALESCE_S = 0.01
"""As long as the next event of a sender takes that waits for each answer (decision 0020)."""
SHORTEST_TIMER_S = 0.001
"""So that a timer never fires within the same turn of the loop."""


class Why(Enum):
    """Why a run is to be looked at. It decides how long that may wait."""

    OUTCOME = auto()
    """A worker brought an outcome of it, whose write may be batched."""
    RECORD = auto()
    """A handler recorded something, and goes on."""
    AWAITED_RECORD = auto()
    """A handler waits until what it recorded is durable."""
    SETTLED = auto()
    """An event of it was settled, which makes room for others. Nobody waits for that."""
    WRITTEN = auto()
    """Its status was written. Something may be due at once, or nothing."""
    DECIDED = auto()
    """A reconcile ended. The next look is at the engine's moment, or when a write is due."""
    FAILED = auto()
    """A reconcile failed."""


class Handle(Protocol):
    """A timer that can be cancelled."""

    def cancel(self) -> None:
        """Cancel the call."""


class Timers(Protocol):
    """The part of an event loop that knows time."""

    def time(self) -> float:
        """Return the loop's time, in seconds of a monotonic clock."""

    def call_at(self, when: float, callback: Callable[[Key], None], key: Key) -> Handle:
        """Call back at a time."""


class Timing:
    """The timers of all runs, and the due times of their writes.

    Args:
        queue: Where a run is put whose time has come.
        now: The API server's time.
        refresher: Knows whose turn it is among the writes in the background.
        urgency_of_outcomes: Returns how urgent the write of a run's outcomes is.
        batching: Decides which writes are deferred. None: no write is.
        timers: The event loop.
    """

    def __init__(
        self,
        queue: WorkQueue,
        now: Callable[[], datetime],
        *,
        refresher: Refresher,
        urgency_of_outcomes: Callable[[Key], Urgency],
        batching: Batching | None,
        timers: Timers,
    ) -> None:
        self._queue = queue
        self._now = now
        self._refresher = refresher
        self._urgency_of_outcomes = urgency_of_outcomes
        self._batching = batching
        self._loop = timers
        self._timers: dict[Key, tuple[float, Handle]] = {}
        self._failures: dict[Key, int] = {}
        self._writes_due: dict[Key, float] = {}

    # When a run is looked at.

    def add(self, key: Key, *, why: Why, when: datetime | None = None) -> None:
        """Look at a run in time.

        Args:
            key: The run.
            why: What asks for it, and so how long it may wait.
            when: The moment by which the engine wants to look again.
        """
        match why:
            case Why.OUTCOME:
                self._add_outcome(key)
            case Why.RECORD:
                self._add_in(key, SHOWN_AFTER.total_seconds())
            case Why.AWAITED_RECORD:
                self._end_deferral(key)
                self._queue.add(key)
            case Why.SETTLED:
                self._add_in(key, COALESCE_S)
            case Why.WRITTEN if when is not None and when <= self._now():
                self._queue.add(key)
            case Why.WRITTEN:
                self._add_in(key, COALESCE_S)
            case Why.DECIDED:
                self._add_after_decision(key, when)
            case Why.FAILED:
                self._add_after_failure(key)

    def begin(self, key: Key) -> None:
        """Note that a reconcile of a run begins, which sets its moments anew."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer[1].cancel()

    def on_success(self, key: Key) -> None:
        """Note that a reconcile of a run succeeded: the next back-off is the first."""
        self._failures.pop(key, None)

    def wake_all(self) -> None:
        """Look at every run that has a timer, and again at those that are being reconciled.

        What is decided about these may still be put off by the old time.
        """
        for key in (*self._timers, *self._queue.busy):
            self._queue.add(key)

    def wake_within(self, seconds: float) -> None:
        """Look now at every run whose timer would fire within some seconds."""
        until = self._loop.time() + seconds
        for key, (when, _) in tuple(self._timers.items()):
            if when <= until:
                self._queue.add(key)

    def close(self) -> None:
        """Stop all timers."""
        for _, handle in self._timers.values():
            handle.cancel()
        self._timers.clear()

    # When a run is written.

    def is_deferring(self, key: Key) -> bool:
        """Return whether the write of a run's outcomes is deferred, and not due yet."""
        return (
            self._batching is not None
            and self._batching.is_deferred(key)
            and self._writes_due.get(key, 0.0) > self._loop.time()
        )

    def on_decision(self, key: Key, decision: Decision) -> Decision:
        """Note when a decision that was just made is to be written.

        Return the decision without its status if that waits for its turn in the background.
        """
        if decision.urgency is not Urgency.IN_BACKGROUND:
            self._refresher.forget(key)
        elif not self._refresher.may_write(key):
            decision = replace(decision, status=None, urgency=None)
        if decision.status is not None:
            self._note_due(key, self._due(key, decision))
        elif decision.urgency is None:
            self._forget_write(key)
        return decision

    def is_write_due(self, key: Key) -> bool:
        """Return whether the status that was decided upon is to be written now."""
        due = self._writes_due.get(key)
        return due is not None and due <= self._loop.time()

    def on_write(self, key: Key, outcomes: int) -> None:
        """Note that the status of a run was written, with so many outcomes."""
        self._writes_due.pop(key, None)
        if self._batching is not None:
            self._batching.on_write(key, self._loop.time(), outcomes)

    def _due(self, key: Key, decision: Decision) -> float:
        now = self._loop.time()
        if decision.urgency is Urgency.BATCHED:
            return self._deferred(key, now) or now
        if decision.urgency is Urgency.FOR_PEOPLE and decision.so_since is not None:
            left = decision.so_since + SHOWN_AFTER - self._now()
            return now + max(0.0, left.total_seconds())
        return now

    def _deferred(self, key: Key, now: float) -> float | None:
        """Defer a write that may be batched. Return its due time, or None if it is due now."""
        return self._batching.defer(key, now) if self._batching is not None else None

    def _end_deferral(self, key: Key) -> None:
        """Make a write that was deferred due now."""
        if key in self._writes_due:
            self._note_due(key, self._loop.time())

    def _note_due(self, key: Key, due: float) -> None:
        self._writes_due[key] = min(due, self._writes_due.get(key, due))

    def _forget_write(self, key: Key) -> None:
        self._writes_due.pop(key, None)
        if self._batching is not None:
            self._batching.forget(key)

    # Timers.

    def _add_outcome(self, key: Key) -> None:
        now = self._loop.time()
        batched = self._batching is not None and self._urgency_of_outcomes(key) is Urgency.BATCHED
        until = self._deferred(key, now) if batched else None
        if until is None:
            self._queue.add(key)
        else:
            self._note_due(key, until)
            self._add_in(key, until - now)

    def _add_after_decision(self, key: Key, when: datetime | None) -> None:
        due = self._writes_due.get(key)
        if due is not None:
            self._add_in(key, due - self._loop.time())
        if when is not None:
            self._add_in(key, (when - self._now()).total_seconds())

    def _add_after_failure(self, key: Key) -> None:
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self._add_in(key, min(LONGEST_RETRY_S, FIRST_RETRY_S * 2 ** min(failures, 20)))

    def _add_in(self, key: Key, delay_s: float) -> None:
        """Look at a run in some seconds, if nothing wakes it earlier."""
        if key in self._queue:
            return  # the reconcile that comes sets its moments anew
        when = self._loop.time() + max(SHORTEST_TIMER_S, delay_s)
        known = self._timers.get(key)
        if known is not None:
            if known[0] <= when:
                return
            known[1].cancel()
        self._timers[key] = (when, self._loop.call_at(when, self._on_timer, key))

    def _on_timer(self, key: Key) -> None:
        self._timers.pop(key, None)
        self._queue.add(key)

"""WorkQueue: which keys are to be reconciled, each at most once at a time.

1. A key waits once, however often it is added: a wake-up carries no information.
2. A key added while it is reconciled is reconciled again afterwards: no wake-up is lost.
3. One reconcile per key at a time; keys take turns in the order of their adding.
4. Of two wake-ups in the future the earlier counts. A reconcile decides anew when to wake, so
   taking a key forgets its wake-up.
5. A key whose reconcile fails waits longer each time, until one succeeds.
6. While the queue is paused keys are kept and none is given out.
7. A sweep of all keys, most of which need nothing, does not hold up those that something happened
   to: it has what turns they leave, and one in SHARE.
8. What nobody waits for has SOON to come together with something else.
9. Keys of a namespace that is held are kept and not given out, until whoever held it releases it.

The relations: `_line` holds the keys of `_dirty` that are neither in `_busy` nor in `_aside`, in
order; `_swept` holds none of them.
"""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable
from typing import Protocol

from grctl_operator.engine.observation import Key

FIRST_RETRY = 0.05  # s
LONGEST_RETRY = 30.0  # s: a person who mends the cause should not wait longer
SHARE = 4  # turns: of these the sweep has one
SOON = 0.01  # s: what else happens to a run in that time is looked at together
SOONEST = 0.001  # s: a wake-up never fires within the same turn of the loop


class Handle(Protocol):
    """A timer that can be cancelled."""

    def cancel(self) -> None:
        """Never call."""


class Timers(Protocol):
    """The part of an event loop that knows time."""

    def time(self) -> float:
        """Give the loop's time."""

    def call_at(self, when: float, callback: Callable[[Key], None], key: Key) -> Handle:
        """Call back at a time."""


class WorkQueue:
    """Keys to reconcile, now or later."""

    def __init__(self, timers: Timers | None = None) -> None:
        self._timers: Timers = timers or asyncio.get_running_loop()
        self._line: deque[Key] = deque()
        self._dirty: set[Key] = set()
        """Keys to be reconciled, waiting or because they changed while they are busy."""
        self._busy: set[Key] = set()
        self._swept: OrderedDict[Key, None] = OrderedDict()
        """Keys to be reconciled when there is time, in order."""
        self._holds: Counter[str] = Counter()
        """How often each namespace is held."""
        self._aside: dict[str, dict[Key, None]] = {}
        """Keys whose turn came while their namespace was held, in order."""
        self._turns = 0
        self._alarms: dict[Key, tuple[float, Handle]] = {}
        self._failures: dict[Key, int] = {}
        self._takers: deque[asyncio.Future[None]] = deque()
        self._paused = False
        self._finished = asyncio.Event()
        """Set while no key is reconciled."""
        self._finished.set()

    def __len__(self) -> int:
        """Count the keys that wait for a reconcile now."""
        return len(self._line) + len(self._swept)

    @property
    def idle(self) -> bool:
        """Whether no key waits or is reconciled now."""
        return not self._dirty and not self._busy and not self._swept

    def add(self, key: Key) -> None:
        """Have a key reconciled as soon as possible."""
        if key in self._dirty:
            return
        self._swept.pop(key, None)
        self._dirty.add(key)
        if key not in self._busy:
            self._queue(key)

    def sweep(self, keys: Iterable[Key]) -> None:
        """Have keys reconciled when there is time."""
        for key in keys:
            if key in self._busy:
                self.add(key)  # what is decided now may not know yet
            elif key not in self._dirty:
                self._swept[key] = None
                self._wake_taker()

    def add_in(self, key: Key, delay: float) -> None:
        """Have a key reconciled in some seconds, if nothing wakes it earlier."""
        when = self._timers.time() + max(SOONEST, delay)
        known = self._alarms.get(key)
        if known is not None:
            if known[0] <= when:
                return
            known[1].cancel()
        self._alarms[key] = (when, self._timers.call_at(when, self._ring, key))

    def add_soon(self, key: Key) -> None:
        """Have a key reconciled with the next thing that happens to it, or in a moment."""
        if key not in self._dirty:
            self.add_in(key, SOON)

    def hold(self, namespace: str) -> None:
        """Hold back the keys of a namespace. Held twice, it has to be released twice."""
        self._holds[namespace] += 1

    def release(self, namespace: str) -> None:
        """Release the keys of a namespace, if nobody else holds it."""
        self._holds[namespace] -= 1
        if self._holds[namespace] <= 0:
            del self._holds[namespace]
            for key in self._aside.pop(namespace, {}):
                self._queue(key)

    def wake_all(self) -> None:
        """Reconcile every key that waits for a moment, as the clock is another.

        Also those under way: what is decided now may yet be put off by the old time.
        """
        for key in (*self._alarms, *self._busy):
            self.add(key)

    def wake_within(self, seconds: float) -> None:
        """Have every key reconciled now that would be anyway so soon."""
        until = self._timers.time() + seconds
        for key, (when, _) in tuple(self._alarms.items()):
            if when <= until:
                self.add(key)

    def retry(self, key: Key) -> None:
        """Have a key whose reconcile failed reconciled again, later each time."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self.add_in(key, min(LONGEST_RETRY, FIRST_RETRY * 2 ** min(failures, 20)))

    def forget(self, key: Key) -> None:
        """Note that a key's reconcile succeeded."""
        self._failures.pop(key, None)

    async def take(self) -> Key:
        """Wait for a key whose turn it is. Say `done` afterwards."""
        while self._paused or (key := self._next()) is None:
            taker: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._takers.append(taker)
            try:
                await taker
            except asyncio.CancelledError:
                self._wake_taker()  # the turn may have been given to who is leaving
                raise
        return self._start(key)

    def done(self, key: Key) -> None:
        """Note that a key's reconcile has ended."""
        self._busy.discard(key)
        if not self._busy:
            self._finished.set()
        if key in self._dirty:
            self._queue(key)

    def pause(self) -> None:
        """Give out no key from now on."""
        self._paused = True

    def resume(self) -> None:
        """Give out keys again; what waits for a moment, or to be tried again, is due."""
        self._paused = False
        self.wake_all()
        for _ in tuple(self._takers):
            self._wake_taker()

    async def finished(self) -> None:
        """Wait until no key is reconciled."""
        await self._finished.wait()

    def close(self) -> None:
        """Stop all alarms."""
        for _, handle in self._alarms.values():
            handle.cancel()
        self._alarms.clear()

    def _next(self) -> Key | None:
        while len(self):
            key = self._pop()
            if not self._holds or key.namespace not in self._holds:
                return key
            self._dirty.add(key)
            self._aside.setdefault(key.namespace, {})[key] = None
        return None

    def _pop(self) -> Key:
        self._turns += 1
        if self._swept and (not self._line or self._turns % SHARE == 0):
            return self._swept.popitem(last=False)[0]
        return self._line.popleft()

    def _start(self, key: Key) -> Key:
        self._dirty.discard(key)
        self._busy.add(key)
        self._finished.clear()
        alarm = self._alarms.pop(key, None)
        if alarm is not None:
            alarm[1].cancel()
        return key

    def _queue(self, key: Key) -> None:
        self._line.append(key)
        self._wake_taker()

    def _wake_taker(self) -> None:
        while self._takers:
            taker = self._takers.popleft()
            if not taker.done():
                taker.set_result(None)
                return

    def _ring(self, key: Key) -> None:
        self._alarms.pop(key, None)
        self.add(key)

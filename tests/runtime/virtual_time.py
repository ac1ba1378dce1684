"""A loop's timers, moved by hand."""

from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count

from grctl_operator.engine.observation import Key


@dataclass
class Timer:
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class VirtualTime:
    """A loop's timers, moved by hand."""

    now: float = 100.0
    timers: list[tuple[float, int, Timer, Callable[[Key], None], Key]] = field(default_factory=list)
    numbers: "count[int]" = field(default_factory=count)

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[Key], None], key: Key) -> Timer:
        timer = Timer()
        heappush(self.timers, (when, next(self.numbers), timer, callback, key))
        return timer

    def advance(self, seconds: float) -> None:
        self.now += seconds
        while self.timers and self.timers[0][0] <= self.now:
            _, _, timer, callback, key = heappop(self.timers)
            if not timer.cancelled:
                callback(key)

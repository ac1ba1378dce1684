"""Notices: which core Events are due, and what is put together or left out before.

1. Of one object there is one core Event for each reason, and it is counted up: at once for the
   first time, then after a pause that doubles with each write. Who was silent for the longest
   pause begins anew: what happens again an hour later is said at once.
2. A state is told once, however often it is found: a notice that says since when it is so tells
   nothing new unless that is later.
3. Of the events of one run a few are told singly, and one more a minute: their run tells of all.
4. Bounded: where too much waits to be written the rest is dropped, warnings on runs last. Nothing
   dropped is remembered as told, so a state may be told when it is found again.

client-go's EventCorrelator does the like. Pure: the clocks are given.
"""

import heapq
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from grctl_operator.engine.observation import Key

FIRST_PAUSE = 10.0  # s: a person reads no faster
LONGEST_PAUSE = 600.0  # s: a thing that goes on for ever costs six writes an hour
BURST = 10  # events of one run that are told singly
REFILL = 60.0  # s: until one more is
WAITING = 1000  # core Events: what is more would come too late to be news
REMEMBERED = 4096  # core Events and runs: what is forgotten is found in the API; about 4 MB

Json = dict[str, Any]
Name = tuple[str, str]
"""Uid of the object, and the reason."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that people should know of an object."""

    about: Json
    """Kind, namespace, name and uid of the object."""
    of: Key
    """The workflow id that it belongs to."""
    reason: str
    message: str
    warning: bool = False
    times: int = 1
    """How often it happened."""
    since: datetime | None = None
    """Since when it is so; None: it is no state, but happened."""

    @property
    def name(self) -> Name:
        """What it is put together by."""
        return self.about["uid"], self.reason

    @property
    def single(self) -> bool:
        """Whether it is about one event among those of a run."""
        return bool(self.about["kind"] == "WorkflowEvent")


@dataclass(slots=True)
class Telling:
    """One core Event: what it is to say, and what it says already."""

    notice: Notice
    """The newest; `times`: what is not written yet."""
    first: datetime
    last: datetime
    count: int = 0
    """What was last written; 0: not by us."""
    written: float | None = None
    pause: float = 0.0

    def add(self, notice: Notice, now: datetime) -> None:
        """Let it say this too."""
        self.notice = replace(notice, times=self.notice.times + notice.times)
        self.last = now

    def knows(self, notice: Notice) -> bool:
        """Say whether a notice tells of a state that it has told of."""
        since, told = notice.since, self.notice.since
        return since is not None and told is not None and since <= told

    def begin_writing(self, moment: float) -> None:
        """Note that it is written now, and how long it then is silent."""
        silent = self.written is not None and moment - self.written > LONGEST_PAUSE
        grown = min(self.pause * 2, LONGEST_PAUSE)
        self.pause = FIRST_PAUSE if silent or not self.pause else grown
        self.written = moment

    def wrote(self, count: int) -> None:
        """Note what the core Event says now."""
        self.count = count
        self.notice = replace(self.notice, times=0)


class Notices:
    """All that is to be told.

    Args:
        now: The API server's clock.
        monotonic: A clock for lengths of time, in seconds.
    """

    def __init__(self, now: Callable[[], datetime], monotonic: Callable[[], float]) -> None:
        self._now = now
        self._monotonic = monotonic
        self._waiting: dict[Name, Telling] = {}
        self._order: list[tuple[float, int, Name]] = []
        """A heap of what waits, by the time at which it is due and then by its coming."""
        self._came = 0
        self._told: OrderedDict[Name, Telling] = OrderedDict()
        self._budgets: OrderedDict[Key, tuple[float, float]] = OrderedDict()
        """How many events of a run may be told singly, and at which time that was."""

    def __len__(self) -> int:
        """Count the core Events that wait to be written."""
        return len(self._waiting)

    def add(self, notice: Notice) -> bool:
        """Take a notice. Give False where it is dropped."""
        told = self._waiting.get(notice.name) or self._told.get(notice.name)
        if told is not None and told.knows(notice):
            return True
        if notice.name not in self._waiting and not self._has_room(notice, new=told is None):
            return False
        now = self._now()
        if told is None:
            told = Telling(notice, now, now)
        else:
            told.add(notice, now)
        self._wait(notice.name, told)
        return True

    def take(self) -> Telling | None:
        """Give what is to be written now; None: nothing yet."""
        if not self._order or self._order[0][0] > self._monotonic():
            return None
        _, _, name = heapq.heappop(self._order)
        telling = self._told[name] = self._waiting.pop(name)
        if len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
        telling.begin_writing(self._monotonic())
        return telling

    def due_in(self) -> float | None:
        """Give the seconds until something is due; None: nothing waits."""
        return max(0.0, self._order[0][0] - self._monotonic()) if self._order else None

    def on_jump(self, by: timedelta) -> None:
        """Move the moments since which something is so, as the API server's clock has jumped."""
        for telling in (*self._waiting.values(), *self._told.values()):
            since = telling.notice.since
            if since is not None:
                telling.notice = replace(telling.notice, since=since + by)

    def _wait(self, name: Name, telling: Telling) -> None:
        if name in self._waiting:
            return
        self._told.pop(name, None)
        self._waiting[name] = telling
        written = telling.written
        due = self._monotonic() if written is None else written + telling.pause
        self._came += 1
        heapq.heappush(self._order, (max(due, self._monotonic()), self._came, name))

    def _has_room(self, notice: Notice, *, new: bool) -> bool:
        important = notice.warning and not notice.single
        if len(self._waiting) >= (WAITING if important else WAITING // 2):
            return False
        return not (notice.single and new) or self._spend(notice.of)

    def _spend(self, of: Key) -> bool:
        """Take one from what a run's events have, if anything is left (rule 3)."""
        moment = self._monotonic()
        left, at = self._budgets.pop(of, (float(BURST), moment))
        left = min(float(BURST), left + (moment - at) / REFILL)
        enough = left >= 1
        self._budgets[of] = (left - 1 if enough else left, moment)
        if len(self._budgets) > REMEMBERED:
            self._budgets.popitem(last=False)
        return enough

"""Notices: which core Events are due, and which are merged or dropped before.

1. An object has one core Event for each reason, which is counted up. The first notice is written at
   once. Each write doubles the pause until the next one. After a silence of the longest pause it
   begins anew: what happens again an hour later is written at once.
2. A state is written once, however often it is found: a notice with a `since` is news only if its
   `since` is later.
3. A few events of one run get core Events of their own, and one more a minute. The core Event of
   their run counts all.
4. Bounded: if too many wait to be written, more are dropped, warnings on runs last. A dropped
   notice is not remembered, so its state may be written when it is found again.

client-go's EventCorrelator works alike. Pure: the clocks are passed in.
"""

import heapq
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from grctl_operator.engine.observation import Key

FIRST_NOTICE_PAUSE_S = 10.0  # a person reads no faster
LONGEST_NOTICE_PAUSE_S = 600.0  # what never ends costs six writes an hour
MAX_EVENT_NOTICES_AT_ONCE = 10  # of one run
EVENT_NOTICE_REFILL_S = 60.0  # until one more is allowed
MAX_WAITING_NOTICES = 1000  # more would be written too late to be news
MAX_NOTICES_REMEMBERED = 4096  # of core Events and of runs; about 4 MB. The API has the others

Json = dict[str, Any]
Name = tuple[str, str]
"""Uid of the object, and the reason."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that people should know of an object."""

    about: Json
    """Kind, namespace, name and uid of the object."""
    of: Key
    """The run that it belongs to."""
    reason: str
    message: str
    warning: bool = False
    times: int = 1
    """How often it happened."""
    since: datetime | None = None
    """Since when it is so. None: it is not a state, but something that happened."""

    @property
    def name(self) -> Name:
        """The name by which notices are merged."""
        return self.about["uid"], self.reason

    @property
    def is_about_event(self) -> bool:
        """Whether it is about an event, and not about a run."""
        return bool(self.about["kind"] == "WorkflowEvent")


@dataclass(slots=True)
class CoreEvent:
    """One core Event: what it is to say, and what is written already."""

    notice: Notice
    """The newest one. Its `times` count what is not written yet."""
    first: datetime
    last: datetime
    count: int = 0
    """The count that was last written. 0: nothing was, by this operator."""
    written: float | None = None
    pause: float = 0.0

    def add(self, notice: Notice, now: datetime) -> None:
        """Merge a notice into it."""
        self.notice = replace(notice, times=self.notice.times + notice.times)
        self.last = now

    def shows(self, notice: Notice) -> bool:
        """Return whether it tells of the state of a notice already."""
        since, known = notice.since, self.notice.since
        return since is not None and known is not None and since <= known

    def begin_writing(self, moment: float) -> None:
        """Note that it is written now, and set the pause until the next write."""
        silent = self.written is not None and moment - self.written > LONGEST_NOTICE_PAUSE_S
        grown = min(self.pause * 2, LONGEST_NOTICE_PAUSE_S)
        self.pause = FIRST_NOTICE_PAUSE_S if silent or not self.pause else grown
        self.written = moment

    def on_write(self, count: int) -> None:
        """Note which count the core Event has now."""
        self.count = count
        self.notice = replace(self.notice, times=0)


class Notices:
    """The core Events that wait to be written, and those that were.

    Args:
        now: The API server's clock.
        monotonic: A clock for durations, in seconds.
    """

    def __init__(self, now: Callable[[], datetime], monotonic: Callable[[], float]) -> None:
        self._now = now
        self._monotonic = monotonic
        self._waiting: dict[Name, CoreEvent] = {}
        self._order: list[tuple[float, int, Name]] = []
        """A heap of those that wait, by the time at which they are due, and then by arrival."""
        self._arrived = 0
        self._written: OrderedDict[Name, CoreEvent] = OrderedDict()
        self._budgets: OrderedDict[Key, tuple[float, float]] = OrderedDict()
        """How many core Events the events of a run may have, and at which time that was so."""

    def __len__(self) -> int:
        """Count the core Events that wait to be written."""
        return len(self._waiting)

    def add(self, notice: Notice) -> bool:
        """Take a notice. Return False if it is dropped."""
        known = self._waiting.get(notice.name) or self._written.get(notice.name)
        if known is not None and known.shows(notice):
            return True
        if notice.name not in self._waiting and not self._has_room(notice, new=known is None):
            return False
        now = self._now()
        if known is None:
            known = CoreEvent(notice, now, now)
        else:
            known.add(notice, now)
        self._wait(notice.name, known)
        return True

    def take(self) -> CoreEvent | None:
        """Return the core Event that is to be written now. None: none is due."""
        if not self._order or self._order[0][0] > self._monotonic():
            return None
        _, _, name = heapq.heappop(self._order)
        core_event = self._written[name] = self._waiting.pop(name)
        if len(self._written) > MAX_NOTICES_REMEMBERED:
            self._written.popitem(last=False)
        core_event.begin_writing(self._monotonic())
        return core_event

    def due_in(self) -> float | None:
        """Return the seconds until a core Event is due. None: none waits."""
        return max(0.0, self._order[0][0] - self._monotonic()) if self._order else None

    def on_jump(self, by: timedelta) -> None:
        """Move the `since` of all notices, as the API server's clock has jumped."""
        for core_event in (*self._waiting.values(), *self._written.values()):
            since = core_event.notice.since
            if since is not None:
                core_event.notice = replace(core_event.notice, since=since + by)

    def _wait(self, name: Name, core_event: CoreEvent) -> None:
        if name in self._waiting:
            return
        self._written.pop(name, None)
        self._waiting[name] = core_event
        written = core_event.written
        due = self._monotonic() if written is None else written + core_event.pause
        self._arrived += 1
        heapq.heappush(self._order, (max(due, self._monotonic()), self._arrived, name))

    def _has_room(self, notice: Notice, *, new: bool) -> bool:
        important = notice.warning and not notice.is_about_event
        if len(self._waiting) >= (MAX_WAITING_NOTICES if important else MAX_WAITING_NOTICES // 2):
            return False
        return not (notice.is_about_event and new) or self._spend(notice.of)

    def _spend(self, of: Key) -> bool:
        """Spend one core Event of a run's events (note 3). Return whether one was left."""
        moment = self._monotonic()
        left, at = self._budgets.pop(of, (float(MAX_EVENT_NOTICES_AT_ONCE), moment))
        left = min(float(MAX_EVENT_NOTICES_AT_ONCE), left + (moment - at) / EVENT_NOTICE_REFILL_S)
        enough = left >= 1
        self._budgets[of] = (left - 1 if enough else left, moment)
        if len(self._budgets) > MAX_NOTICES_REMEMBERED:
            self._budgets.popitem(last=False)
        return enough

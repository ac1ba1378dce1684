"""The types of what `decide` is given beside the run: its events, its executions, the workers.

1. All times are of the API server's clock.
2. Each of these views is a cache. It says how far it may be trusted, and a rule asks before it acts
   on it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from heapq import merge
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar

from grctl.json.raw_json import Uncarriable
from grctl.models.journal import Entry
from grctl.models.phases import HandlerKind
from grctl.models.wire import Catalogue, Execution, Outcome


class Key(NamedTuple):
    """A workflow id in its namespace: the key of a reconcile."""

    namespace: str
    name: str

    def __str__(self) -> str:
        """Return the key as kubectl writes it."""
        return f"{self.namespace}/{self.name}"


class EventGroup(NamedTuple):
    """What decides whether a wait takes an event, and whether any handler can.

    Events that agree in it form a group. So a rule finds the events that it looks for without
    looking at the others.
    """

    event_name: str
    run_uid: str | None
    is_carriable: bool


@dataclass(frozen=True, slots=True)
class Event:
    """An unsettled WorkflowEvent."""

    uid: str
    name: str
    event_name: str
    created: datetime
    """Creation time as the API server stamps it: whole seconds, rounded down."""
    place: int
    """Its place in the arrival order of its run: I2 (one order)."""
    payload: Any = None
    """None if the event has no payload. No rule reads it, so it may be left out."""
    run_uid: str | None = None

    @property
    def uncarriable(self) -> str | None:
        """Why its payload cannot be given to a handler; None if it can."""
        return self.payload.why if isinstance(self.payload, Uncarriable) else None

    @property
    def group(self) -> EventGroup:
        """The group of the event. It never changes."""
        return EventGroup(self.event_name, self.run_uid, self.uncarriable is None)


AnyEvent = TypeVar("AnyEvent", bound=Event)
by_place = attrgetter("place")


def group_events(events: Iterable[AnyEvent]) -> dict[EventGroup, dict[str, AnyEvent]]:
    """Return events by their groups. Within a group they keep their order, by their uids."""
    groups: dict[EventGroup, dict[str, AnyEvent]] = {}
    for event in events:
        groups.setdefault(event.group, {})[event.uid] = event
    return groups


@dataclass(frozen=True, slots=True)
class Listing:
    """A consistent list of one run's events, taken after the run was read."""

    run_uid: str
    run_version: str
    """Uid and resourceVersion of the run that was known when the list was requested."""
    at: datetime
    """A moment not later than the request of the list."""


@dataclass(frozen=True, slots=True)
class Events:
    """The unsettled events of one workflow id, and how far this view may be trusted."""

    by_uid: Mapping[str, Event] = field(default_factory=dict)
    """In the order of their places: I2 (one order)."""
    complete_for: tuple[str, int] | None = None
    """Uid and `commits` of the run, if this view shows none of the events that it had consumed."""
    listing: Listing | None = None
    """The last consistent list."""
    orphans: frozenset[str] = frozenset()
    """Uids of the events for which a read, made after they arrived, found no run."""
    looked_at: datetime | None = None
    """A moment not later than the request of that read."""
    in_doubt: frozenset[str] = frozenset()
    """Uids of the events that are being settled although no run consumed them. The result of that
    write is not known yet. Until it is, no run may consume the event."""
    changed: tuple[Event, ...] = ()
    """Events that somebody changed, and whose place is not kept in their status yet."""
    run_first_revision: int | None = None
    """The revision in which the run was first seen; None if it is not known. An event whose place
    is above it arrived after the run was created."""
    groups: Mapping[EventGroup, Mapping[str, Event]] | None = field(default=None, compare=False)
    """The events of `by_uid` by their groups, each group in order. None: a question about groups
    looks at every event."""

    def __len__(self) -> int:
        """Return how many events wait."""
        return len(self.by_uid)

    def __iter__(self) -> Iterator[Event]:
        """Return the waiting events in order."""
        return iter(self.by_uid.values())

    def is_complete(self, run_uid: str, commits: int) -> bool:
        """Return whether this view shows no event that the run has consumed: I4 (one commit)."""
        return commits == 0 or self.complete_for == (run_uid, commits)

    def find(self, uid: str | None) -> Event | None:
        """Return the waiting event of that uid."""
        return self.by_uid.get(uid) if uid else None

    def of_groups(self, fits: Callable[[EventGroup], bool]) -> Iterator[Event]:
        """Return the events of the groups that fit, in order. Others are not looked at."""
        found = [events.values() for group, events in self.get_groups().items() if fits(group)]
        return merge(*found, key=by_place)

    def get_groups(self) -> Mapping[EventGroup, Mapping[str, Event]]:
        """Return the events by their groups, each group in order."""
        return group_events(self) if self.groups is None else self.groups


@dataclass(frozen=True, slots=True)
class Held:
    """An execution that a worker has, or whose outcome it brought."""

    execution: Execution
    worker: str
    since: datetime
    lost: bool = False
    """Whether the worker disconnected and did not come back in time."""
    outcome: Outcome | None = None
    took: timedelta | None = None
    """The time from the dispatch to the outcome."""
    catalogue: Catalogue | None = None
    """The handlers of its worker: the version of the workflow. None if it is not known."""
    crashed: bool = False
    """Whether it was lost because its worker's process crashed while nothing else ran there."""
    given_here: bool = True
    """Whether this operator gave it to its worker: only then `since` is when it began."""
    records: Mapping[str, Entry] = field(default_factory=dict)
    """Entries of the journal that its worker sent and was not told to be durable, by their keys."""
    recorded_at: datetime | None = None
    """When the first of `records` came."""
    awaits_records: bool = False
    """Whether its handler waits until `records` are durable. Without records, it waits until the
    outcome that it was built on is committed."""

    def moved(self, by: timedelta) -> "Held":
        """Return it with its moments moved, as the API server's clock has jumped."""
        recorded_at = self.recorded_at and self.recorded_at + by
        return replace(self, since=self.since + by, recorded_at=recorded_at)


@dataclass(frozen=True, slots=True)
class Blockage:
    """A handler that blocks its worker's event loop."""

    since: datetime
    position: str
    """The position in the user's code."""
    execution: str | None = None
    """The execution of that handler; None if the worker does not know it."""
    handler: str | None = None
    """The run and the name of the handler, as the worker's other runs show it."""


@dataclass(frozen=True, slots=True)
class WorkerPresence:
    """A worker of the run's type that is connected, or was a short time ago."""

    name: str
    catalogue: Catalogue
    connected: bool
    seen: datetime
    free: int = 0
    """How many more executions it can take now."""
    clear: bool = False
    """Whether it can be reserved for this run: nothing else runs there."""
    blocked: Blockage | None = None
    """What blocks its event loop; None if nothing does."""

    def has(self, kind: HandlerKind, name: str) -> bool:
        """Return whether its catalogue has the handler."""
        return self.catalogue.has(kind, name)


LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Executions:
    """The executions of one workflow id, and the workers that can run more."""

    held: tuple[Held, ...] = ()
    workers: tuple[WorkerPresence, ...] = ()
    """Workers of the run's type, in its namespace."""
    other_types: tuple[str, ...] = ()
    """Types that connected workers of the namespace serve, for messages."""
    accepting_since: datetime = LONG_AGO
    """When this operator began to accept workers. Before, another operator may have dispatched."""
    all_back: bool = False
    """Whether as many workers have reconnected as the operator before had."""

    def find_connected(self, kind: HandlerKind, name: str) -> tuple[WorkerPresence, ...]:
        """Return the connected workers that have the handler."""
        return tuple(each for each in self.workers if each.connected and each.has(kind, name))

    def have_room_beside(self, held: Iterable[Held]) -> bool:
        """Return whether the workers of these executions can take more beside them."""
        busy = {each.worker for each in held}
        return all(each.free > 0 for each in self.workers if each.name in busy)

    def find_last_seen(
        self, kind: HandlerKind, name: str, since: datetime
    ) -> WorkerPresence | None:
        """Return the worker seen last among those with the handler, if not before `since`."""
        able = (each for each in self.workers if each.has(kind, name))
        fit = [each for each in able if each.connected or each.seen >= since]
        return max(fit, key=lambda each: each.seen, default=None)


SECOND = timedelta(seconds=1)

MAX_CLOCK_LEAD = timedelta(seconds=2)
"""How far a written moment may lie in the future without a clock that went back: it was rounded up,
and `now` may be earlier than the API server's time."""


def over_at(since: datetime, length: timedelta, now: datetime) -> datetime:
    """Return when a length of time that began at `since` is over.

    A `since` in the future was written before the clock went back. How long ago that was is not
    known. So the time counts as over: the clock might need an hour to reach it again.
    """
    return LONG_AGO if is_ahead(since, now) else since + length


def is_ahead(moment: datetime, now: datetime) -> bool:
    """Return whether a written moment lies in the future: the clock went back."""
    return moment > now + MAX_CLOCK_LEAD


def whole_second(moment: datetime) -> datetime:
    """Round a moment down to a whole second, as the API server does for its stamps."""
    return moment.replace(microsecond=0)


def round_up(moment: datetime) -> datetime:
    """Round a moment up to a whole second."""
    return whole_second(moment + SECOND - timedelta(microseconds=1))


def shown_moment(moment: datetime) -> str:
    """Return a moment as the messages of a run show it."""
    return f"{moment:%Y-%m-%d %H:%M:%SZ}"

"""What `decide` is told: a run's events, its executions and the workers. Nothing else counts.

1. Times are of the API server's clock.
2. A view is a cache: each says how far it may be trusted, and the rules ask before they act on it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from grctl.json.raw_json import Uncarriable
from grctl.models.phases import HandlerKind
from grctl.models.wire import Catalogue, Execution, Outcome


class Key(NamedTuple):
    """A workflow id in its namespace: what is reconciled."""

    namespace: str
    name: str

    def __str__(self) -> str:
        """Write it as kubectl does."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Event:
    """An unsettled WorkflowEvent."""

    uid: str
    name: str
    event_name: str
    created: datetime
    """Stamped by the API server in whole seconds, rounded down."""
    place: int
    """Its place in the total arrival order of its run (rule 2)."""
    payload: Any = None
    """As it is carried; None if it has none. No rule looks into it, so it may be left out."""
    run_uid: str | None = None

    @property
    def misfit(self) -> str | None:
        """Why no handler can be given its payload; None: one can."""
        return self.payload.why if isinstance(self.payload, Uncarriable) else None


@dataclass(frozen=True, slots=True)
class Listing:
    """A consistent list of one run's events, taken after the run was read."""

    run_uid: str
    run_version: str
    """Uid and resourceVersion of the run as known when the list was asked for."""
    at: datetime
    """A moment not after the one at which the list was asked for."""


@dataclass(frozen=True, slots=True)
class Events:
    """The unsettled events of one workflow id, and what this view is worth."""

    by_uid: Mapping[str, Event] = field(default_factory=dict)
    """In the order of their places (rule 2)."""
    complete_for: tuple[str, int] | None = None
    """Uid and `commits` of the run all whose consumed events this view knows as such."""
    listing: Listing | None = None
    """The last consistent list."""
    orphans: frozenset[str] = frozenset()
    """Uids of events for which a read made after they arrived found no run."""
    looked_at: datetime | None = None
    """A moment not after the one at which that read was asked for."""
    in_doubt: frozenset[str] = frozenset()
    """Uids of events that are being settled although no run consumed them. What becomes of one is
    not known before that has ended: until then no run may have it."""
    moved: tuple[Event, ...] = ()
    """Those that somebody changed, and whose place is not kept in their status yet."""
    run_since: int | None = None
    """Revision in which the run was first seen; None: not known. An event whose place is above it
    waited after the run was created."""

    def __len__(self) -> int:
        """Count the waiting events."""
        return len(self.by_uid)

    def __iter__(self) -> Iterator[Event]:
        """Go through the waiting events in order."""
        return iter(self.by_uid.values())

    def complete(self, run_uid: str, commits: int) -> bool:
        """Say whether every event that a run has consumed is known as consumed (rule 4)."""
        return commits == 0 or self.complete_for == (run_uid, commits)

    def find(self, uid: str | None) -> Event | None:
        """Give the waiting event of that uid."""
        return self.by_uid.get(uid) if uid else None


@dataclass(frozen=True, slots=True)
class Held:
    """An execution that a worker has, or brought back."""

    execution: Execution
    worker: str
    since: datetime
    lost: bool = False
    """The worker went away and did not come back in time."""
    outcome: Outcome | None = None
    took: timedelta | None = None
    """How long the outcome took to come, from the dispatch on."""
    catalogue: Catalogue | None = None
    """What its worker can run: the version of the workflow. None: not known."""
    crashed: bool = False
    """It was lost because its worker's process ended unasked, while nothing else ran there."""


@dataclass(frozen=True, slots=True)
class Blockage:
    """A handler that keeps a worker's event loop from running anything else."""

    since: datetime
    place: str
    """Where in the users' code."""
    execution: str | None = None
    """Whose handler it is; None: the worker cannot tell."""
    handler: str | None = None
    """Its run and name, for the other runs of the worker."""


@dataclass(frozen=True, slots=True)
class WorkerPresence:
    """A worker of the run's type that is connected, or was lately."""

    name: str
    catalogue: Catalogue
    connected: bool
    seen: datetime
    free: int = 0
    """How many more executions it takes now."""
    clear: bool = False
    """Whether it can be given to this run alone: nothing else runs there, nor will meanwhile."""
    blocked: Blockage | None = None
    """What blocks its event loop."""

    def has(self, kind: HandlerKind, name: str) -> bool:
        """Say whether its catalogue has the handler."""
        return self.catalogue.has(kind, name)


LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Executions:
    """What is in flight for one workflow id or came back, and who could run more."""

    held: tuple[Held, ...] = ()
    workers: tuple[WorkerPresence, ...] = ()
    """Workers of the run's type, in its namespace."""
    other_types: tuple[str, ...] = ()
    """Types that connected workers of the namespace serve, for messages."""
    accepting_since: datetime = LONG_AGO
    """When this operator began to accept workers; before, others may have dispatched."""
    all_back: bool = False
    """Whether as many workers are back as those others had."""

    def connected_with(self, kind: HandlerKind, name: str) -> tuple[WorkerPresence, ...]:
        """Give the connected workers that have the handler."""
        return tuple(each for each in self.workers if each.connected and each.has(kind, name))

    def leave_room(self, held: Iterable[Held]) -> bool:
        """Say whether the workers of these take more beside them: no run waits for their end."""
        busy = {each.worker for each in held}
        return all(each.free > 0 for each in self.workers if each.name in busy)

    def seen_with(self, kind: HandlerKind, name: str, since: datetime) -> WorkerPresence | None:
        """Give the worker seen last among those with the handler: connected, or since then."""
        able = (each for each in self.workers if each.has(kind, name))
        fit = [each for each in able if each.connected or each.seen >= since]
        return max(fit, key=lambda each: each.seen, default=None)


SECOND = timedelta(seconds=1)

AHEAD_AT_MOST = timedelta(seconds=2)
"""So far a moment that was written may be ahead of `now`: it was rounded up, and `now` is a moment
not after the API server's present time."""


def over_at(since: datetime, length: timedelta, now: datetime) -> datetime:
    """Return when a length of time that began at `since` is over.

    A `since` in the future was written before the clock went back. How long ago that is nobody
    knows, so the time counts as over: waiting for the clock could take an hour.
    """
    return LONG_AGO if is_ahead(since, now) else since + length


def is_ahead(moment: datetime, now: datetime) -> bool:
    """Whether a moment that was in the past is in the future: the clock went back."""
    return moment > now + AHEAD_AT_MOST


def whole_second(moment: datetime) -> datetime:
    """Round down, as the API server stamps."""
    return moment.replace(microsecond=0)


def round_up(moment: datetime) -> datetime:
    """Round to a whole second, up."""
    return whole_second(moment + SECOND - timedelta(microseconds=1))

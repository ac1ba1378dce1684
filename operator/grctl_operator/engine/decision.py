"""What `decide` answers: what to write, how urgently, what to do, and when to look again.

1. Effects in `before` follow from the API objects: they are done before the status is written.
2. Effects in `after` follow from the new status: they are done once it is written.
3. Every effect may be done twice. A Decision made again from the same objects is the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from grctl.models.journal import Entry
from grctl.models.phases import HandlerKind
from grctl.models.run import RunStatus, Settlement
from grctl.models.wire import Catalogue
from grctl_operator.engine.observation import Event
from grctl_operator.engine.urgency import Urgency


@dataclass(frozen=True, slots=True)
class Dispatch:
    """Give a handler to a worker. The fence is the run's uid, `commits` and `base`."""

    kind: HandlerKind
    name: str
    attempt: int
    commits: int
    base: str | None
    event: Event | None = None
    ahead: bool = False
    """`base` is in flight: only its worker may run this, after it and with the store it leaves."""
    then: tuple[Event, ...] = ()
    """Events to hand over after this one, each built on the one before."""
    alone: bool = False
    """Nothing else may run on the worker at the same time."""
    but: tuple[Catalogue, ...] = ()
    """Versions of the workflow that refused it already."""

    @property
    def events(self) -> tuple[Event, ...]:
        """All events that are handed over, in order."""
        return (self.event, *self.then) if self.event else ()


@dataclass(frozen=True, slots=True)
class Release:
    """Tell the worker that an execution is committed or void, and forget it."""

    execution: str
    committed: bool
    message: str = ""


@dataclass(frozen=True, slots=True)
class ConfirmRecords:
    """Tell an execution which entries of the journal are durable, so that its handler goes on."""

    execution: str
    keys: tuple[str, ...] = ()
    """Keys of final entries that are durable as this execution sent them."""
    entries: Mapping[str, Entry] = field(default_factory=dict)
    """Durable entries that it did not send, or sent with other content: these count."""


@dataclass(frozen=True, slots=True)
class Settle:
    """Write an event's final status. `run_uid` is the run that consumed it."""

    settlement: Settlement
    run_uid: str | None


@dataclass(frozen=True, slots=True)
class KeepPlace:
    """Write an event's place into its status: its resourceVersion was changed."""

    event: Event


@dataclass(frozen=True, slots=True)
class ListEvents:
    """Read the run's unsettled events with a consistent list, then reconcile again."""


@dataclass(frozen=True, slots=True)
class ReadRun:
    """Read the run itself: events name a uid that no watched run has."""


@dataclass(frozen=True, slots=True)
class AwaitWorker:
    """Reconcile again when a worker of the type connects."""

    room: bool = False
    """Also when a worker has room: all that have the handler are busy."""


@dataclass(frozen=True, slots=True)
class AwaitClearWorker:
    """Reserve a worker that has the handler for this run, and reconcile again when it is clear."""

    kind: HandlerKind
    name: str
    but: tuple[Catalogue, ...] = ()
    """Versions of the workflow that refused the handler already."""


@dataclass(frozen=True, slots=True)
class Announce:
    """Write a core Event on the run, or on one of its events.

    The runtime merges or drops core Events if there are too many.
    """

    reason: str
    message: str
    event: Event | None = None
    warning: bool = False
    times: int = 1
    """How often it happened."""
    since: datetime | None = None
    """When the state began, for a state that is found again and again; None if it happened now."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Add the finalizer."""


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete the run, of exactly the version that was decided upon."""


@dataclass(frozen=True, slots=True)
class Trim:
    """Remove the run's settled events up to a sequence, in the background.

    The runtime skips repeats.
    """

    through: int


@dataclass(frozen=True, slots=True)
class Purge:
    """Delete the run's settled events."""


@dataclass(frozen=True, slots=True)
class LetGo:
    """Remove the finalizer, of exactly the version that was decided upon."""


Effect = (
    Dispatch
    | Release
    | ConfirmRecords
    | Settle
    | KeepPlace
    | ListEvents
    | ReadRun
    | AwaitWorker
    | AwaitClearWorker
    | Announce
    | Hold
    | Delete
    | Trim
    | Purge
    | LetGo
)


@dataclass(frozen=True, slots=True)
class Decision:
    """What to write and to do about one run.

    A status has an urgency. If there is an urgency but no status, it is BATCHED: the commit was not
    built now. A later decision builds it, and includes the deferred outcomes.
    """

    status: RunStatus | None = None
    """The status to write, over the resourceVersion that was decided upon."""
    urgency: Urgency | None = None
    so_since: datetime | None = None
    """Since when the changed, readable part of the status has been true."""
    before: tuple[Effect, ...] = ()
    after: tuple[Effect, ...] = ()
    look_again_at: datetime | None = None
    """When to decide again at the latest, even if nothing happens. The present moment: at once,
    after the status is written.
    """

"""History: all that was seen of one scenario, by those who sent, those who watched, those who ran.

1. Senders: what the API server answered to a create or a delete. That is a promise.
2. The watch: every version of every event and run, in the API server's order.
3. Workers: every handler that began to run.

Plain data; `checks` says whether it is a history that the design allows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from grctl.models.phases import EventPhase, RunPhase
from tests.history.executions import Started


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API server answered to the create of an event."""

    uid: str
    name: str
    revision: int
    """resourceVersion: the event's place in the arrival order."""
    at: datetime | None = None
    """When it came, by this machine's clock."""


@dataclass(frozen=True, slots=True)
class EventVersion:
    """A version of an event, as watched."""

    uid: str
    name: str
    workflow_id: str
    event_name: str
    revision: int
    created: datetime
    noted: object = None
    """What a handler keeps of its payload."""
    wanted_run: str | None = None
    """`spec.runUid`"""
    exists: bool = True
    """False: this is its deletion."""
    phase: EventPhase = EventPhase.PENDING
    reason: str | None = None
    sequence: int | None = None
    run: str | None = None
    """Uid of the run that settled it."""
    seen: datetime | None = None
    """When the watch showed it, by this machine's clock."""


@dataclass(frozen=True, slots=True)
class Consumed:
    """An entry of a run's outbox: what a commit made of an event."""

    event: str
    """Its uid."""
    run: str
    """Uid of the run."""
    phase: EventPhase
    reason: str
    sequence: int


@dataclass(frozen=True, slots=True)
class RunVersion:
    """A version of a run, as watched."""

    uid: str
    name: str
    workflow_type: str
    revision: int
    exists: bool = True
    deleting: bool = False
    phase: RunPhase = RunPhase.PENDING
    commits: int = 0
    last_execution: str | None = None
    settled: int = 0
    """How many events of it were settled: the sequence number given last."""
    outbox: tuple[Consumed, ...] = ()
    payloads: tuple[object, ...] = ()
    """What its handlers noted in the store."""
    deadline: datetime | None = None
    """Of the wait that it is in."""
    step: str | None = None
    """The step that is next."""


@dataclass(frozen=True)
class History:
    """All that was seen."""

    answers: tuple[Answer, ...] = ()
    withdrawals: frozenset[str] = frozenset()
    """Uids of events that somebody asked to delete."""
    events: tuple[EventVersion, ...] = ()
    runs: tuple[RunVersion, ...] = ()
    started: tuple[Started, ...] = ()
    handlers: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Event names that each workflow type handles."""
    unfit: frozenset[str] = frozenset()
    """Uids of events whose payload does not fit, as the sender knows."""
    waiting: frozenset[str] = frozenset()
    """Uids of events that are to wait still at the end."""
    may_move: frozenset[str] = frozenset()
    """Uids of events that were changed while nobody watched: they may move back (rule 2)."""
    complete: bool = True
    """False: the watch had to begin anew, and versions between were not seen."""

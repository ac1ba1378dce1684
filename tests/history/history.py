"""A history: everything that senders, a watch and workers saw of one test.

1. Senders: the API server's answer to each create of an event. Such an answer is a promise.
2. The watch: every version of every event and run, in the API server's order.
3. Workers: every execution that began, and every call that a task made.

Plain data; `checks` finds what the invariants do not allow in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from grctl.models.phases import EventPhase, RunPhase
from tests.history.calls import TaskCall
from tests.history.executions import ExecutionStart


@dataclass(frozen=True, slots=True)
class CreateAnswer:
    """What the API server answered to the create of an event."""

    uid: str
    name: str
    revision: int
    """resourceVersion: the event's place in the arrival order."""
    at: datetime | None = None
    """When the answer came, by this machine's clock."""


@dataclass(frozen=True, slots=True)
class EventVersion:
    """A version of an event, as watched."""

    uid: str
    name: str
    workflow_id: str
    event_name: str
    revision: int
    created: datetime
    fingerprint: object = None
    """What a handler keeps of its payload (see `fingerprint`)."""
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
class OutboxEntry:
    """An entry of a run's outbox: an event that a commit consumed, and its final phase."""

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
    """How many of its events were consumed: the last sequence number."""
    outbox: tuple[OutboxEntry, ...] = ()
    payloads: tuple[object, ...] = ()
    """The fingerprints that its handlers put into the store."""
    deadline: datetime | None = None
    """The deadline of its present wait."""
    wait_events: frozenset[str] | None = None
    """The event names that its present wait takes; None: all."""
    step: str | None = None
    """The step that is next."""
    step_event: str | None = None
    """Uid of the event that it handles."""
    attempt: int = 0
    """The attempt at the step."""
    journal: tuple[tuple[str, str], ...] = ()
    """The final entries of the journal: the key, and the result or the error's message."""
    journal_event: str | None = None
    """Uid of the event whose handler the journal belongs to."""
    stall: str | None = None
    """The reason why the step is held."""
    retry: int = 0
    """`spec.retry`"""
    observed_retry: int = 0
    """`status.observedRetry`"""

    @property
    def handler(self) -> str:
        """The idempotency key of the handler that is next."""
        return f"{self.uid}-{self.step_event or self.commits}"


@dataclass(frozen=True)
class History:
    """Everything that was seen."""

    answers: tuple[CreateAnswer, ...] = ()
    withdrawals: frozenset[str] = frozenset()
    """Uids of events that a test deleted."""
    events: tuple[EventVersion, ...] = ()
    runs: tuple[RunVersion, ...] = ()
    started: tuple[ExecutionStart, ...] = ()
    calls: tuple[TaskCall, ...] = ()
    handlers: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Event names that each workflow type handles."""
    choosing: frozenset[str] = frozenset()
    """Workflow types whose waits choose: only events of one name keep their order."""
    tasks: Mapping[str, int] = field(default_factory=dict)
    """How many different task calls the handler of an event makes, by the event's name."""
    unfit: frozenset[str] = frozenset()
    """Uids of events whose payload does not fit, as the sender knows."""
    waiting: frozenset[str] = frozenset()
    """Uids of events that must still wait at the end."""
    may_move: frozenset[str] = frozenset()
    """Uids of events that were changed while no operator watched: I2 lets these move back."""
    complete: bool = True
    """False: the watch had to begin anew, and missed the versions in between."""

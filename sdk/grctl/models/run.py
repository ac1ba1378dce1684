"""WorkflowRun: one run of a workflow. Its name is the workflow id.

1. `spec.workflow` never changes; the other fields of `spec` are the desired state.
2. Only the operator writes `status`. After a restart it needs nothing else to go on.
"""

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from grctl.models.base import (
    API_VERSION,
    Count,
    Duration,
    Message,
    Model,
    Moment,
    Name,
    Names,
    Trace,
)
from grctl.models.meta import Condition, ObjectMeta
from grctl.models.phases import EventPhase, HandlerKind, RunPhase

FINALIZER = "grctl.dev/settle"
"""Finalizer that keeps a deleted run until its events are settled. The SDK creates runs with it."""


MAX_TTL_S = 2**31 - 1
"""The limit of a Job's TTL: a counter of more seconds may overflow."""


MAX_KEPT_EVENTS = 2**31 - 1
"""Largest `keepEvents`: more events than any namespace can hold."""

MAX_RETRY_COUNTER = 2**31 - 1

MAX_BACKOFF_LIMIT = 100
"""Largest `backoffLimit`: with back-off between them, 100 retries take most of a working day."""


class WorkflowSpec(Model):
    """The workflow, its input and its timeout. Immutable: another workflow is another run."""

    type: str = Field(
        min_length=1,
        max_length=253,
        description="Workflow type, as in Workflow(workflow_type=...) of the worker's code.",
    )
    input: Any = Field(
        default=None,
        description="Input of the start handler: any JSON. An object is unpacked as its arguments.",
    )
    timeout: Duration | None = Field(
        default=None,
        description="The run ends with phase TimedOut when it is older than this: 90s, 24h, 1h30m.",
    )


class RunSpec(Model):
    """The desired state of a run."""

    workflow: WorkflowSpec = Field(description="What is run. Cannot be changed.")
    cancel: bool | None = Field(
        default=None,
        description="True ends the run before its next handler; one that runs is not interrupted.",
    )
    terminate: bool | None = Field(
        default=None,
        description="True ends the run at once; a handler that runs is aborted, its outcome void.",
    )
    ttl_seconds_after_finished: int | None = Field(
        default=None,
        json_schema_extra={"minimum": 0, "maximum": MAX_TTL_S},
        description="The run is deleted so many seconds after it finished. Unset: it stays.",
    )
    keep_events: int | None = Field(
        default=None,
        json_schema_extra={"minimum": 0, "maximum": MAX_KEPT_EVENTS},
        description="How many of its settled events stay, the newest ones. Unset: 1000.",
    )
    backoff_limit: int | None = Field(
        default=None,
        json_schema_extra={"minimum": 0, "maximum": MAX_BACKOFF_LIMIT},
        description="How often a handler is tried again after it ended the process of its worker"
        " while nothing else ran there; then the run is held. Unset: 4.",
    )
    retry: int | None = Field(
        default=None,
        json_schema_extra={"minimum": 0, "maximum": MAX_RETRY_COUNTER},
        description="A counter. A higher number gives a run that is held new attempts.",
    )
    cancel_reason: Message | None = Field(
        default=None, description="Why it is cancelled, for people."
    )

    def to_json(self) -> dict[str, Any]:
        """Return the spec for the API; the input is not converted."""
        json = self.model_dump(
            mode="json", by_alias=True, exclude_none=True, exclude={"workflow": {"input"}}
        )
        if self.workflow.input is not None:
            json["workflow"]["input"] = self.workflow.input
        return json


class Stall(Model):
    """Why a handler is held until a person acts."""

    reason: Name = Field(description="One word: HandlerFailed, WorkerLost, NonDeterministic.")
    message: Message = Field(description="What happened, and what to do.")
    since: Moment = Field(description="Since when it has been held.")


class Step(Model):
    """The handler that runs, or runs next."""

    name: Name = Field(description="Name of the handler.")
    kind: HandlerKind = Field(description="start, step or event.")
    attempt: Count = Field(
        default=1, description="1, and one more for each attempt that was lost or raised."
    )
    crashes: Count | None = Field(
        default=None,
        description="How many attempts ended the process of their worker while nothing else ran"
        " there: what spec.backoffLimit counts.",
    )
    chain: Count | None = Field(
        default=None,
        description="How many steps followed each other without an event, less ten for each second."
        " Beyond 100 they are slowed down.",
    )
    failures: Count | None = Field(
        default=None, description="How many attempts raised: what its retry policy counts."
    )
    misfits: Count | None = Field(
        default=None,
        description="How many attempts ran code that does not fit what is recorded.",
    )
    counted_from: Count | None = Field(
        default=None,
        description="The first attempt that these numbers count, once spec.retry was raised.",
    )
    last_error: Message | None = Field(
        default=None, description="Why the last attempt is tried again."
    )
    not_before: Moment | None = Field(default=None, description="It does not begin before this.")
    stall: Stall | None = Field(
        default=None, description="Why it is held: no attempt begins until spec.retry is raised."
    )
    event: Name | None = Field(default=None, description="Name of the WorkflowEvent it handles.")
    event_uid: Name | None = Field(default=None, description="Uid of the WorkflowEvent it handles.")
    worker: Name | None = Field(default=None, description="Worker that executes it, once one does.")
    since: Moment = Field(description="When it became due, or when a worker took it.")


class Wait(Model):
    """A wait for an event. It stays while an event is handled, until the outcome is committed."""

    since: Moment = Field(description="When the wait began.")
    deadline: Moment | None = Field(
        default=None,
        description="An event created after this second does not end the wait any more.",
    )
    timeout_step: Name | None = Field(default=None, description="Step that runs at the deadline.")
    events: Names | None = Field(
        default=None, description="Names of the events that it takes. Unset: all."
    )
    prompt: Message | None = Field(default=None, description="The question that people are asked.")


class InboxEntry(Model):
    """An event that waits, for people to see; the operator reads the WorkflowEvent itself."""

    name: str
    event_name: str
    since: Moment


def _is_final(phase: EventPhase) -> EventPhase:
    if phase is EventPhase.PENDING:
        raise ValueError("an event that was consumed has a final phase")
    return phase


class Handling(Model):
    """How an event was handled, for people. It is settled into the event's own status.

    Two of them always count as equal, and one as equal to None. So a status that was read, which
    has none, equals the status that was written.
    """

    handler: str
    worker: str
    began_at: Moment | None = None
    """When its last attempt began; None if another operator dispatched it."""
    attempts: int = 1
    tasks: str | None = None
    """The recorded tasks: see `HistoryEntry.tasks`."""
    commit: int | None = None
    """The number of the commit that consumed it."""

    def __eq__(self, other: object) -> bool:
        """Return whether the other is a handling too, or None."""
        return other is None or isinstance(other, Handling)

    def __hash__(self) -> int:
        """Return the same hash for all."""
        return 0


class Settlement(Model):
    """An event that a commit consumed: what its own status must become (the outbox)."""

    uid: str
    name: str
    phase: Annotated[EventPhase, AfterValidator(_is_final)]
    reason: str
    message: str | None = None
    sequence: int | None = None
    at: Moment
    handling: Handling | None = Field(default=None, exclude=True)
    """How it was handled. The run's status does not store it: it would grow by it."""


class EventCounts(Model):
    """How many events of the run were settled, by their phase."""

    processed: Count = Field(default=0, description="Events whose handler's outcome is committed.")
    failed: Count = Field(default=0, description="Events that the run failed with.")
    rejected: Count = Field(default=0, description="Events that were not handed to a handler.")

    @property
    def total(self) -> int:
        """The sequence number given last."""
        return self.processed + self.failed + self.rejected

    def count(self, phase: EventPhase) -> "EventCounts":
        """Count one more event of that phase."""
        field = phase.value.lower()
        return self.model_copy(update={field: getattr(self, field) + 1})


class HistoryEntry(Model):
    """One commit of the run's tail, for people."""

    commit: int
    at: Moment
    handler: str
    kind: str
    event: str | None = None
    outcome: str
    tasks: str | None = None
    """The recorded tasks, with the number of attempts if that is not one: `charge (3), mail`."""


class RunError(Model):
    """Why the run failed."""

    type: Message = Field(description="Type of the exception, or a reason of this project.")
    message: Message = Field(description="Text of the exception.")
    stack_trace: Trace | None = Field(default=None, description="Where it was raised.")


FREE_FIELDS = {"store", "result", "journal", "answers"}
"""Fields of a status that hold free JSON. They are written as they are."""


class RunStatus(Model):
    """The state of a run. Only the operator writes it, with the resourceVersion that it read."""

    phase: RunPhase = Field(default=RunPhase.PENDING, description="Where the run stands.")
    message: Message = Field(default="", description="What the run does, or what it waits for.")
    conditions: tuple[Condition, ...] = Field(
        default=(),
        description="List of what is so: Succeeded; Reconciling until finished; Stalled where it"
        " needs you. Each has type, status, reason, message, lastTransitionTime.",
    )
    observed_generation: Count = Field(
        default=0, description="metadata.generation of the spec that this status has seen."
    )
    for_uid: Name | None = Field(
        default=None, alias="forUID", description="Uid of the object that this status was made for."
    )
    started_at: Moment | None = Field(
        default=None, description="When the start handler was first handed to a worker."
    )
    finished_at: Moment | None = Field(default=None, description="When the run finished.")
    commits: Count = Field(default=0, description="How often an outcome was committed; the fence.")
    last_execution: Name | None = Field(
        default=None, description="The execution whose outcome was committed last."
    )
    step: Step | None = Field(default=None, description="The handler that runs, or runs next.")
    wait: Wait | None = Field(default=None, description="The wait the run is in.")
    event_names: Names = Field(
        default=(),
        description="Events that connected workers handle, brought up to date in the background.",
    )
    past_event_names: Names = Field(
        default=(),
        description="Events that only earlier workers handled. One that is sent waits for such a"
        " worker.",
    )
    inbox: tuple[InboxEntry, ...] = Field(
        default=(),
        description="List of the first events that wait: name, eventName, since. Those that the"
        " wait takes come first.",
    )
    inbox_length: Count = Field(default=0, description="How many events wait.")
    observed_retry: Count = Field(
        default=0, description="The number of spec.retry that this status has seen."
    )
    store: dict[str, Any] = Field(default_factory=dict, description="What ctx.store holds.")
    journal: dict[str, Any] | None = Field(
        default=None,
        description="What the handler that is due has recorded: its tasks and their results.",
    )
    answers: dict[str, Any] = Field(
        default_factory=dict, description="The answers to the queries, by their names."
    )
    events: EventCounts = Field(
        default_factory=EventCounts, description="How many events were settled."
    )
    settled: tuple[Settlement, ...] = Field(
        default=(),
        description="List of the events a commit consumed, until their own status says so.",
    )
    history: tuple[HistoryEntry, ...] = Field(
        default=(),
        description="List of the last commits: commit, at, handler, kind, event, outcome.",
    )
    result: Any = Field(default=None, description="What the run completed with.")
    error: RunError | None = Field(default=None, description="Why the run failed.")

    def to_json(self) -> dict[str, Any]:
        """Return the status for the API; the free fields are not converted."""
        json = self.model_dump(mode="json", by_alias=True, exclude_none=True, exclude=FREE_FIELDS)
        json["store"] = self.store
        if self.result is not None:
            json["result"] = self.result
        if self.journal is not None:
            json["journal"] = self.journal
        if self.answers:
            json["answers"] = self.answers
        return json


class WorkflowRun(Model):
    """A run of a workflow: metadata.name is the workflow id, spec what to run, status what is so.

    It starts when a worker of its type is connected, waits for WorkflowEvents, and ends Completed,
    Failed, Cancelled, Terminated or TimedOut.
    """

    api_version: str = API_VERSION
    kind: str = "WorkflowRun"
    metadata: ObjectMeta
    spec: RunSpec = Field(description="What to run, and the desired state of the run.")
    status: RunStatus = Field(
        default_factory=RunStatus,
        description="What is so; only the operator writes it.",
    )

    def to_json(self) -> dict[str, Any]:
        """Return the object for the API; values of users are not converted."""
        json = self.model_dump(
            mode="json", by_alias=True, exclude_none=True, exclude={"spec", "status"}
        )
        return json | {"spec": self.spec.to_json(), "status": self.status.to_json()}

    unreadable: str | None = Field(default=None, exclude=True)
    """The parts of its status that could not be read (see `salvage`); None if it is whole."""

    @property
    def deleting(self) -> bool:
        """Whether its deletion was requested."""
        return self.metadata.deletion_timestamp is not None

    @property
    def held(self) -> bool:
        """Whether our finalizer keeps it until its events are settled."""
        return FINALIZER in self.metadata.finalizers

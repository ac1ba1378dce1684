"""The messages between operator and worker: JSON objects over one WebSocket, `kind` first.

1. A worker connects to the operator and says Hello: what it can run, and which executions it holds.
2. The operator answers Welcome, then sends Execute. The worker answers each Execute with an Outcome
   or Declined. Executions of one run are sent in order, and run in order.
3. A worker holds an Outcome until the operator sends ReleaseExecution: it is committed, or void.
   Both sides may repeat messages, and neither relies on a message that was not answered.
4. An execution names the state that it was built on (run uid, commits, base). That is its fence.
5. Messages that are sent at one moment go into one WebSocket message, a line each, because each
   WebSocket message costs.
6. Hello and Welcome agree upon the version of the protocol (see `protocol`).
7. While a handler runs, the worker sends RecordOperations: what the handler has recorded. The
   operator answers RecordedOperations once the run's status holds it. After a reconnect, a worker
   repeats each record that was not answered, before it repeats outcomes. The commit of the outcome
   supersedes all of them, and ReleaseExecution answers them. A return does not wait for records, so
   an Outcome names those that were not answered.
8. If one side cannot read or write a message about an execution, that execution ends with a result
   that says so. The connection stays open.
"""

from collections.abc import Iterable
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from grctl.json.raw_json import dumps
from grctl.models.base import NAME_LENGTH, Model, Moment
from grctl.models.directive import AnyDirective
from grctl.models.phases import HandlerKind
from grctl.models.protocol import LARGEST_VERSION, SPOKEN, Spoken
from grctl.models.retry_policy import OnFailure, SentRetryPolicy
from grctl.models.run import RunError

CONNECT_PATH = "/v1alpha1/worker"
BLOCKED_PATH = "/v1alpha1/worker/blocked"
MAX_PLACE_CHARS = 300
MAX_HELLO_BYTES = 1024 * 1024
"""The operator reads no larger message of a worker whose permissions it has not asked for yet."""
MAX_TYPES_PER_WORKER = 200
MAX_HANDLERS_PER_TYPE = 2_000
MAX_HANDLER_NAME_CHARS = 1024
"""More than a status shows: a name that is too long for a status still gets an error there."""
MAX_WORKER_CAPACITY = 100_000
LABEL_LENGTH = 63
"""Longest namespace that Kubernetes takes. A worker's `instance` is no longer."""
UNREACHABLE = "Grctl-Unreachable"
"""Request header: the address at which nobody answered the worker's last try."""


class OfferedHandler(Model):
    """A handler as a worker announces it."""

    kind: HandlerKind
    name: str = Field(max_length=MAX_HANDLER_NAME_CHARS)
    payload: dict[str, Any] | None = None
    """JSON schema of the payloads that bind to its parameters; None if it takes no payload."""
    timeout_s: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """How long one attempt may take, in seconds; None: for ever."""
    retry_policy: SentRetryPolicy | None = None
    """Whether an attempt that takes longer is tried again. The operator needs it if the handler
    blocks its worker, which then cannot say so."""
    on_failure: OnFailure | None = None
    """Whether the run fails, or is held, after such an attempt; None: it fails."""


class Catalogue(Model):
    """The handlers of one workflow type that a worker can run."""

    type: str = Field(min_length=1, max_length=NAME_LENGTH)
    handlers: tuple[OfferedHandler, ...] = Field(max_length=MAX_HANDLERS_PER_TYPE)

    def has(self, kind: HandlerKind, name: str) -> bool:
        """Return whether it has a handler. A start handler is found by its kind alone."""
        return self.find(kind, name) is not None

    def find(self, kind: HandlerKind, name: str) -> OfferedHandler | None:
        """Return a handler; None if it is not there. A start handler is found by its kind alone."""
        for handler in self.handlers:
            if handler.kind == kind and (handler.name == name or kind is HandlerKind.START):
                return handler
        return None

    @cached_property
    def event_names(self) -> tuple[str, ...]:
        """Names of the events that it handles, in the order of definition."""
        return tuple(each.name for each in self.handlers if each.kind is HandlerKind.EVENT)


class Execution(Model):
    """One attempt at one handler, and the state that it was built on."""

    id: str = Field(max_length=NAME_LENGTH)
    namespace: str
    workflow_id: str
    workflow_type: str
    run_uid: str
    commits: int
    base: str | None = None
    """`status.lastExecution` of the state that it was built on."""
    handler_kind: HandlerKind
    handler_name: str
    attempt: int = 1
    event: str | None = None
    event_uid: str | None = None


class Greeting(Model):
    """The fields of a Hello of any version: enough to agree upon a version."""

    kind: Literal["hello"] = "hello"
    protocol: int = Field(default=SPOKEN.lowest, ge=1, le=LARGEST_VERSION)
    """The lowest version that it speaks. An operator before 3 accepts only 2 here."""
    protocol_highest: int | None = Field(default=None, ge=1, le=LARGEST_VERSION)
    """The highest version that it speaks; None (before 3) if it speaks one only."""

    @property
    def spoken(self) -> Spoken:
        """The versions that it speaks."""
        return Spoken(self.protocol, self.protocol_highest or self.protocol)


class Hello(Greeting):
    """First message of a worker."""

    protocol_highest: int | None = Field(default=SPOKEN.highest, ge=1, le=LARGEST_VERSION)
    worker: str = Field(max_length=NAME_LENGTH)
    """A name that outlives a restart (the pod's name)."""
    instance: str = Field(max_length=LABEL_LENGTH)
    """An id of the process: each start has a new one."""
    namespace: str = Field(max_length=LABEL_LENGTH)
    capacity: int = Field(ge=0, le=MAX_WORKER_CAPACITY)
    catalogues: tuple[Catalogue, ...] = Field(max_length=MAX_TYPES_PER_WORKER)
    held: tuple[Execution, ...] = ()
    """The executions that it runs, or whose outcomes it holds."""


class Succeeded(Model):
    """The handler returned a Directive."""

    kind: Literal["succeeded"] = "succeeded"
    directive: AnyDirective
    put: dict[str, Any] = Field(default_factory=dict)
    """Values of the store to set."""
    delete: tuple[str, ...] = ()
    """Keys of the store to remove."""
    answers: dict[str, Any] | None = None
    """The answers to the workflow's queries over the store that this outcome leaves."""
    tasks: str | None = None
    """The recorded tasks, for the history: see `HistoryEntry.tasks`."""


class Failed(Model):
    """The handler raised, or returned a value that cannot be kept.

    If its policy has attempts left, it is tried again; otherwise `on_failure` decides.
    """

    kind: Literal["failed"] = "failed"
    reason: str
    error: RunError
    policy: SentRetryPolicy | None = None
    """The retry policy of the handler; None if this error is not tried again."""
    on_failure: OnFailure = "fail"
    """Whether the run fails, or is held, if it is not tried again."""
    forget: tuple[str, ...] = ()
    """Keys of the journal's entries that the next attempt does again: the errors of tasks that
    ended this attempt, and calls that it cancelled. If the handler is tried again or held, the
    journal is kept without them. Otherwise the next attempt would read the same error."""
    tasks: str | None = None
    """The recorded tasks, for the history: see `HistoryEntry.tasks`."""


class Refused(Model):
    """The payload does not bind, so the handler did not run."""

    kind: Literal["refused"] = "refused"
    message: str


Result = Annotated[Succeeded | Failed | Refused, Field(discriminator="kind")]


class Outcome(Model):
    """The result of an execution."""

    kind: Literal["outcome"] = "outcome"
    execution: Execution
    result: Result
    records: dict[str, Any] | None = None
    """What the handler had recorded, and was not told to be durable as it was sent. If another
    attempt at the handler recorded something else first, the outcome is void: its handler saw
    values that do not count."""


class Declined(Model):
    """The worker has not begun an execution and will not: the operator decides again."""

    kind: Literal["declined"] = "declined"
    execution: str


class Drain(Model):
    """The worker takes no new execution, and leaves when all that it holds are released."""

    kind: Literal["drain"] = "drain"


class RecordOperations(Model):
    """What the handler of an execution has recorded. It is to be written into the run's journal.

    Keys are those of `grctl.models.journal`, and so are the entries.
    """

    kind: Literal["record"] = "record"
    execution: Execution
    entries: dict[str, Any] = Field(default_factory=dict)
    awaited: bool = False
    """The handler waits until all that it has recorded so far is durable. Otherwise the write may
    wait a moment: the commit may come first and make it unnecessary. Without entries, a handler
    that was handed over ahead waits until the outcome that it is built on is committed."""


class Welcome(Model):
    """The operator accepted the worker."""

    kind: Literal["welcome"] = "welcome"
    operator: str
    protocol: int = 2
    """The version that both use from now on. An operator before 3 leaves it out."""


class Execute(Model):
    """The worker is to run this execution."""

    kind: Literal["execute"] = "execute"
    execution: Execution
    payload: Any = None
    store: dict[str, Any] = Field(default_factory=dict)
    ahead: bool = False
    """The worker holds the execution that this one was built on. It runs this one after that, with
    the store that the other leaves."""
    journal: dict[str, Any] = Field(default_factory=dict)
    """The entries that earlier attempts at this handler recorded, by their keys."""
    time: Moment | None = None
    """The API server's time when this was sent, as far as the operator knows it."""


class RecordedOperations(Model):
    """Entries of the journal that are durable now.

    Each attempt that is alive is told, also of an entry that another attempt recorded. If two
    attempts recorded the same key, this is the entry that counts for both.
    """

    kind: Literal["recorded"] = "recorded"
    execution: str
    keys: tuple[str, ...] = ()
    """Keys whose entries are final, and durable as this execution sent them."""
    entries: dict[str, Any] = Field(default_factory=dict)
    """Durable entries that this execution did not send, or sent with other content."""


class ReleaseExecution(Model):
    """The operator is done with an execution: the worker forgets it, and stops it if it runs."""

    kind: Literal["release"] = "release"
    execution: str
    committed: bool
    """Whether its outcome was committed. Otherwise it is void, and `message` says why."""
    message: str = ""


class Goodbye(Model):
    """The operator refuses the worker, or sends it elsewhere; the connection ends."""

    kind: Literal["goodbye"] = "goodbye"
    message: str
    redirect: str | None = None
    refused: bool = False
    """Whether a person must act before the worker is accepted. It then comes back later."""


class Blocked(Model):
    """The worker's event loop is blocked. A thread sends this as a POST; the loop cannot."""

    instance: str = Field(max_length=NAME_LENGTH)
    execution: str | None = Field(default=None, max_length=NAME_LENGTH)
    """The execution whose handler blocks it, if that is known."""
    seconds: float = Field(ge=0, allow_inf_nan=False)
    """How long it has been blocked, or had been."""
    place: str = Field(max_length=MAX_PLACE_CHARS)
    """The place in the users' code: file, line and function."""
    over: bool = False
    """Whether the loop runs again."""


FromWorker = Annotated[
    Hello | Outcome | RecordOperations | Declined | Drain, Field(discriminator="kind")
]
FromOperator = Annotated[
    Welcome | Execute | RecordedOperations | ReleaseExecution | Goodbye, Field(discriminator="kind")
]

QUIET = ConfigDict(hide_input_in_errors=True)
"""Errors do not quote the message: it may hold a payload or a store, and errors are logged."""

from_worker: TypeAdapter[Hello | Outcome | RecordOperations | Declined | Drain] = TypeAdapter(
    FromWorker, config=QUIET
)
from_operator: TypeAdapter[Welcome | Execute | RecordedOperations | ReleaseExecution | Goodbye] = (
    TypeAdapter(FromOperator, config=QUIET)
)


def encode(message: Model) -> str:
    """Write a message as a JSON text without a line break.

    Raises:
        ValueError, TypeError: a value in it has no JSON.
    """
    match message:
        case Execute():
            return _encode_raw(
                message,
                payload=message.payload,
                store=message.store,
                journal=message.journal or None,
            )
        case RecordedOperations():
            return _encode_raw(message, entries=message.entries)
    return message.model_dump_json(by_alias=True, exclude_none=True)


def _encode_raw(message: Model, **raw: Any) -> str:
    """Write a message with fields that may hold RawJson, whose text is copied and not parsed."""
    head = message.model_dump_json(by_alias=True, exclude_none=True, exclude=set(raw))
    values = {name: value for name, value in raw.items() if value is not None}
    return f"{head[:-1]},{dumps(values)[1:].decode()}" if values else head


def join_messages(messages: Iterable[str]) -> str:
    """Put encoded messages into one WebSocket message."""
    return "\n".join(messages)


def split_messages(text: str) -> list[str]:
    """Return the messages of one WebSocket message."""
    return text.split("\n")

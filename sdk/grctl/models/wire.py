"""What operator and worker say to each other: JSON objects over one WebSocket, `kind` first.

1. A worker connects out, says Hello with what it can run and what it still holds.
2. The operator answers Welcome, then sends Execute; the worker answers each with an Outcome, or
   Declined. Executions of one run are sent in order, and run in order.
3. A worker holds an Outcome until it is told Release: committed, or void. Both sides may repeat
   themselves; nobody relies on a message that was not answered.
4. An execution names what it was built on (run uid, commits, base): that is its fence.
5. What is said at one moment goes in one WebSocket message, a line each: sending is what costs.
6. Hello and Welcome agree upon the version of all this (see `protocol`).
7. What one side cannot read or write of an execution ends that execution, by a result that says so,
   and nothing else: no message takes its connection along.
"""

from collections.abc import Iterable
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from grctl.json.raw_json import dumps
from grctl.models.base import NAME_LENGTH, Model
from grctl.models.directive import AnyDirective
from grctl.models.phases import HandlerKind
from grctl.models.protocol import LARGEST_VERSION, SPOKEN, Spoken
from grctl.models.run import RunError

CONNECT_PATH = "/v1alpha1/worker"
BLOCKED_PATH = "/v1alpha1/worker/blocked"
MAX_PLACE_CHARS = 300  # characters
MAX_HELLO_BYTES = 1024 * 1024
"""Bytes: what the operator reads of somebody whose permissions it has not asked for yet."""
MAX_TYPES_PER_WORKER = 200
MAX_HANDLERS_PER_TYPE = 2_000
"""Of one type."""
MAX_HANDLER_NAME_CHARS = 1024
"""Characters of a handler's name: more than a status shows, so that the longest ones are seen."""
MAX_WORKER_CAPACITY = 100_000
LABEL_LENGTH = 63
"""Characters of a namespace, as Kubernetes limits it. An instance of a worker has no more."""
UNREACHABLE = "Grctl-Unreachable"
"""Header of a connection: the address of the worker's last try, where nobody answered."""


class OfferedHandler(Model):
    """A handler as a worker announces it."""

    kind: HandlerKind
    name: str = Field(max_length=MAX_HANDLER_NAME_CHARS)
    payload: dict[str, Any] | None = None
    """JSON schema of what binds to its parameters; None: it takes no payload."""


class Catalogue(Model):
    """What a worker can run of one workflow type."""

    type: str = Field(min_length=1, max_length=NAME_LENGTH)
    handlers: tuple[OfferedHandler, ...] = Field(max_length=MAX_HANDLERS_PER_TYPE)

    def has(self, kind: HandlerKind, name: str) -> bool:
        """Say whether the handler is among them. A start handler goes by its kind alone."""
        return any(
            handler.kind == kind and (handler.name == name or kind is HandlerKind.START)
            for handler in self.handlers
        )

    @cached_property
    def event_names(self) -> tuple[str, ...]:
        """Names of the events it handles, in the order of definition."""
        return tuple(each.name for each in self.handlers if each.kind is HandlerKind.EVENT)


class Execution(Model):
    """One attempt at one handler, and what it was built on."""

    id: str = Field(max_length=NAME_LENGTH)
    namespace: str
    workflow_id: str
    workflow_type: str
    run_uid: str
    commits: int
    base: str | None = None
    """`status.lastExecution` that it was built on."""
    handler_kind: HandlerKind
    handler_name: str
    attempt: int = 1
    event: str | None = None
    event_uid: str | None = None


class Greeting(Model):
    """What every Hello says, of whatever version: enough to agree upon one."""

    kind: Literal["hello"] = "hello"
    protocol: int = Field(default=SPOKEN.lowest, ge=1, le=LARGEST_VERSION)
    """The lowest that it speaks. An operator before 3 takes only a worker that says 2 here."""
    protocol_highest: int | None = Field(default=None, ge=1, le=LARGEST_VERSION)
    """The highest that it speaks; None, as before 3: it speaks one only."""

    @property
    def spoken(self) -> Spoken:
        """The versions that it speaks."""
        return Spoken(self.protocol, self.protocol_highest or self.protocol)


class Hello(Greeting):
    """First message of a worker."""

    protocol_highest: int | None = Field(default=SPOKEN.highest, ge=1, le=LARGEST_VERSION)
    worker: str = Field(max_length=NAME_LENGTH)
    """Name that outlives a restart (the pod's name)."""
    instance: str = Field(max_length=LABEL_LENGTH)
    """Another at each start of the process."""
    namespace: str = Field(max_length=LABEL_LENGTH)
    capacity: int = Field(ge=0, le=MAX_WORKER_CAPACITY)
    catalogues: tuple[Catalogue, ...] = Field(max_length=MAX_TYPES_PER_WORKER)
    held: tuple[Execution, ...] = ()
    """Executions that it runs, or whose outcome it holds."""


class Succeeded(Model):
    """The handler returned a Directive."""

    kind: Literal["succeeded"] = "succeeded"
    directive: AnyDirective
    put: dict[str, Any] = Field(default_factory=dict)
    """Values of the store to set."""
    delete: tuple[str, ...] = ()
    """Keys of the store to remove."""


class Failed(Model):
    """The handler raised, or returned what cannot be kept. The run fails."""

    kind: Literal["failed"] = "failed"
    reason: str
    error: RunError


class Refused(Model):
    """The payload does not bind; the handler did not run."""

    kind: Literal["refused"] = "refused"
    message: str


Result = Annotated[Succeeded | Failed | Refused, Field(discriminator="kind")]


class Outcome(Model):
    """What an execution brings back."""

    kind: Literal["outcome"] = "outcome"
    execution: Execution
    result: Result


class Declined(Model):
    """The worker has not begun an execution and will not: forget it, and decide anew."""

    kind: Literal["declined"] = "declined"
    execution: str


class Drain(Model):
    """The worker takes nothing new and will leave when what it holds is released."""

    kind: Literal["drain"] = "drain"


class Welcome(Model):
    """The operator accepted the worker."""

    kind: Literal["welcome"] = "welcome"
    operator: str
    protocol: int = 2
    """The version that both use from now on. An operator before 3 does not say so."""


class Execute(Model):
    """Run this."""

    kind: Literal["execute"] = "execute"
    execution: Execution
    payload: Any = None
    store: dict[str, Any] = Field(default_factory=dict)
    ahead: bool = False
    """The worker holds what it was built on: it runs behind that, with the store that it leaves."""


class ReleaseExecution(Model):
    """The execution is over for the operator: forget it, and stop it if it still runs."""

    kind: Literal["release"] = "release"
    execution: str
    committed: bool
    """Whether its outcome was committed; otherwise it is void and `message` says why."""
    message: str = ""


class Goodbye(Model):
    """The operator refuses the worker, or sends it elsewhere; the connection ends."""

    kind: Literal["goodbye"] = "goodbye"
    message: str
    redirect: str | None = None
    refused: bool = False
    """Whether somebody must do something before the worker may come in: no need to hurry back."""


class Blocked(Model):
    """The worker's event loop is blocked. Sent by a thread, as a POST: the loop sends nothing."""

    instance: str = Field(max_length=NAME_LENGTH)
    execution: str | None = Field(default=None, max_length=NAME_LENGTH)
    """Whose handler blocks it, if that is known."""
    seconds: float = Field(ge=0, allow_inf_nan=False)
    """How long it has been blocked, or was."""
    place: str = Field(max_length=MAX_PLACE_CHARS)
    """Where in the users' code: file, line and function."""
    over: bool = False
    """Whether the loop runs again."""


FromWorker = Annotated[Hello | Outcome | Declined | Drain, Field(discriminator="kind")]
FromOperator = Annotated[
    Welcome | Execute | ReleaseExecution | Goodbye, Field(discriminator="kind")
]

QUIET = ConfigDict(hide_input_in_errors=True)
"""Errors do not quote what came: it may be a payload or a store, and errors are logged."""

from_worker: TypeAdapter[Hello | Outcome | Declined | Drain] = TypeAdapter(FromWorker, config=QUIET)
from_operator: TypeAdapter[Welcome | Execute | ReleaseExecution | Goodbye] = TypeAdapter(
    FromOperator, config=QUIET
)


def encode(message: Model) -> str:
    """Write a message for the wire: a JSON text without a line break of its own.

    Raises:
        ValueError, TypeError: it holds what JSON cannot say.
    """
    if not isinstance(message, Execute):
        return message.model_dump_json(by_alias=True, exclude_none=True)
    head = message.model_dump_json(by_alias=True, exclude_none=True, exclude={"payload", "store"})
    carried = {"store": message.store}
    if message.payload is not None:
        carried["payload"] = message.payload
    return f"{head[:-1]},{dumps(carried)[1:].decode()}"


def together(messages: Iterable[str]) -> str:
    """Put encoded messages into one."""
    return "\n".join(messages)


def lines(text: str) -> list[str]:
    """Part the messages that came together."""
    return text.split("\n")

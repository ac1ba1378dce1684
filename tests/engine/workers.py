"""A worker for the stateful test: it survives a broken connection, but not a crash.

A message and its arrival are two steps: anything can happen in between, and it may never arrive.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from grctl.models import HandlerKind
from grctl.models.directive import AnyDirective, WaitForEvent
from grctl.models.retry_policy import RetryPolicy
from grctl.models.run import RunError
from grctl.models.wire import (
    Catalogue,
    Declined,
    Execution,
    Failed,
    OfferedHandler,
    Outcome,
    RecordOperations,
    Refused,
    Succeeded,
)
from tests.engine.checks import KNOWN_EVENTS
from tests.engine.handlings import Handling
from tests.engine.task_world import Entries

if TYPE_CHECKING:
    from tests.engine.api_server import ApiServer
    from tests.engine.operators import Operator

CATALOGUE = Catalogue(
    type="Order",
    handlers=(
        OfferedHandler(kind=HandlerKind.START, name="start"),
        OfferedHandler(kind=HandlerKind.STEP, name="fulfill"),
        OfferedHandler(kind=HandlerKind.STEP, name="give_up"),
        *(OfferedHandler(kind=HandlerKind.EVENT, name=name) for name in KNOWN_EVENTS),
    ),
)
OTHER_VERSION = Catalogue(
    type="Order",
    handlers=tuple(each for each in CATALOGUE.handlers if each.name != KNOWN_EVENTS[1]),
)
"""A version of the workflow that does not have one of the events."""
CAPACITY = 2
Store = dict[str, object]
execution_numbers = count(1)


@dataclass(frozen=True)
class Given:
    """An execution on its way to a worker."""

    execution: Execution
    store: Store | None
    """None if it was handed over ahead."""
    journal: Entries


@dataclass
class Worker:
    """A worker process."""

    name: str
    instance: int = 1
    catalogue: Catalogue = CATALOGUE
    operator: "Operator | None" = None
    server: "ApiServer | None" = None
    """Of the test: the one that its operators have."""
    inbox: list[Given] = field(default_factory=list)
    """Messages on their way to it. Lost with the connection."""
    running: dict[str, tuple[Execution, Store | None]] = field(default_factory=dict)
    """Executions in order of arrival; those ahead have not begun."""
    left: dict[str, Store | None] = field(default_factory=dict)
    """The store after each finished execution; None if the run does not go on waiting."""
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    """Outcomes, held until they are released."""
    handlings: dict[str, Handling] = field(default_factory=dict)
    """The handlers with tasks, until their executions are released."""
    committed: set[str] = field(default_factory=set)
    """Executions that it was told to be committed."""
    outbox: list[Outcome | RecordOperations | Declined] = field(default_factory=list)
    """Messages on their way from it. Lost with the connection."""
    last: Outcome | None = None
    """The last outcome that it sent, to be repeated."""

    def take(self) -> None:
        if not self.inbox:
            return
        given = self.inbox.pop(0)
        execution = given.execution
        if self.operator and execution.event_uid:
            self.operator.server.begun.add(execution.event_uid)
        self.running.setdefault(execution.id, (execution, given.store))
        if self.operator and self.operator.server.tasks:
            may_call = given.store is not None or execution.base in self.committed
            handling = Handling(execution, self.operator.server.tasks, given.journal, may_call)
            self.handlings.setdefault(execution.id, handling)

    def finish(self, execution_id: str, answer: "Answer") -> None:
        execution, store = self.running[execution_id]
        if store is None and execution.base in self.running:
            return  # it is behind that
        if not self._call_tasks(execution_id):
            return
        del self.running[execution_id]
        store = self.left.get(execution.base or "") if store is None else store
        if store is None:
            self._decline(execution_id)
            return
        outcome = Outcome(execution=execution, result=answer(execution, store))
        if self.server and self.server.chooses:
            outcome = choose(outcome, store)
        if self.server:
            self.server.outcomes[execution_id] = outcome
        outcome = self._with_records(outcome)
        if handling := self.handlings.get(execution_id):
            handling.world.on_return(outcome, handling.seen)
        if self.server and execution.event_uid and isinstance(outcome.result, Refused):
            refusals = self.server.refusals.setdefault(execution.event_uid, [])
            refusals.append(self.catalogue)
        self.left[execution_id] = _left(store, outcome)
        self.outcomes[execution_id] = self.last = outcome
        if self.operator:
            self.outbox.append(outcome)

    def _call_tasks(self, execution_id: str) -> bool:
        """Go on with a handler's tasks. Return whether it returns."""
        handling = self.handlings.get(execution_id)
        if handling is None:
            return True
        returns = handling.go_on()
        message = handling.message
        if self.operator and message:
            self.outbox.append(message)
        return returns

    def _with_records(self, outcome: Outcome) -> Outcome:
        """Name in an outcome what its worker was not told to be durable so."""
        handling = self.handlings.get(outcome.execution.id)
        records = handling.unconfirmed if handling else {}
        return outcome.model_copy(update={"records": records or None})

    def on_durable(self, execution_id: str, keys: tuple[str, ...], entries: Entries) -> None:
        """Note what the operator says is durable: as it was sent, or otherwise."""
        handling = self.handlings.get(execution_id)
        if handling is not None:
            as_sent = {key: handling.seen[key] for key in keys if key in handling.seen}
            handling.on_told(as_sent | entries, returned=execution_id in self.outcomes)

    def _decline(self, execution_id: str) -> None:
        if self.operator:
            self.outbox.append(Declined(execution=execution_id))

    def deliver(self) -> None:
        """Deliver all messages that it sent."""
        while self.operator and self.outbox:
            self.operator.get_outcome(self)

    def repeat(self) -> None:
        """Send the last outcome once more."""
        if self.operator and self.last:
            self.outbox.append(self.last)

    def release(self, execution_id: str, *, committed: bool) -> None:
        self.running.pop(execution_id, None)
        self.outcomes.pop(execution_id, None)
        self.handlings.pop(execution_id, None)
        self.inbox = [each for each in self.inbox if each.execution.id != execution_id]
        if committed:
            self.committed.add(execution_id)
            self._begin_behind(execution_id)

    def _begin_behind(self, execution_id: str) -> None:
        """Call the tasks of the handler behind a committed one, before anything else is told."""
        for behind, (execution, _) in list(self.running.items()):
            handling = self.handlings.get(behind)
            if execution.base == execution_id and handling is not None:
                handling.may_call = True
                self._call_tasks(behind)

    def disconnect(self) -> None:
        if self.operator:
            self.operator.worker_left(self)
        self.operator = None
        self.inbox.clear()
        self.outbox.clear()

    def connect(self, operator: "Operator") -> None:
        self.disconnect()
        self.operator, self.server = operator, operator.server
        self.outcomes = {id_: self._with_records(each) for id_, each in self.outcomes.items()}
        messages = (self.handlings[each].message for each in self.running if each in self.handlings)
        self.outbox = [message for message in messages if message]
        self.outbox += self.outcomes.values()
        held = [execution for execution, _ in self.running.values()]
        held += [outcome.execution for outcome in self.outcomes.values()]
        operator.worker_came(self, held)

    def crash(self) -> None:
        self.disconnect()
        self.instance += 1
        self.running.clear()
        self.outcomes.clear()
        self.handlings.clear()
        self.committed.clear()


def _left(store: Store, outcome: Outcome) -> Store | None:
    match outcome.result:
        case Succeeded(directive=WaitForEvent(), put=put):
            return store | put
        case Refused():
            return store
    return None


CHOICES = (None, KNOWN_EVENTS[:1], KNOWN_EVENTS[1:], None, KNOWN_EVENTS[:1])


def choose(outcome: Outcome, store: Store) -> Outcome:
    """Return an outcome whose wait takes some events: others than the wait before."""
    match outcome.result:
        case Succeeded(directive=WaitForEvent() as wait) as result:
            handled = store.get("handled", [])
            number = len(handled) if isinstance(handled, list) else 0
            chosen = wait.model_copy(update={"events": CHOICES[number % len(CHOICES)]})
            changed = result.model_copy(update={"directive": chosen})
            return outcome.model_copy(update={"result": changed})
    return outcome


Answer = Callable[[Execution, Store], Succeeded | Failed | Refused]


def succeed(directive: AnyDirective) -> Answer:
    """Return a handler that notes its event in the store and returns the directive."""

    def answer(execution: Execution, store: dict[str, object]) -> Succeeded:
        handled = list(store.get("handled", []))  # type: ignore[call-overload]
        if execution.event_uid:
            handled.append(f"{execution.run_uid}/{execution.event_uid}")
        return Succeeded(directive=directive, put={"handled": handled, "run": execution.run_uid})

    return answer


def fail(execution: Execution, store: dict[str, object]) -> Failed:
    """Answer like a handler that raises."""
    return Failed(reason="HandlerFailed", error=RunError(type="ValueError", message="no"))


def fail_and_retry(execution: Execution, store: dict[str, object]) -> Failed:
    """Answer like a handler that raises, and is tried a second time before it is held."""
    error = RunError(type="ConnectionError", message="no answer")
    policy = RetryPolicy(max_attempts=2, initial_delay_ms=500)
    return Failed(reason="HandlerFailed", error=error, policy=policy, on_failure="hold")


def refuse(execution: Execution, store: dict[str, object]) -> Succeeded | Failed | Refused:
    """Refuse a payload that does not bind; a handler without a payload succeeds."""
    if execution.event_uid is None:
        return succeed(WaitForEvent())(execution, store)
    return Refused(message="no such argument")

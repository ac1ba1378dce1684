"""A worker for the stateful test: it survives a broken connection, but not a crash.

A message and its arrival are two steps: anything can happen in between, and it may never arrive.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from grctl.models import HandlerKind
from grctl.models.directive import AnyDirective, WaitForEvent
from grctl.models.run import RunError
from grctl.models.wire import (
    Catalogue,
    Declined,
    Execution,
    Failed,
    OfferedHandler,
    Outcome,
    Refused,
    Succeeded,
)
from tests.engine.checks import KNOWN_EVENTS

if TYPE_CHECKING:
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


@dataclass
class Worker:
    """A worker process."""

    name: str
    instance: int = 1
    catalogue: Catalogue = CATALOGUE
    operator: "Operator | None" = None
    inbox: list[tuple[Execution, Store | None]] = field(default_factory=list)
    """Messages on their way to it, without a store if ahead. Lost with the connection."""
    running: dict[str, tuple[Execution, Store | None]] = field(default_factory=dict)
    """Executions in order of arrival; those ahead have not begun."""
    left: dict[str, Store | None] = field(default_factory=dict)
    """The store after each finished execution; None if the run does not go on waiting."""
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    """Outcomes, held until they are released."""
    outbox: list[Outcome | Declined] = field(default_factory=list)
    """Messages on their way from it. Lost with the connection."""
    last: Outcome | None = None
    """The last outcome that it sent, to be repeated."""

    def take(self) -> None:
        if self.inbox:
            execution, store = self.inbox.pop(0)
            if self.operator and execution.event_uid:
                self.operator.server.begun.add(execution.event_uid)
            self.running.setdefault(execution.id, (execution, store))

    def finish(self, execution_id: str, answer: "Answer") -> None:
        execution, store = self.running[execution_id]
        if store is None and execution.base in self.running:
            return  # it is behind that
        del self.running[execution_id]
        store = self.left.get(execution.base or "") if store is None else store
        if store is None:
            self._decline(execution_id)
            return
        outcome = Outcome(execution=execution, result=answer(execution, store))
        if self.operator and execution.event_uid and isinstance(outcome.result, Refused):
            refusals = self.operator.server.refusals.setdefault(execution.event_uid, [])
            refusals.append(self.catalogue)
        self.left[execution_id] = _left(store, outcome)
        self.outcomes[execution_id] = self.last = outcome
        if self.operator:
            self.outbox.append(outcome)

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

    def release(self, execution_id: str) -> None:
        self.running.pop(execution_id, None)
        self.outcomes.pop(execution_id, None)
        self.inbox = [each for each in self.inbox if each[0].id != execution_id]

    def disconnect(self) -> None:
        if self.operator:
            self.operator.worker_left(self)
        self.operator = None
        self.inbox.clear()
        self.outbox.clear()

    def connect(self, operator: "Operator") -> None:
        self.disconnect()
        self.operator = operator
        self.outbox = list(self.outcomes.values())
        held = [execution for execution, _ in self.running.values()]
        held += [outcome.execution for outcome in self.outcomes.values()]
        operator.worker_came(self, held)

    def crash(self) -> None:
        self.disconnect()
        self.instance += 1
        self.running.clear()
        self.outcomes.clear()


def _left(store: Store, outcome: Outcome) -> Store | None:
    match outcome.result:
        case Succeeded(directive=WaitForEvent(), put=put):
            return store | put
        case Refused():
            return store
    return None


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


def refuse(execution: Execution, store: dict[str, object]) -> Succeeded | Failed | Refused:
    """Refuse a payload that does not bind; a handler without a payload succeeds."""
    if execution.event_uid is None:
        return succeed(WaitForEvent())(execution, store)
    return Refused(message="no such argument")

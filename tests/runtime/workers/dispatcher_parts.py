"""A listening dispatcher, the parts around it, and what a test gives it; no API server."""

import asyncio
import time
from datetime import UTC, datetime

from grctl.models import FINALIZER, WorkflowRun
from grctl.models.phases import HandlerKind
from grctl.models.wire import (
    Hello,
)
from grctl_operator.engine import decision
from grctl_operator.engine.observation import Event, Held, Key
from grctl_operator.runtime.people.activity_log import ActivityLog
from grctl_operator.runtime.people.metrics import Metrics
from grctl_operator.runtime.work_queue import WorkQueue
from grctl_operator.runtime.workers.dispatcher import Dispatcher
from grctl_operator.runtime.workers.worker_auth import Identity, RefusedError
from grctl_operator.views.executions import ExecutionRegistry
from tests.runtime.played_worker import catalogue

KEY, OTHER = Key("shop", "order-1"), Key("shop", "order-2")


ORDER = catalogue("Order", "approve")


NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class FakeAuth:
    """Takes the header for the name of the account; refuses what the test sets."""

    def __init__(self) -> None:
        self.refuses: str | None = None
        self.expires: datetime | None = None

    def check_header(self, authorization: str | None) -> None:
        pass

    async def identify(self, authorization: str | None) -> Identity:
        return Identity(authorization or "anonymous", expires=self.expires)

    async def authorize(self, _identity: Identity, _hello: Hello) -> None:
        if self.refuses:
            raise RefusedError(self.refuses)


class Parts:
    """A dispatcher that listens, and the parts around it."""

    def __init__(self, *namespaces: str) -> None:
        self.auth = FakeAuth()
        self.queue = WorkQueue()
        self.registry = ExecutionRegistry(lambda: NOON, time.monotonic, self.queue.add)
        self.metrics = Metrics()
        self.activity_log = ActivityLog(self.metrics, lambda: NOON)
        self.all_back = asyncio.Event()
        self.records: list[tuple[Key, bool]] = []
        """The runs of which records came, and whether their handlers wait."""
        self.other_handlers: list[tuple[str, str]] = []
        """Types whose workers have other handlers, as told."""
        self.dispatcher = Dispatcher(
            self.registry,
            self.queue,
            self.activity_log,
            operator="op",
            auth=self.auth,
            on_outcome=self.queue.add,
            on_record=self.on_record,
            on_all_back=self.all_back.set,
            on_other_handlers=self.other_handlers.append,
            namespaces=namespaces,
            closed_grace=0.0,
            silent_grace=60.0,
        )
        self.dispatcher.gate.lead()

    @property
    def port(self) -> int:
        return self.dispatcher.port

    async def woken(self) -> Key:
        key = await self.queue.take()
        self.queue.done(key)
        return key

    def dispatch(self, key: Key = KEY, event: Event | None = None) -> None:
        kind, name = (HandlerKind.EVENT, "approve") if event else (HandlerKind.START, "start")
        effect = decision.Dispatch(kind, name, 1, commits=2, base="before", event=event)
        self.dispatcher.dispatch(key, run(key), effect)

    def on_record(self, key: Key, *, awaited: bool) -> None:
        self.records.append((key, awaited))
        self.queue.add(key)

    def held(self, key: Key = KEY) -> list[Held]:
        return list(self.registry.get_view(key, "Order").held)


def run(key: Key, workflow_type: str = "Order") -> WorkflowRun:
    return WorkflowRun.model_validate(
        {
            "metadata": {
                "name": key.name,
                "namespace": key.namespace,
                "uid": f"uid of {key.name}",
                "finalizers": [FINALIZER],
            },
            "spec": {"workflow": {"type": workflow_type, "input": {"amount": 3}}},
            "status": {"store": {"paid": True}},
        }
    )


APPROVE = Event("e1", "approve-1", "approve", NOON, place=7, payload={"by": "ann"})


def ahead_of(base: str, commits: int, event: Event, *then: Event) -> decision.Dispatch:
    return decision.Dispatch(
        HandlerKind.EVENT,
        event.event_name,
        1,
        commits=commits,
        base=base,
        event=event,
        ahead=True,
        then=then,
    )

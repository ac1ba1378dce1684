"""An operator in a test that keeps journals, without a network: it writes at once, or when told to.

Time stands still, and a sleep moves it on.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from grctl.models import HandlerKind
from grctl.models.base import Model
from grctl.models.journal import Entry, merge
from grctl.models.wire import (
    Declined,
    Execute,
    Failed,
    Outcome,
    RecordedOperations,
    RecordOperations,
    ReleaseExecution,
    Succeeded,
)
from grctl.worker.executions import HeldExecutions
from grctl.workflow import Workflow
from tests.worker.making import execute_of

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


class StandingTime:
    """A clock that only a sleep moves."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.seconds

    @property
    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.seconds)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        if seconds > 0:
            self.slept.append(round(seconds, 6))
        self.seconds += seconds


class RecordingOperator:
    """Hands executions of one workflow to workers, and keeps what they record."""

    def __init__(self, workflow: Workflow, protocol: int = 4) -> None:
        self.workflow = workflow
        self.protocol = protocol
        self.time = StandingTime()
        self.journal: dict[str, Entry] = {}
        self.messages: list[RecordOperations] = []
        self.writes_at_once = True
        self._outcomes: asyncio.Queue[Outcome | Declined] = asyncio.Queue()
        self._executions = 0
        self.worker = self.new_worker()

    def new_worker(self) -> HeldExecutions:
        """Return a worker beside the others."""
        return HeldExecutions(
            {self.workflow.workflow_type: self.workflow},
            10,
            self._receive,
            protocol=lambda: self.protocol,
            sleep=self.time.sleep,
            monotonic=self.time.monotonic,
        )

    def execute(self, name: str = "start", **changes: Any) -> Execute:
        """Return the next attempt at a handler, with what is recorded now."""
        self._executions += 1
        kind = HandlerKind.START if name == "start" else HandlerKind.STEP
        fields: dict[str, Any] = {"id": f"e{self._executions}", "attempt": self._executions}
        made = execute_of(self.workflow, kind, name, **(fields | changes))
        return made.model_copy(update={"journal": dict(self.journal), "time": self.time.now})

    async def begin(self, name: str = "start", **changes: Any) -> Execute:
        """Hand an attempt to the worker."""
        execute = self.execute(name, **changes)
        await self.worker.accept(execute)
        return execute

    async def run(self, name: str = "start", **changes: Any) -> Outcome:
        """Hand an attempt to the worker, and return its outcome."""
        await self.begin(name, **changes)
        return await self.outcome()

    async def outcome(self) -> Outcome:
        """Return the next outcome."""
        async with asyncio.timeout(30):
            outcome = await self._outcomes.get()
        assert isinstance(outcome, Outcome)
        return outcome

    async def kill(self) -> None:
        """End the worker's process, and start another one."""
        lost, self.worker = self.worker, self.new_worker()
        writes, self.writes_at_once = self.writes_at_once, False
        said = len(self.messages)
        await lost.abandon()
        del self.messages[said:]
        self.writes_at_once = writes

    def write(self, worker: HeldExecutions | None = None) -> None:
        """Write what was sent into the journal, and tell the worker."""
        messages, self.messages = self.messages, []
        for message in messages:
            self._write(message, worker or self.worker)
            self.messages.append(message)

    def release(self, execution: str, *, committed: bool = True) -> None:
        """Tell the worker that an outcome is committed, or void."""
        self.worker.release(
            ReleaseExecution(execution=execution, committed=committed, message="because")
        )

    async def _receive(self, message: Model) -> None:
        if isinstance(message, RecordOperations):
            self.messages.append(message)
            if self.writes_at_once:
                self._write(message, self.worker)
        elif isinstance(message, Outcome | Declined):
            self._outcomes.put_nowait(message)

    def _write(self, message: RecordOperations, worker: HeldExecutions) -> None:
        before = self.journal
        self.journal = merge(before, message.entries)
        ours = {key: self.journal[key] for key in message.entries}
        same = tuple(key for key, entry in message.entries.items() if ours[key] == entry)
        others = {key: entry for key, entry in ours.items() if key not in same}
        worker.on_recorded(
            RecordedOperations(execution=message.execution.id, keys=same, entries=others)
        )


def operator_of(handler: Callable[..., Any], **options: Any) -> RecordingOperator:
    """Return an operator of a workflow with one handler, `start`."""
    workflow = Workflow(workflow_type="Order")
    workflow.start(**options)(handler)
    return RecordingOperator(workflow)


def result_of(outcome: Outcome) -> Any:
    """Return what a run completed with."""
    assert isinstance(outcome.result, Succeeded), outcome.result
    return getattr(outcome.result.directive, "result", outcome.result.directive)


def failure_of(outcome: Outcome) -> Failed:
    """Return the failure of an outcome."""
    assert isinstance(outcome.result, Failed), outcome.result
    return outcome.result


async def settle() -> None:
    """Run all that is ready to run."""
    for _ in range(20):
        await asyncio.sleep(0)

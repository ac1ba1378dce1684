"""The executions that this worker holds, from Execute until ReleaseExecution.

1. Each execution runs as a task of its own. Those of one run run one after the other, and at most
   `capacity` run at once.
2. A second Execute for an execution that is held runs nothing. If there is an outcome, it is sent
   again.
3. ReleaseExecution ends an execution. If its task still runs, it is cancelled, and no outcome is
   sent.
4. An execution that was sent ahead runs after the one that it was built on (its base), with the
   store that the base leaves. If the base does not leave the run waiting for an event, the
   execution is declined.
5. A task that ends without an outcome, for whatever reason, counts as a failure. Otherwise its
   execution would stay held, and its run Running for ever.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from grctl.logs.loggers import get_logger
from grctl.models.directive import WaitForEvent
from grctl.models.wire import (
    Declined,
    Execute,
    Execution,
    Outcome,
    Refused,
    ReleaseExecution,
    Result,
    Succeeded,
)
from grctl.worker.executor import carry_out
from grctl.worker.failure import failure_of
from grctl.worker.logs import fields_of
from grctl.worker.store import store_after
from grctl.workflow.workflow import Workflow

logger = get_logger(__name__)

RESULTS = ("succeeded", "failed", "refused")
CLEAN_UP_S = 1.0  # for handlers to clean up after they were cancelled

Values = dict[str, Any]

Send = Callable[[Outcome | Declined], Awaitable[None]]
"""Sends a message to the operator. A message may be lost: the outcome stays held."""


@dataclass
class _Held:
    execution: Execution
    outcome: Outcome | None = None
    task: asyncio.Task[None] | None = None
    begun: bool = False
    base: "_Held | None" = None
    """The execution that it was built on, until it begins; None if it was not sent ahead."""
    store_after: Values | None = None
    """The store that it leaves, if its run then waits for an event."""


class HeldExecutions:
    """The executions that a worker runs, and those whose outcomes it holds.

    Args:
        workflows: Workflows by their type.
        capacity: How many handlers run at once.
        send: Sends each outcome to the operator.
    """

    def __init__(self, workflows: Mapping[str, Workflow], capacity: int, send: Send) -> None:
        self.empty = asyncio.Event()
        self.empty.set()
        self._workflows = workflows
        self._places = asyncio.Semaphore(capacity)
        self._send = send
        self._held: dict[str, _Held] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.handled: Counter[tuple[str, str]] = Counter()
        """How many executions have a result, by the handler's kind and the kind of result."""
        self._latest: dict[str, asyncio.Task[None]] = {}
        """The last task of each run, by the run's uid."""

    @property
    def held(self) -> tuple[Execution, ...]:
        """The executions that are not released: those that run, and those with an outcome."""
        return tuple(held.execution for held in self._held.values())

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """The outcomes of executions that are not released."""
        return tuple(held.outcome for held in self._held.values() if held.outcome)

    @property
    def running(self) -> int:
        """Number of executions without an outcome."""
        return sum(held.outcome is None for held in self._held.values())

    async def accept(self, execute: Execute) -> None:
        """Run an execution, unless it is held already."""
        held = self._held.get(execute.execution.id)
        if held is None:
            await self._begin(execute)
        elif held.outcome is not None:
            await self._send(held.outcome)

    def release(self, release: ReleaseExecution) -> None:
        """Forget an execution, and stop it if it still runs."""
        held = self._held.pop(release.execution, None)
        if held is None:
            return
        if not release.committed:
            extra = {**fields_of(held.execution), "why": release.message}
            logger.info("execution is void", extra=extra)
        if held.outcome is None and held.task is not None:
            held.task.cancel()
        self._note_empty()

    async def decline(self) -> None:
        """Decline all executions that have not begun, so that another worker may take them."""
        waiting = [held for held in self._held.values() if not held.begun]
        for held in waiting:
            if held.task is not None:
                held.task.cancel()
            await self._decline(held)

    async def abandon(self) -> None:
        """Cancel all executions that run, and forget all that are held."""
        for held in self._held.values():
            logger.warning("execution given up", extra=fields_of(held.execution))
        self._held.clear()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLEAN_UP_S)
        self._note_empty()

    async def _begin(self, execute: Execute) -> None:
        base = self._held.get(execute.execution.base or "") if execute.ahead else None
        held = self._held[execute.execution.id] = _Held(execute.execution, base=base)
        if execute.ahead and base is None:
            await self._decline(held)
            return
        run = execute.execution.run_uid
        task = asyncio.create_task(self._run(held, execute, self._latest.get(run)))
        held.task = self._latest[run] = task
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._on_task_end(held, done))
        self.empty.clear()

    def _on_task_end(self, held: _Held, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        run = held.execution.run_uid
        if self._latest.get(run) is task:
            del self._latest[run]
        if self._held.get(held.execution.id) is held and held.outcome is None:
            self._fail(held, _cause(task))
        self._note_empty()

    def _fail(self, held: _Held, error: BaseException) -> None:
        """End an execution whose task ended without an outcome: by a failure, if it had begun."""
        fields = fields_of(held.execution)
        logger.error("execution ended without an outcome", extra=fields, exc_info=error)
        if held.begun:
            self._set_outcome(held, failure_of(error))
        sending = asyncio.create_task(self._send_end(held))
        self._tasks.add(sending)
        sending.add_done_callback(self._on_sent)

    async def _send_end(self, held: _Held) -> None:
        """Send the outcome of an execution; decline it if it has none."""
        if held.outcome is None:
            await self._decline(held)
        else:
            await self._send(held.outcome)

    def _on_sent(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._note_empty()

    async def _run(
        self, held: _Held, execute: Execute, previous: asyncio.Task[None] | None
    ) -> None:
        if previous is not None:
            await asyncio.wait([previous])
        if held.base is not None:
            store, held.base = held.base.store_after, None
            if store is None:
                await self._decline(held)
                return
            execute = execute.model_copy(update={"store": store})
        async with self._places:
            held.begun = True
            result = await carry_out(self._workflows, execute)
        if held.execution.id not in self._held:
            return  # released, and the handler ignored its cancellation
        held.store_after = _store_after(execute.store, result)
        self._set_outcome(held, result)
        await self._send_end(held)

    def _set_outcome(self, held: _Held, result: Result) -> None:
        held.outcome = Outcome(execution=held.execution, result=result)
        self.handled[held.execution.handler_kind, result.kind] += 1

    async def _decline(self, held: _Held) -> None:
        if self._held.pop(held.execution.id, None) is not None:
            await self._send(Declined(execution=held.execution.id))
        self._note_empty()

    def _note_empty(self) -> None:
        if not self._held and not self._tasks:
            self.empty.set()


def _cause(task: asyncio.Task[None]) -> BaseException:
    """Return the error that ended a task that is done."""
    error = asyncio.CancelledError() if task.cancelled() else task.exception()
    return error or RuntimeError("The execution ended without an outcome.")


def _store_after(store: Values, result: Result) -> Values | None:
    """Return the store that a run has after a result, if it then waits for an event."""
    match result:
        case Succeeded(directive=WaitForEvent()):
            return store_after(store, result.put, result.delete)
        case Refused():
            return store
    return None

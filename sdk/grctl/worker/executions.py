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
5. What the handler of such an execution records, and what it calls, waits until the outcome of the
   base is committed: the operator says so by ReleaseExecution. If the base is void, so is what was
   built on it.
6. What a handler recorded, and was not told to be durable, goes with its outcome.
7. A task that ends without an outcome, for whatever reason, counts as a failure. Otherwise its
   execution would stay held, and its run Running for ever.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from grctl.logs.loggers import get_logger
from grctl.models.directive import WaitForEvent
from grctl.models.protocol import RECORDING_PROTOCOL_VERSION, SPOKEN
from grctl.models.wire import (
    Declined,
    Execute,
    Execution,
    Outcome,
    RecordedOperations,
    RecordOperations,
    Refused,
    ReleaseExecution,
    Result,
    Succeeded,
)
from grctl.worker.execution_clock import ExecutionClock, Monotonic
from grctl.worker.executor import carry_out
from grctl.worker.failure import failure_of
from grctl.worker.journal import HandlerJournal, JournalSetup, Sleep
from grctl.worker.logs import fields_of
from grctl.worker.recording import Recorder
from grctl.worker.store import store_after
from grctl.workflow.workflow import Workflow

logger = get_logger(__name__)

RESULTS = ("succeeded", "failed", "refused")
CLEAN_UP_S = 1.0  # for handlers to clean up after they were cancelled

Values = dict[str, Any]

Send = Callable[[Outcome | Declined | RecordOperations], Awaitable[None]]
"""Sends a message to the operator. A message may be lost: the outcome stays held."""


@dataclass
class _Held:
    execution: Execution
    clock: ExecutionClock
    outcome: Outcome | None = None
    task: asyncio.Task[None] | None = None
    begun: bool = False
    base: "_Held | None" = None
    """The execution that it was built on, until it begins; None if it was not sent ahead."""
    store_after: Values | None = None
    """The store that it leaves, if its run then waits for an event."""
    committed: asyncio.Event = field(default_factory=asyncio.Event)
    """Is set once the operator says that its outcome is committed."""
    journal: HandlerJournal | None = None
    """What its handler records; None before it begins."""


class HeldExecutions:
    """The executions that a worker runs, and those whose outcomes it holds.

    Args:
        workflows: Workflows by their type.
        capacity: How many handlers run at once.
        send: Sends each outcome to the operator.
        protocol: Returns the version of the protocol that the operator and the worker use.
        sleep: Waits for a number of seconds: between the attempts at a task, and in `ctx.sleep`.
        monotonic: A monotonic clock, in seconds.
    """

    def __init__(
        self,
        workflows: Mapping[str, Workflow],
        capacity: int,
        send: Send,
        *,
        protocol: Callable[[], int] = lambda: SPOKEN.highest,
        sleep: Sleep = asyncio.sleep,
        monotonic: Monotonic = time.monotonic,
    ) -> None:
        self.empty = asyncio.Event()
        self.empty.set()
        self._workflows = workflows
        self._places = asyncio.Semaphore(capacity)
        self._send = send
        self._held: dict[str, _Held] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.handled: Counter[tuple[str, str]] = Counter()
        """How many executions have a result, by the handler's kind and the kind of result."""
        self.tasks: Counter[str] = Counter()
        """How many calls of tasks there were, by TASK_RESULTS, and how many attempts at them."""
        self._protocol = protocol
        self._sleep = sleep
        self._monotonic = monotonic
        self._warned = False
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

    @property
    def unanswered(self) -> tuple[RecordOperations | Outcome, ...]:
        """What the operator may not have received: the records of each execution, then outcomes.

        An operator that keeps no records has none to answer, so no handler waits for it any more.
        """
        journals = [each.journal for each in self._held.values() if each.journal]
        if not self._keeps_records():
            for journal in journals:
                journal.give_up_recording()
        records = [message for journal in journals if (message := journal.repeat())]
        return (*records, *self.outcomes)

    async def accept(self, execute: Execute) -> None:
        """Run an execution, unless it is held already."""
        held = self._held.get(execute.execution.id)
        if held is None:
            await self._begin(execute)
        elif held.outcome is not None:
            await self._send(held.outcome)

    def on_recorded(self, message: RecordedOperations) -> None:
        """Note which of an execution's records are durable."""
        held = self._held.get(message.execution)
        if held is not None and held.journal is not None:
            held.journal.on_recorded(message)

    def release(self, release: ReleaseExecution) -> None:
        """Forget an execution, and stop it if it still runs."""
        held = self._held.pop(release.execution, None)
        if held is None:
            return
        if release.committed:
            held.committed.set()
        else:
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
        clock = ExecutionClock(execute.time, self._monotonic)
        held = self._held[execute.execution.id] = _Held(execute.execution, clock, base=base)
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
        base, held.base = held.base, None
        if base is not None:
            store = base.store_after
            if store is None:
                await self._decline(held)
                return
            execute = execute.model_copy(update={"store": store})
        async with self._places:
            held.begun = True
            result = await self._carry_out(held, execute, base)
        if held.execution.id not in self._held:
            return  # released, and the handler ignored its cancellation
        held.store_after = _store_after(execute.store, result)
        self._set_outcome(held, result)
        await self._send_end(held)

    async def _carry_out(self, held: _Held, execute: Execute, base: _Held | None) -> Result:
        """Run a handler; again if it saw a result that another attempt recorded otherwise."""
        journal = HandlerJournal(
            execute.execution, execute.journal, self._journal_setup(held, base)
        )
        held.journal = journal
        result = await carry_out(self._workflows, execute, journal)
        while journal.contradicted:
            logger.warning("execution runs again", extra=fields_of(held.execution))
            held.journal = journal = journal.run_again()
            result = await carry_out(self._workflows, execute, journal)
        return result

    def _journal_setup(self, held: _Held, base: _Held | None) -> JournalSetup:
        records = self._keeps_records()
        return JournalSetup(
            clock=held.clock,
            recorder=Recorder(held.execution, self._send) if records else None,
            base_committed=base.committed if base is not None and records else None,
            sleep=self._sleep,
            counts=self.tasks,
            on_unrecorded=None if records else self._warn_unrecorded,
        )

    def _keeps_records(self) -> bool:
        return self._protocol() >= RECORDING_PROTOCOL_VERSION

    def _warn_unrecorded(self) -> None:
        """Log once that this operator keeps no records."""
        if not self._warned:
            self._warned = True
            logger.warning(
                "tasks are not recorded: upgrade the operator",
                extra={"protocol": self._protocol(), "needed": RECORDING_PROTOCOL_VERSION},
            )

    def _set_outcome(self, held: _Held, result: Result) -> None:
        records = held.journal.unanswered if held.journal is not None else None
        held.outcome = Outcome(execution=held.execution, result=result, records=records)
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

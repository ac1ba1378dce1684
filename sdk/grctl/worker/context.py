"""Context: a handler's first argument, by which it reads and changes its run."""

import itertools
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from grctl.dialect import attribute_elsewhere
from grctl.models.phases import HandlerKind
from grctl.models.wire import Execute, Execution
from grctl.worker.call_identity import handler_key
from grctl.worker.chance import derived_random, derived_uuid
from grctl.worker.journal import HandlerJournal
from grctl.worker.logs import HandlerLogger
from grctl.worker.recorded_time import recorded_now, recorded_sleep
from grctl.worker.store import Store
from grctl.worker.transitions import Transitions
from grctl.workflow.workflow import Workflow

NO_CHILDREN = (
    "there are no child workflows yet. Start another run with grctl.client.Client in a task, under"
    " an id made from ctx.run.idempotency_key, and let it send an event back"
)
CONTEXT_ELSEWHERE = {
    "start": NO_CHILDREN,
    "start_child": NO_CHILDREN,
    "run_child": NO_CHILDREN,
    "send_to_parent": "there are no child workflows yet. Send an event to another run with"
    " grctl.client.Client in a task, to a workflow id that came with the input",
    "run_info": "write ctx.run",
    "run_task": "call the task: await charge(order_id)",
}
"""What stands for the attributes that a context of the first grctl has."""


@dataclass(frozen=True, slots=True)
class CurrentEvent:
    """The event that is being handled."""

    name: str
    """Its event name, such as `approve`."""
    object_name: str
    """Name of its WorkflowEvent."""
    uid: str
    """Uid of its WorkflowEvent."""


@dataclass(frozen=True, slots=True)
class CurrentRun:
    """The run, and this execution of one of its handlers."""

    workflow_id: str
    workflow_type: str
    namespace: str
    uid: str
    """Uid of the run. Each run has a new one, also if it has the workflow id of an earlier run."""
    execution_id: str
    """Id of this execution. Each attempt has a new one."""
    attempt: int
    """1, and one more for each worker that was lost while it ran this handler."""
    idempotency_key: str
    """The same for every attempt at this handler, and for nothing else. Pass it to other systems,
    so that they do something once."""
    event: CurrentEvent | None
    """The event that is being handled; None in a start handler and in a step."""

    @property
    def id(self) -> str:
        """The uid of the run."""
        return self.uid

    @property
    def wf_id(self) -> str:
        """The workflow id."""
        return self.workflow_id

    @property
    def wf_type(self) -> str:
        """The workflow type."""
        return self.workflow_type


class Context:
    """First argument of every handler.

    Attributes:
        run: The run, and this attempt at the handler.
        store: The values that the run keeps from one handler to the next.
        next: The transitions: return one of them.
        logger: A logger whose records name the run and the handler.

    `now`, `uuid4` and `random` are the same in every attempt at the handler, so that it takes the
    same way again.

    Example:
        >>> @order.event()
        ... async def approve(ctx: Context) -> Directive:
        ...     ctx.store.put("status", "approved")
        ...     return ctx.next.step(fulfill)
    """

    def __init__(
        self, workflow: Workflow, execute: Execute, journal: HandlerJournal | None = None
    ) -> None:
        execution = execute.execution
        self.run = _current_run(execution)
        self.store = Store(execute.store)
        self.next = Transitions(workflow)
        self.logger = HandlerLogger(execution)
        self._journal = journal
        self._uuids = itertools.count(1)
        self._numbers = itertools.count(1)

    async def now(self) -> datetime:
        """Return the present time of the API server, in UTC.

        It is recorded: a further attempt at the handler is given the same time.
        """
        return await recorded_now(self._journal)

    async def sleep(self, duration: timedelta | float) -> None:
        """Sleep for a while. A further attempt at the handler sleeps the rest.

        The handler stays in its worker, so sleep for seconds. For longer, end it with
        `ctx.next.step(..., after=...)`.

        Args:
            duration: A timedelta, or seconds.

        Raises:
            TypeError: it is neither of both.
            ValueError: it is negative, not finite or too long.
        """
        await recorded_sleep(self._journal, duration)

    async def uuid4(self) -> UUID:
        """Return a UUID that is the same in every attempt at the handler.

        It is derived from the run's uid and never written, so it is not secret.
        """
        return derived_uuid(self.run.idempotency_key, next(self._uuids))

    async def random(self) -> float:
        """Return a number from 0 up to, but not including, 1: the same in every attempt.

        It is derived from the run's uid and never written, so it is not secret.
        """
        return derived_random(self.run.idempotency_key, next(self._numbers))

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            raise attribute_elsewhere(self, name, CONTEXT_ELSEWHERE)


def _current_run(execution: Execution) -> CurrentRun:
    return CurrentRun(
        workflow_id=execution.workflow_id,
        workflow_type=execution.workflow_type,
        namespace=execution.namespace,
        uid=execution.run_uid,
        execution_id=execution.id,
        attempt=execution.attempt,
        idempotency_key=handler_key(execution),
        event=_current_event(execution),
    )


def _current_event(execution: Execution) -> CurrentEvent | None:
    if execution.handler_kind is not HandlerKind.EVENT or not execution.event:
        return None
    return CurrentEvent(execution.handler_name, execution.event, execution.event_uid or "")

"""Context: a handler's first argument, by which it reads and changes its run."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from grctl.dialect import attribute_elsewhere
from grctl.models.phases import HandlerKind
from grctl.models.wire import Execute, Execution
from grctl.worker.logs import HandlerLogger
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

    Example:
        >>> @order.event()
        ... async def approve(ctx: Context) -> Directive:
        ...     ctx.store.put("status", "approved")
        ...     return ctx.next.step(fulfill)
    """

    def __init__(self, workflow: Workflow, execute: Execute) -> None:
        execution = execute.execution
        self.run = _current_run(execution)
        self.store = Store(execute.store)
        self.next = Transitions(workflow)
        self.logger = HandlerLogger(execution)

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
        idempotency_key=f"{execution.run_uid}-{execution.event_uid or execution.commits}",
        event=_current_event(execution),
    )


def _current_event(execution: Execution) -> CurrentEvent | None:
    if execution.handler_kind is not HandlerKind.EVENT or not execution.event:
        return None
    return CurrentEvent(execution.handler_name, execution.event, execution.event_uid or "")

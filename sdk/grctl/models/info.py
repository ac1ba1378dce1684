"""RunInfo: a run as the SDK shows it."""

from datetime import datetime
from typing import Any

from grctl.models.answers import answered_values
from grctl.models.base import Model
from grctl.models.phases import RunPhase
from grctl.models.run import EventCounts, RunError, Step, Wait, WorkflowRun
from grctl.models.task_info import TaskInfo, tasks_of


class RunInfo(Model):
    """The state of a run at one moment. Times are UTC."""

    workflow_id: str
    workflow_type: str
    namespace: str
    uid: str
    phase: RunPhase
    message: str
    created_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    commits: int
    """How many outcomes and decisions were committed."""
    step: Step | None
    wait: Wait | None
    tasks: tuple[TaskInfo, ...]
    """The tasks that the handler which is due has recorded."""
    event_names: tuple[str, ...]
    """Events that connected workers handle, by the run's status; empty if not known."""
    past_event_names: tuple[str, ...]
    """Events that only earlier workers handled. Such an event waits for such a worker."""
    inbox_length: int
    events: EventCounts
    store: dict[str, Any]
    answers: dict[str, Any]
    """The answers to the workflow's queries at the last commit."""
    result: Any
    error: RunError | None

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

    @classmethod
    def of(cls, run: WorkflowRun) -> "RunInfo":
        """Return the information that a run's object holds."""
        status = run.status
        return cls(
            workflow_id=run.metadata.name,
            workflow_type=run.spec.workflow.type,
            namespace=run.metadata.namespace,
            uid=run.metadata.uid,
            phase=status.phase,
            message=status.message,
            created_at=run.metadata.creation_timestamp,
            started_at=status.started_at,
            finished_at=status.finished_at,
            commits=status.commits,
            step=status.step,
            wait=status.wait,
            tasks=tasks_of(status),
            event_names=status.event_names,
            past_event_names=status.past_event_names,
            inbox_length=status.inbox_length,
            events=status.events,
            store=status.store,
            answers=answered_values(status.answers),
            result=status.result,
            error=status.error,
        )

"""WorkflowEvent: a signal to a run. Its object is the only place where its payload is kept.

1. `spec` never changes. An event is sent by creating it.
2. The object's name is the sender's idempotency key while the object exists.
3. Deleting it asks to withdraw it.
"""

from typing import Any

from pydantic import Field

from grctl.models.base import API_VERSION, Count, Message, Model, Moment, Name
from grctl.models.meta import Condition, ObjectMeta
from grctl.models.phases import EventPhase


class EventSpec(Model):
    """The name and the payload of an event, and its run. Immutable."""

    workflow_id: str = Field(
        min_length=1,
        max_length=253,
        description="Name of the WorkflowRun it is for. The run need not exist yet.",
    )
    event_name: str = Field(
        min_length=1,
        max_length=253,
        description="Name of the event handler that is to run.",
    )
    payload: Any = Field(
        default=None,
        description="Data for the handler: any JSON. An object is unpacked as its arguments.",
    )
    run_uid: Name | None = Field(
        default=None,
        description="Uid of the run it is for; another run of that id rejects it (RunGone).",
    )


class EventStatus(Model):
    """The state of an event. Only the operator writes it."""

    phase: EventPhase = Field(
        default=EventPhase.PENDING, description="Pending, then Processed, Failed or Rejected."
    )
    observed_generation: Count = Field(
        default=0, description="metadata.generation of the spec that this status has seen."
    )
    sequence: Count | None = Field(
        default=None, description="Its number among the settled events of its run, from 1."
    )
    place: Count | None = Field(
        default=None,
        description="Its place in the arrival order, kept here when somebody else changed it.",
    )
    run_uid: Name | None = Field(default=None, description="Uid of the run that settled it.")
    reason: Name | None = Field(
        default=None, description="One word that says why; docs/reference/reasons.md lists all."
    )
    message: Message | None = Field(default=None, description="The reason for people.")
    handler: Name | None = Field(default=None, description="Name of the handler that handled it.")
    worker: Name | None = Field(default=None, description="Worker on which that handler ran.")
    started_at: Moment | None = Field(
        default=None, description="When the last attempt at that handler began."
    )
    attempts: Count | None = Field(
        default=None, description="How many attempts at that handler there were."
    )
    tasks: Message | None = Field(
        default=None, description="The tasks that it recorded, with their attempts: charge (3)."
    )
    commit: Count | None = Field(
        default=None, description="The number of its run's commit that consumed it."
    )
    settled_at: Moment | None = Field(default=None, description="When its fate was committed.")
    conditions: tuple[Condition, ...] = Field(
        default=(),
        description="List of what is so: Succeeded; Stalled where it was not handled. Each has"
        " type, status, reason, message, lastTransitionTime.",
    )


class WorkflowEvent(Model):
    """A signal to a workflow run. Creating it sends it; its phase says what became of it.

    It is handled in the order of creation among all events of its run, whatever their names.
    """

    api_version: str = API_VERSION
    kind: str = "WorkflowEvent"
    metadata: ObjectMeta
    spec: EventSpec = Field(description="What is sent, and to which run. Cannot be changed.")
    status: EventStatus = Field(
        default_factory=EventStatus, description="What became of it; only the operator writes it."
    )

"""HistoryItem: one thing that happened to a run, as the history shows it.

A history is put together of what the API objects still tell. Where they do not tell everything, an
item of kind `gap` says what is missing.
"""

from enum import StrEnum
from typing import Any

from grctl.models.base import Model, Moment
from grctl.models.phases import EventPhase

MAX_HISTORY_PAYLOAD_BYTES = 4 * 1024
"""A larger payload is left out of a history: an event may have 512 KiB, and there may be thousands
of events."""


class HistoryKind(StrEnum):
    """What an item of a history is about."""

    CREATED = "created"
    """The run was created."""
    START = "start"
    """The start handler has an outcome."""
    STEP = "step"
    """A step has an outcome."""
    EVENT = "event"
    """An event was consumed: handled, or rejected."""
    REJECTION = "rejection"
    """Events were rejected together."""
    TIMEOUT = "timeout"
    """A wait timed out."""
    SPEC = "spec"
    """The run ended by its spec: cancelled, terminated, or out of time."""
    TASK = "task"
    """The handler that is due has recorded a task."""
    HELD = "held"
    """The handler that is due is held until somebody retries it."""
    WAITING = "waiting"
    """An event waits for its turn."""
    FINISHED = "finished"
    """The run finished."""
    GAP = "gap"
    """Something happened here that no object tells any more."""


class HistoryEvent(Model):
    """The event of an item: what was sent, by whom, and what became of it."""

    name: str
    """Name of the WorkflowEvent."""
    uid: str | None = None
    event_name: str | None = None
    payload: Any = None
    """What was sent. None if there was nothing, or if it was left out."""
    payload_bytes: int = 0
    """The size of the payload. One over MAX_HISTORY_PAYLOAD_BYTES is left out of `payload`."""
    sender: str | None = None
    """The program that created the WorkflowEvent, as the API server noted it, such as
    `kubectl-create`; None if the API server did not note it."""
    created_at: Moment | None = None
    sequence: int | None = None
    """Its number among the settled events of the run."""
    phase: EventPhase = EventPhase.PENDING
    reason: str | None = None
    message: str | None = None


class HistoryItem(Model):
    """One thing that happened to a run, or a gap in what is known. Times are UTC."""

    kind: HistoryKind
    at: Moment | None = None
    """When it happened, by the API server's clock; None if that is not known."""
    text: str
    """What happened, for people."""
    commit: int | None = None
    """The number of the commit; None if it was none, or if that is not known."""
    handler: str | None = None
    """Name of the handler, or of the task."""
    event: HistoryEvent | None = None
    worker: str | None = None
    """The worker that ran the handler; None if the operator that settled the event did not know
    it, because it had taken over from another one."""
    began_at: Moment | None = None
    """When the last attempt at the handler began."""
    attempts: int | None = None
    tasks: str | None = None
    """The recorded tasks, with their attempts: `charge (3), mail`."""
    missing: int = 0
    """Of a gap: how many commits or events are missing."""

"""The phases of a run and of an event, and which of them are final."""

from enum import StrEnum


class RunPhase(StrEnum):
    """Where a run stands."""

    PENDING = "Pending"
    """Nothing of it has run yet."""
    RUNNING = "Running"
    """A handler runs, or is about to."""
    WAIT_EVENT = "WaitEvent"
    """It waits for an event."""
    COMPLETED = "Completed"
    """A handler returned `ctx.next.complete()`."""
    FAILED = "Failed"
    """A handler raised, or could not be executed; `status.error` says why."""
    CANCELLED = "Cancelled"
    """`spec.cancel` was set: it ended between two handlers."""
    TERMINATED = "Terminated"
    """`spec.terminate` was set: it ended at once."""
    TIMED_OUT = "TimedOut"
    """`spec.workflow.timeout` passed before it finished."""

    @property
    def finished(self) -> bool:
        """Whether a run of this phase stays as it is."""
        return self in FINISHED


FINISHED = frozenset(
    {
        RunPhase.COMPLETED,
        RunPhase.FAILED,
        RunPhase.CANCELLED,
        RunPhase.TERMINATED,
        RunPhase.TIMED_OUT,
    }
)


class EventPhase(StrEnum):
    """Where an event stands. It leaves Pending once, for good."""

    PENDING = "Pending"
    """Accepted, waiting for its turn or for its run."""
    PROCESSED = "Processed"
    """Its handler's outcome is committed."""
    FAILED = "Failed"
    """Its handler raised, or no worker survived it; the run failed with it."""
    REJECTED = "Rejected"
    """It was not handed to a handler; `status.reason` and `status.message` say why."""

    @property
    def settled(self) -> bool:
        """Whether an event of this phase stays as it is."""
        return self is not EventPhase.PENDING


SETTLED_PHASES = (EventPhase.PROCESSED, EventPhase.FAILED, EventPhase.REJECTED)

UNSETTLED_SELECTOR = ",".join(f"status.phase!={phase.value}" for phase in SETTLED_PHASES)
"""Field selector of events that still wait. It excludes the final phases, as an event without a
phase waits too."""

SETTLED_SELECTOR = f"status.phase!={EventPhase.PENDING.value}"
"""Field selector of settled events; it also selects events whose phase is absent."""


class HandlerKind(StrEnum):
    """Which decorator made a handler."""

    START = "start"
    STEP = "step"
    EVENT = "event"

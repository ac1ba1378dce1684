"""Every reason a person can meet in a status, a condition or a core Event, and what to do about it.

A reason is one word that never changes its meaning; the message beside it may change.
The docstring under each constant is the text of `docs/reference/reasons.md`.
"""

from enum import StrEnum


class EventReason(StrEnum):
    """Why an event was settled as it was (`status.reason` of a WorkflowEvent)."""

    HANDLED = "Handled"
    """The run's handler for it ran and its outcome is committed. Nothing to do."""
    HANDLER_FAILED = "HandlerFailed"
    """The handler raised. The run failed with it; see the run's `status.error`."""
    WORKER_LOST = "WorkerLost"
    """An earlier version of grctl failed a run whose handler ended the process of its worker again
    and again; now such a handler is held. See the run's message."""
    UNKNOWN_EVENT = "UnknownEvent"
    """No worker of the run's type has a handler of that name. Send one of the names listed."""
    BAD_PAYLOAD = "BadPayload"
    """The payload does not fit the handler's parameters. Send it again as the message describes."""
    RUN_FINISHED = "RunFinished"
    """The run had finished. Start it anew, then send the event again."""
    RUN_DELETED = "RunDeleted"
    """The run was deleted while the event waited. Start it anew, then send the event again."""
    RUN_GONE = "RunGone"
    """It was sent to an earlier run of this id (`spec.runUid`). Send it to the present one."""
    NO_SUCH_RUN = "NoSuchRun"
    """No run of its id came in time (`grctl operator --orphan-timeout`). Start the run, then send
    the event again."""


class RunReason(StrEnum):
    """Why a run is as it is (reason of its conditions and of core Events on it)."""

    STARTING = "Starting"
    """Its start handler has not been committed yet. Nothing to do."""
    RUNNING = "Running"
    """A handler runs. Nothing to do."""
    WAITING_FOR_EVENT = "WaitingForEvent"
    """It waits for an event; the message says which names would fit."""
    NO_WORKER = "NoWorker"
    """No connected worker serves its type. Start one, or correct `spec.workflow.type`."""
    NO_HANDLER = "NoHandler"
    """No connected worker has the handler that is next. Deploy the version that has it."""
    NO_TIMEOUT_STEP = "NoTimeoutStep"
    """No connected worker has the step that its wait times out to. Deploy the version that has it
    before the deadline; events are handled meanwhile."""
    WORKERS_BUSY = "WorkersBusy"
    """All workers that could go on with it are at their capacity. Add workers, or wait."""
    SETTLING = "Settling"
    """Too many handled events still wait for their final status, so no more are handled for now.
    The API server is slow, or refuses the writes; the operator's log says why."""
    WORKER_LOST = "WorkerLost"
    """A worker went away while it ran a handler. That is tried again, alone on its worker. If it
    ends the worker's process more often than `spec.backoffLimit` allows, it is held: mend the
    cause, then raise `spec.retry`: `grctl retry ID`."""
    LOOP_BLOCKED = "LoopBlocked"
    """A handler blocks the event loop of its worker, and nothing else runs there. The message names
    it and the line. Run the call that blocks by `asyncio.to_thread`."""
    SLOWED_DOWN = "SlowedDown"
    """Many of its steps in a row were not caused by an event: a step returns itself. It goes on,
    ten steps a second. Make the step wait for an event, or for a timeout, before it goes on."""
    COMPLETED = "Completed"
    """It completed; `status.result` holds what it returned."""
    HANDLER_FAILED = "HandlerFailed"
    """A handler raised. If the run failed with it, `status.error` holds type, message and stack
    trace. If the handler is held (`Stalled`), mend the cause, then raise `spec.retry`: `grctl retry
    ID`."""
    HANDLER_TIMED_OUT = "HandlerTimedOut"
    """An attempt at a handler took longer than the handler's `timeout`. It is tried again
    as its retry policy says; after the last attempt the run fails, or the handler is held
    (`Stalled`): make it quicker or its timeout longer, then raise `spec.retry`:
    `grctl retry ID`."""
    RETRYING = "Retrying"
    """A handler raised and is tried again, as its retry policy says; the message says when."""
    TASK_RETRYING = "TaskRetrying"
    """A task failed and is tried again, as its retry policy says; the message says when."""
    NON_DETERMINISTIC = "NonDeterministic"
    """A handler ran other code than the attempt before it: what is recorded does not fit. Deploy
    the version that fits, then raise `spec.retry`: `grctl retry ID`."""
    DELAYED = "Delayed"
    """Its next step begins at a later time; the message says when. Nothing to do."""
    BAD_INPUT = "BadInput"
    """`spec.workflow.input` does not fit the start handler. Delete the run, and start it with an
    input that fits."""
    BAD_OUTCOME = "BadOutcome"
    """A handler's outcome cannot be kept: no Directive, a value that is not JSON, or too much."""
    FAILED = "Failed"
    """It failed; the message and `status.error` say why. Remove the cause, then start it anew."""
    REJECTED = "Rejected"
    """Events sent to it were rejected; each says why in its own status."""
    TOO_LARGE = "TooLarge"
    """The API server refused its status as too large. Start it anew, and keep less in its store."""
    CANCELLED = "Cancelled"
    """Somebody set `spec.cancel`."""
    TERMINATED = "Terminated"
    """Somebody set `spec.terminate`."""
    TIMED_OUT = "TimedOut"
    """`spec.workflow.timeout` passed before it finished."""
    DELETING = "Deleting"
    """Somebody deleted it; its events are settled, then it is removed. Nothing to do."""
    RESTORED = "Restored"
    """The status belongs to another object (a backup, a copy). Delete it, or clear its status."""
    RECONCILE_FAILED = "ReconcileFailed"
    """The operator could not work on it; it tries again. The message holds the error."""
    UNREADABLE = "Unreadable"
    """The operator cannot read the object, and skips it until it is changed. The message says what
    is wrong. Correct that, or delete the object."""
    NO_SUCH_RUN = "NoSuchRun"
    """An event waits for a run that does not exist. Start the run, or delete the event."""

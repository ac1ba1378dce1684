"""What can go wrong between a client and a run. Every message says how to go on."""

from grctl.models.errors import (
    WorkflowAlreadyRunningError,
    WorkflowError,
    WorkflowNotFoundError,
)
from grctl.models.run import RunError

__all__ = [
    "AnswerTypeError",
    "CrdsMissingError",
    "EventGoneError",
    "EventNameTakenError",
    "InvalidNameError",
    "QueryFailedError",
    "ResultTypeError",
    "RunNotHeldError",
    "RunNotReleasedError",
    "UnknownQueryError",
    "UnreadableObjectError",
    "WorkflowAlreadyRunningError",
    "WorkflowCancelledError",
    "WorkflowError",
    "WorkflowFailedError",
    "WorkflowNotFoundError",
    "WorkflowTerminatedError",
    "WorkflowTimedOutError",
]


class InvalidNameError(WorkflowError, ValueError):
    """A workflow id or an event object's name is not one that Kubernetes accepts."""


class CrdsMissingError(WorkflowError):
    """The cluster does not know the resources of grctl."""


class RunNotReleasedError(WorkflowError):
    """A run of that workflow id is being deleted, and no operator releases it."""


class EventNameTakenError(WorkflowError):
    """There is another event of that object's name: the name is the sender's idempotency key."""


class EventGoneError(WorkflowError):
    """The event was deleted before it was seen settled."""


class UnreadableObjectError(WorkflowError):
    """A run or an event has a field that cannot be read, as somebody has written it by hand.

    Attributes:
        problem: The first such field and what is wrong with it, such as
            `status.commits: Input should be a valid integer`.
    """

    def __init__(self, message: str, problem: str = "") -> None:
        super().__init__(message)
        self.problem = problem


class RunNotHeldError(WorkflowError):
    """The run is not held, so it cannot be retried; the message says what it does."""


class UnknownQueryError(WorkflowError):
    """The run has no answer to a query of that name; the message names those that it has."""


class QueryFailedError(WorkflowError):
    """A query could not be answered at the run's last commit; the message says why."""


class AnswerTypeError(WorkflowError, TypeError):
    """The answer to a query does not fit the type that it was asked for as."""


class ResultTypeError(WorkflowError, TypeError):
    """The result of a run does not fit the type that it was asked for as."""


class WorkflowFailedError(WorkflowError):
    """The run failed.

    Attributes:
        error: Type, message and stack trace, as the run's status has them; None without any.
    """

    def __init__(self, message: str, error: RunError | None = None) -> None:
        super().__init__(message)
        self.error = error
        if error is not None and error.stack_trace:
            self.add_note(f"In the worker:\n{error.stack_trace}")


class WorkflowCancelledError(WorkflowError):
    """The run was cancelled."""


class WorkflowTerminatedError(WorkflowError):
    """The run was terminated."""


class WorkflowTimedOutError(WorkflowError):
    """The run took longer than its `workflow_timeout`."""

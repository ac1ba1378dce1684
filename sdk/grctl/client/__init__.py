"""The client: starts runs, sends events, waits for results. It speaks to the Kubernetes API only.

Errors of this package are `WorkflowError`s. Beside them: `TimeoutError` where a `timeout` passed,
`TypeError` and `ValueError` for arguments that cannot be sent, and `grctl.kube`'s `ApiError` and
`UnreachableError` for what the API server refuses or does not answer.
"""

from grctl.client.client import Client
from grctl.client.errors import (
    CrdsMissingError,
    EventGoneError,
    EventNameTakenError,
    InvalidNameError,
    RunNotReleasedError,
    WorkflowAlreadyRunningError,
    WorkflowCancelledError,
    WorkflowError,
    WorkflowFailedError,
    WorkflowNotFoundError,
    WorkflowTerminatedError,
    WorkflowTimedOutError,
)
from grctl.client.handle import WorkflowHandle
from grctl.client.sending import SentEvent

__all__ = [
    "Client",
    "CrdsMissingError",
    "EventGoneError",
    "EventNameTakenError",
    "InvalidNameError",
    "RunNotReleasedError",
    "SentEvent",
    "WorkflowAlreadyRunningError",
    "WorkflowCancelledError",
    "WorkflowError",
    "WorkflowFailedError",
    "WorkflowHandle",
    "WorkflowNotFoundError",
    "WorkflowTerminatedError",
    "WorkflowTimedOutError",
]

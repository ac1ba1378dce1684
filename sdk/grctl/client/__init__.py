"""The client: starts runs, sends events, waits for results. It talks to the Kubernetes API only.

Errors of this package are `WorkflowError`s. Others are `TimeoutError` if a `timeout` has passed,
`TypeError` and `ValueError` for arguments that cannot be sent, and two of `grctl.kube`: `ApiError`
for a refused request and `UnreachableError` for a request without an answer.
"""

from typing import TYPE_CHECKING

from grctl.client.client import Client
from grctl.client.errors import (
    AnswerTypeError,
    CrdsMissingError,
    EventGoneError,
    EventNameTakenError,
    InvalidNameError,
    QueryFailedError,
    ResultTypeError,
    RunNotHeldError,
    RunNotReleasedError,
    UnknownQueryError,
    UnreadableObjectError,
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
from grctl.dialect import names_elsewhere
from grctl.nats import NO_CONNECTION

__all__ = [
    "AnswerTypeError",
    "Client",
    "CrdsMissingError",
    "EventGoneError",
    "EventNameTakenError",
    "InvalidNameError",
    "QueryFailedError",
    "ResultTypeError",
    "RunNotHeldError",
    "RunNotReleasedError",
    "SentEvent",
    "UnknownQueryError",
    "UnreadableObjectError",
    "WorkflowAlreadyRunningError",
    "WorkflowCancelledError",
    "WorkflowError",
    "WorkflowFailedError",
    "WorkflowHandle",
    "WorkflowNotFoundError",
    "WorkflowTerminatedError",
    "WorkflowTimedOutError",
]

if not TYPE_CHECKING:
    __getattr__ = names_elsewhere(
        __name__,
        {
            "Connection": NO_CONNECTION,
            "get_logger": "write logging.getLogger(__name__)",
            "setup_logging": "`grctl worker` sets logging up; in a program of your own, write"
            " logging.basicConfig(level=logging.INFO)",
        },
    )

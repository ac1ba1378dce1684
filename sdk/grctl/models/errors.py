"""The errors that tell a client what became of its request; `grctl.client` has all of them."""

from typing import TYPE_CHECKING

from grctl.dialect import names_elsewhere

if not TYPE_CHECKING:
    __getattr__ = names_elsewhere(
        __name__,
        {
            "WorkflowTypeNotRegisteredError": "a run that no worker serves waits for one, and its"
            " message says so (reason NoWorker)"
        },
    )


class WorkflowError(Exception):
    """Base of all errors of the client."""


class WorkflowNotFoundError(WorkflowError):
    """There is no run of that workflow id, or no longer the one that was meant."""


class WorkflowAlreadyRunningError(WorkflowError):
    """A run of that workflow id is active."""

"""The errors that tell a client what became of its request; `grctl.client` has all of them."""


class WorkflowError(Exception):
    """Base of all errors of the client."""


class WorkflowNotFoundError(WorkflowError):
    """There is no run of that workflow id, or no longer the one that was meant."""


class WorkflowAlreadyRunningError(WorkflowError):
    """A run of that workflow id is active."""

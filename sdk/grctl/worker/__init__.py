"""The worker: runs the handlers of workflows, without any call of the Kubernetes API.

It connects to the operator, takes executions from it, and sends their outcomes back.

`task` is the decorator here. The import below binds it over the module of that name, which Python
has bound before.
"""

from typing import TYPE_CHECKING

from grctl.dialect import names_elsewhere
from grctl.worker.context import NO_CHILDREN, Context
from grctl.worker.store import StoreKeyNotFoundError, StoreTypeError
from grctl.worker.task import task
from grctl.worker.worker import Worker

__all__ = ["Context", "StoreKeyNotFoundError", "StoreTypeError", "Worker", "task"]

if not TYPE_CHECKING:
    __getattr__ = names_elsewhere(__name__, {"ChildOutcome": NO_CHILDREN})

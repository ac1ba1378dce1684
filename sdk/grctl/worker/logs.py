"""ctx.logger: a logger whose records have fields that tell which execution they are about.

Fields: run (NAMESPACE/ID, as in the operator's log), workflow, event, handler, attempt, execution.
A payload is never a field.
"""

import logging
from collections.abc import MutableMapping
from typing import Any

from grctl.logs.loggers import fields_from, get_logger
from grctl.models.wire import Execution

HANDLERS = get_logger("grctl.handlers")


class HandlerLogger(logging.LoggerAdapter[logging.Logger]):
    """Adds the fields of one execution to each record, beside those of the call."""

    def __init__(self, execution: Execution) -> None:
        super().__init__(HANDLERS, fields_of(execution))

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        """Add the execution's fields to those of the call."""
        return msg, {**kwargs, "extra": {**(self.extra or {}), **fields_from(kwargs.get("extra"))}}


def fields_of(execution: Execution) -> dict[str, Any]:
    """Return the fields of a log record about an execution."""
    return {
        "run": f"{execution.namespace}/{execution.workflow_id}",
        "workflow": execution.workflow_type,
        "event": execution.event,
        "handler": execution.handler_name,
        "attempt": execution.attempt,
        "execution": execution.id,
    }

"""ctx.logger: a logger whose records carry what they are about, as fields.

Fields: run (NAMESPACE/ID, as in the operator's log), workflow, event, handler, attempt, execution.
Never a payload.
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
        """Put the fields beside those that the call brings."""
        return msg, {**kwargs, "extra": {**(self.extra or {}), **fields_from(kwargs.get("extra"))}}


def fields_of(execution: Execution) -> dict[str, Any]:
    """Give what a log record says of an execution."""
    return {
        "run": f"{execution.namespace}/{execution.workflow_id}",
        "workflow": execution.workflow_type,
        "event": execution.event,
        "handler": execution.handler_name,
        "attempt": execution.attempt,
        "execution": execution.id,
    }

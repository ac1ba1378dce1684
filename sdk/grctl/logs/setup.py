"""How our processes log: constant messages with fields, on standard error.

Our own records are written whatever users' code does to the root logger.
"""

import logging
import sys
from typing import Any

from grctl.logs.formats import ConsoleFormatter, JsonFormatter
from grctl.logs.loggers import get_logger, write_to_standard_error


def set_up(level: str, form: str) -> None:
    """Log everything of this process to standard error; `form` is `json` or `console`."""
    _leave_out_what_is_not_shown()
    handler = _Handler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else ConsoleFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for noisy in ("kopf", "aiohttp.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    _keep_ours(level.upper(), handler)


class _Handler(logging.StreamHandler[Any]):
    """Writes to a stream; if that fails, says so in one line and goes on."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  as the base class has it
        """Write to standard error that a record was lost."""
        error = sys.exc_info()[1]
        write_to_standard_error(f"log record of {record.name} lost: {type(error).__name__}")


class _WhereRootHasNone(logging.Handler):
    """Hands records to a handler as long as the root logger has no handler at all."""

    def __init__(self, handler: logging.Handler) -> None:
        super().__init__()
        self._handler = handler

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record that nobody else writes."""
        if not logging.getLogger().handlers:
            self._handler.handle(record)


def _keep_ours(level: str, handler: logging.Handler) -> None:
    """Keep writing our records if users change the root logger's level or remove its handlers."""
    ours = get_logger("grctl")
    ours.setLevel(level)
    ours.handlers[:] = [_WhereRootHasNone(handler)]


def _leave_out_what_is_not_shown() -> None:
    """Find out nothing that no line has: three records an event are to be cheap.

    As the standard library's logging HOWTO says under "Optimization".
    """
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # noqa: SLF001  so it is documented; else it looks for the line of code

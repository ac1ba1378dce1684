"""Set up the logging of our processes: constant messages with fields, on standard error.

Our own records are written also if users' code changes the root logger.
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
    """Writes to a stream. If that fails, it writes one line to descriptor 2 and goes on."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  as the base class has it
        """Write to standard error that a record was lost."""
        error = sys.exc_info()[1]
        write_to_standard_error(f"log record of {record.name} lost: {type(error).__name__}")


class _WhereRootHasNone(logging.Handler):
    """Hands records to a handler while the root logger has no handler at all."""

    def __init__(self, handler: logging.Handler) -> None:
        super().__init__()
        self._handler = handler

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record if the root logger does not."""
        if not logging.getLogger().handlers:
            self._handler.handle(record)


def _keep_ours(level: str, handler: logging.Handler) -> None:
    """Keep writing our records if users change the root logger's level or remove its handlers."""
    ours = get_logger("grctl")
    ours.setLevel(level)
    ours.handlers[:] = [_WhereRootHasNone(handler)]


def _leave_out_what_is_not_shown() -> None:
    """Tell logging not to collect what no format shows: the thread, the process, the code line.

    An event causes three records, which must be cheap. The standard library's logging HOWTO
    describes these switches under "Optimization".
    """
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # noqa: SLF001  documented there

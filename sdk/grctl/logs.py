"""How our processes log: constant messages with fields, as a line or as JSON, on standard error."""

import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any

import orjson

STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
"""What every record has; all else on it was given as `extra`."""
KOPF = frozenset({"settings", "k8s_skip", "k8s_ref"})
"""What kopf adds to its own records."""
HIDDEN = frozenset({"execution", "kind"})
"""Fields that a person at a console does not look for in a line; JSON has them."""
QUOTED = re.compile(r'[ "=\n]|^$')
"""What a value must not have in a line, or it could not be told where it ends."""
EXPECTED = {"attempt": 1}
"""Values that are worth a word at a console only when they are others."""


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """Give the fields that a record was logged with; empty ones say nothing."""
    return {
        name: value
        for name, value in vars(record).items()
        if name not in STANDARD and name not in KOPF and value is not None
    }


class ConsoleFormatter(logging.Formatter):
    """`time level message key=value`, without what is no news to who looks at it."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one line, and the traceback under it."""
        fields = "".join(
            f" {name}={_value(value)}"
            for name, value in fields_of(record).items()
            if name not in HIDDEN and EXPECTED.get(name) != value
        )
        time = f"{_time(record):%H:%M:%S.%f}"[:-3]
        message = f"{record.getMessage():10}" if fields else record.getMessage()
        line = f"{time} {record.levelname.lower():7} {message}{fields}"
        return line if not record.exc_info else f"{line}\n{self.formatException(record.exc_info)}"


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one object."""
        entry = {
            "time": _time(record).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **fields_of(record),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(entry, default=str).decode()


def set_up(level: str, form: str) -> None:
    """Log everything of this process to standard error; `form` is `json` or `console`."""
    _leave_out_what_is_not_shown()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else ConsoleFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for noisy in ("kopf", "aiohttp.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _leave_out_what_is_not_shown() -> None:
    """Find out nothing that no line has: three records an event are to be cheap.

    As the standard library's logging HOWTO says under "Optimization".
    """
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # noqa: SLF001  so it is documented; else it looks for the line of code


def _time(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)


def _value(value: Any) -> str:
    text = str(value)
    return orjson.dumps(text).decode() if QUOTED.search(text) else text

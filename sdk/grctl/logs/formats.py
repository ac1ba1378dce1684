"""The two formats of a log record: a line for people, or a JSON object.

1. Every record can be written: what JSON or a terminal does not take is written as text.
2. A line for people holds no character that a terminal would obey. A record begins at the beginning
   of a line, and only there: further lines of it are indented.
"""

import json
import logging
import re
from datetime import UTC, datetime
from typing import Any

import orjson

from grctl.json.limits import MAX_JSON_INTEGER
from grctl.logs.loggers import STANDARD_RECORD_FIELDS
from grctl.terminal import printable, printable_lines

KOPF_RECORD_FIELDS = frozenset({"settings", "k8s_skip", "k8s_ref"})
"""What kopf adds to its own records."""
FIELDS_HIDDEN_AT_CONSOLE = frozenset({"execution", "kind"})
"""Fields that a person at a console does not look for in a line; JSON has them."""
NEEDS_QUOTES = re.compile(r'[ "=\n]|^$')
"""What a value must not have in a line, or it could not be told where it ends."""
USUAL_FIELD_VALUES = {"attempt": 1}
"""Values that are worth a word at a console only when they are others."""
LOG_INDENT = "  "
MAX_FIELD_LEVELS = 20  # levels of a field that are written as JSON


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return the fields that a record was logged with; empty ones say nothing."""
    return {
        name: value
        for name, value in vars(record).items()
        if name not in STANDARD_RECORD_FIELDS
        and name not in KOPF_RECORD_FIELDS
        and value is not None
    }


class _Formatter(logging.Formatter):
    """Writes every record: one that cannot be written is replaced by one that says so."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        try:
            return self.write(record)
        except Exception as error:  # noqa: BLE001  rule 1
            return self.write(_replacement(record, error))

    def write(self, record: logging.LogRecord) -> str:
        """Write a record, or raise."""
        raise NotImplementedError

    def traceback(self, record: logging.LogRecord) -> str:
        """Return the traceback and the stack of a record, if it has any."""
        parts = [self.formatException(record.exc_info)] if record.exc_info else []
        if record.stack_info:
            parts.append(record.stack_info)
        return "\n".join(parts)


class ConsoleFormatter(_Formatter):
    """`time level message key=value`, without the execution id and fields at their default."""

    def write(self, record: logging.LogRecord) -> str:
        """Write one line, and the traceback under it."""
        fields = "".join(
            f" {printable(str(name))}={_value(value)}"
            for name, value in fields_of(record).items()
            if name not in FIELDS_HIDDEN_AT_CONSOLE and not _is_expected(name, value)
        )
        time = f"{_time(record):%H:%M:%S.%f}"[:-3]
        level = printable(record.levelname.lower())
        message = printable_lines(_message(record), LOG_INDENT)
        line = f"{time} {level:7} {message:10}{fields}" if fields else f"{time} {level:7} {message}"
        below = self.traceback(record)
        return line if not below else f"{line}\n{LOG_INDENT}{printable_lines(below, LOG_INDENT)}"


class JsonFormatter(_Formatter):
    """One JSON object a line."""

    def write(self, record: logging.LogRecord) -> str:
        """Write one object."""
        entry = {
            "time": _time(record).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
        }
        below = self.traceback(record)
        if below:
            entry["traceback"] = below
        fields = fields_of(record)
        named = {f"{name}_" if name in entry else name: fields[name] for name in fields}
        return _json(entry | named)


def _replacement(record: logging.LogRecord, error: Exception) -> logging.LogRecord:
    """Return a record that says why another one cannot be written."""
    made = logging.LogRecord(record.name, record.levelno, "", 0, "log record unreadable", (), None)
    vars(made)["log_error"] = type(error).__name__
    return made


def _time(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)


def _message(record: logging.LogRecord) -> str:
    """Return the message; where its arguments do not fit, the message and the arguments."""
    try:
        return record.getMessage()
    except Exception as error:  # noqa: BLE001  rule 1
        return f"{_text(record.msg)} {_text(record.args)} ({type(error).__name__})"


def _is_expected(name: str, value: Any) -> bool:
    expected = USUAL_FIELD_VALUES.get(name)
    return expected is not None and type(value) is type(expected) and bool(value == expected)


def _value(value: Any) -> str:
    text = _text(value)
    return printable(json.dumps(text, ensure_ascii=False) if NEEDS_QUOTES.search(text) else text)


def _text(value: Any) -> str:
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001  rule 1
        return f"({type(value).__name__} without text: {type(error).__name__})"


def _json(entry: dict[str, Any]) -> str:
    try:
        return orjson.dumps(entry, default=_text).decode()
    except (TypeError, ValueError):  # what orjson does not write
        return orjson.dumps(_plain(entry, MAX_FIELD_LEVELS)).decode()


def _plain(value: Any, levels: int) -> Any:
    """Return a value as JSON that every reader takes: what it does not take becomes text."""
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int) and abs(value) <= MAX_JSON_INTEGER:
        return int(value)
    if levels and isinstance(value, dict):
        return {_utf8(_text(key)): _plain(each, levels - 1) for key, each in value.items()}
    if levels and isinstance(value, list | tuple | set | frozenset):
        return [_plain(each, levels - 1) for each in value]
    return _utf8(_text(value))


def _utf8(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()

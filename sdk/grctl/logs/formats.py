"""The two formats of a log record: a line for people, or a JSON object.

1. Every record is written. A value that JSON or a terminal cannot show is written as text.
2. A line for people has no character that a terminal takes for a command. Only the first line of a
   record is not indented.
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
"""Fields that kopf adds to its own records."""
FIELDS_HIDDEN_AT_CONSOLE = frozenset({"execution", "kind"})
"""Fields that only JSON has: a person does not look for them in a line."""
NEEDS_QUOTES = re.compile(r'[ "=\n]|^$')
"""A value with one of these is quoted; a reader could not tell where it ends otherwise."""
USUAL_FIELD_VALUES = {"attempt": 1}
"""Values that a console leaves out, as they are the usual ones."""
LOG_INDENT = "  "
MAX_FIELD_LEVELS = 20  # levels of a field that are written as JSON


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return the fields that a record was logged with, without empty ones."""
    return {
        name: value
        for name, value in vars(record).items()
        if name not in STANDARD_RECORD_FIELDS
        and name not in KOPF_RECORD_FIELDS
        and value is not None
    }


class _Formatter(logging.Formatter):
    """Writes every record. One that cannot be written is replaced by one with the reason."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        try:
            return self.write(record)
        except Exception as error:  # noqa: BLE001  every record is written
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
    """Return a record with the reason why another one cannot be written."""
    made = logging.LogRecord(record.name, record.levelno, "", 0, "log record unreadable", (), None)
    vars(made)["log_error"] = type(error).__name__
    return made


def _time(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)


def _message(record: logging.LogRecord) -> str:
    """Return the message; if its arguments do not fit, the message and the arguments."""
    try:
        return record.getMessage()
    except Exception as error:  # noqa: BLE001  every record is written
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
    except Exception as error:  # noqa: BLE001  every record is written
        return f"({type(value).__name__} without text: {type(error).__name__})"


def _json(entry: dict[str, Any]) -> str:
    try:
        return orjson.dumps(entry, default=_text).decode()
    except (TypeError, ValueError):  # a value that orjson does not write
        return orjson.dumps(_plain(entry, MAX_FIELD_LEVELS)).decode()


def _plain(value: Any, levels: int) -> Any:
    """Return a value as JSON that every reader takes. Any other value becomes text."""
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

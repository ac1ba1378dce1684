"""Loggers of our own, for processes in which users' code runs too.

1. Users configure logging for their code (`logging.config.dictConfig`, `logging.disable`). That
   must not silence the worker's own records. `dictConfig` would do so by default
   (`disable_existing_loggers`).
2. A fault in logging never reaches the code that logs. If a filter, a factory or a field of users
   raises, the record is written without it.
"""

import logging
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

STANDARD_RECORD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "taskName",
}
"""Attributes that every record has. Any other attribute was passed as `extra`."""


def get_logger(name: str) -> logging.Logger:
    """Return the logger of a name, as an OwnLogger."""
    logger = logging.getLogger(name)
    logger.__class__ = OwnLogger
    return logger


def fields_from(extra: Any) -> dict[str, Any]:
    """Return the fields for `extra`; a name that every record has gets a `_` at its end."""
    if extra is None:
        return {}
    if not isinstance(extra, Mapping):
        return {"extra": extra}
    named = {str(name): value for name, value in extra.items()}
    return {f"{name}_" if name in STANDARD_RECORD_FIELDS else name: named[name] for name in named}


class OwnLogger(logging.Logger):
    """A logger that users cannot silence by mistake. Only its level decides what it writes."""

    @property
    def disabled(self) -> bool:
        """Always False. `dictConfig` sets it on each logger that it does not name."""
        return False

    @disabled.setter
    def disabled(self, value: bool) -> None:
        pass

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802  as the base class has it
        """Return whether records of a level are written; `logging.disable` does not count."""
        return level >= self.getEffectiveLevel()

    def _log(self, level: int, msg: object, args: Any, *rest: Any, **options: Any) -> None:
        options["stacklevel"] = options.get("stacklevel", 1) + 1
        try:
            super()._log(level, msg, args, *rest, **options)
        except Exception as error:  # noqa: BLE001  no fault reaches the code that logs
            self._log_plainly(level, msg, args, options, error)

    def _log_plainly(
        self, level: int, msg: object, args: Any, options: Mapping[str, Any], error: Exception
    ) -> None:
        """Write a record without users' factory and filters, with the error that they raised."""
        record = logging.LogRecord(self.name, level, "", 0, msg, args, _exception(options))
        wrong = f"{type(error).__name__}: {error}"
        vars(record).update(fields_from(options.get("extra")) | {"log_error": wrong})
        try:
            self.callHandlers(record)
        except Exception:  # noqa: BLE001  no fault reaches the code that logs
            write_to_standard_error(f"log record of {self.name} lost: {wrong}")


def write_to_standard_error(line: str) -> None:
    """Write a line to descriptor 2: users may have closed or replaced `sys.stderr`."""
    with suppress(OSError):
        os.write(2, f"{line}\n".encode(errors="backslashreplace"))


def _exception(options: Mapping[str, Any]) -> Any:
    asked = options.get("exc_info")
    if isinstance(asked, BaseException):
        return type(asked), asked, asked.__traceback__
    if isinstance(asked, tuple):
        return asked
    return sys.exc_info() if asked else None

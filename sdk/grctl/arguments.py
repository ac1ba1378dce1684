"""Check the types of arguments. An error names the argument, its value and the type that fits."""

import math
import os
import re
from datetime import timedelta
from typing import Any

NAMESPACE_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
MAX_NAMESPACE_LENGTH = 63  # characters: a DNS label
LONGEST_TIMEOUT_S = 1e10  # 300 years: longer ones mean for ever, and no clock overflows


def wrong_type(name: str, given: Any, wanted: str, hint: str = "") -> TypeError:
    """Return the error for an argument of a wrong type.

    Example:
        >>> wrong_type("capacity", "3", "a whole number", "write 3")
        TypeError("capacity must be a whole number, not '3' (str): write 3.")
    """
    end = f": {hint}." if hint else "."
    return TypeError(f"{name} must be {wanted}, not {given!r} ({type(given).__name__}){end}")


def check_optional_text(name: str, given: Any) -> None:
    """Raise TypeError for an argument that is neither text nor None."""
    if given is not None and not isinstance(given, str):
        raise wrong_type(name, given, "text")


def check_optional_path(name: str, given: Any) -> None:
    """Raise TypeError for an argument that is neither a path nor None."""
    if given is not None and not isinstance(given, str | os.PathLike):
        raise wrong_type(name, given, "a path")


def check_whole(name: str, given: Any) -> None:
    """Raise TypeError for an argument that is not a whole number."""
    if not _is_number(given, int):
        raise wrong_type(name, given, "a whole number")


def check_seconds(name: str, given: Any) -> None:
    """Raise TypeError for an argument that is not a number of seconds."""
    if not _is_number(given):
        raise wrong_type(name, given, "a number of seconds")


def check_optional_duration(name: str, given: Any) -> None:
    """Raise TypeError for an argument that is neither a timedelta nor None."""
    if given is not None and not isinstance(given, timedelta):
        hint = f"write timedelta(seconds={given!r})" if _is_number(given) else ""
        raise wrong_type(name, given, "a timedelta", hint)


def check_namespace_name(name: str) -> None:
    """Raise ValueError for a text that cannot be the name of a namespace."""
    if not (len(name) <= MAX_NAMESPACE_LENGTH and NAMESPACE_NAME.fullmatch(name)):
        raise ValueError(
            f"namespace {name!r} is not a name of a namespace: 1 to {MAX_NAMESPACE_LENGTH}"
            " lower-case letters, digits and '-', beginning and ending with a letter or digit."
        )


def seconds_of(name: str, given: Any) -> float | None:
    """Return a timeout in seconds; None means for ever.

    Raises:
        TypeError: the timeout is neither a number of seconds, a timedelta nor None.
        ValueError: the timeout is NaN.
    """
    if isinstance(given, timedelta):
        return given.total_seconds()
    if given is None:
        return None
    if not _is_number(given):
        raise wrong_type(name, given, "seconds or a timedelta")
    if isinstance(given, float) and math.isnan(given):
        raise ValueError(f"{name} must be seconds or a timedelta, not {given!r}.")
    return None if given > LONGEST_TIMEOUT_S else float(max(given, 0))


def _is_number(given: Any, kind: Any = int | float) -> bool:
    return isinstance(given, kind) and not isinstance(given, bool)

"""Moments and lengths of time, as people read and write them. Pure: no clock."""

import re
from datetime import datetime, timedelta

import typer

UNITS = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


def moment(at: datetime, now: datetime) -> str:
    """Write a time, and how far away it is."""
    ahead = at - now
    away = f"in {length(ahead)}" if ahead > timedelta(0) else f"{age(at, now)} ago"
    return f"{at:%Y-%m-%d %H:%M:%S} UTC ({away})"


def age(since: datetime | None, now: datetime) -> str:
    """Write how long ago something was; clocks may differ, so the future counts as now."""
    return length(max(now - since, timedelta(0))) if since else ""


def length(of: timedelta) -> str:
    """Write a length of time in its two largest units.

    Example:
        >>> length(timedelta(hours=26, minutes=3))
        '1d2h'
    """
    rest, parts = int(of.total_seconds()), []
    for unit, seconds in UNITS:
        number, rest = divmod(rest, seconds)
        parts.append((number, unit))
    largest = next((place for place, (number, _) in enumerate(parts) if number), len(parts))
    return "".join(f"{n}{unit}" for n, unit in parts[largest : largest + 2] if n) or "0s"


def read_seconds(text: str | float) -> float:
    """Read a length of time as kubectl takes it, in seconds: a number without a unit is seconds.

    Raises:
        BadParameter: it is none; says how to write one.

    Example:
        >>> read_seconds("1m30s"), read_seconds("5")
        (90.0, 5.0)
    """
    given = str(text)
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", given):
        return float(given)
    length = read_length(given, "--request-timeout")
    return length.total_seconds() if length else 0.0


def read_length(text: str | None, flag: str) -> timedelta | None:
    """Read a length of time that a flag was given.

    Raises:
        BadParameter: it is none; says how to write one.
    """
    if text is None:
        return None
    from pydantic import TypeAdapter, ValidationError

    from grctl.models.base import Duration

    try:
        return TypeAdapter(Duration).validate_python(text)
    except ValidationError as error:
        message = f"{text!r} is not a duration; write it like 90s, 15m or 1h30m"
        raise typer.BadParameter(message, param_hint=flag) from error

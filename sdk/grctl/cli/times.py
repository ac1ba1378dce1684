"""Moments and lengths of time, as people read and write them. Pure: no clock."""

import re
from datetime import datetime, timedelta

import typer

UNITS = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


def moment(at: datetime, now: datetime) -> str:
    """Return a time as text, with its distance from now."""
    ahead = at - now
    away = f"in {length(ahead)}" if ahead > timedelta(0) else f"{age(at, now)} ago"
    return f"{at:%Y-%m-%d %H:%M:%S} UTC ({away})"


def age(since: datetime | None, now: datetime) -> str:
    """Return how long ago a time was, as text. Clocks may differ, so the future counts as now."""
    return length(max(now - since, timedelta(0))) if since else ""


def length(of: timedelta) -> str:
    """Return a length of time as text, in its two largest units.

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
    """Return the seconds of a text as kubectl reads it: a number without a unit is seconds.

    Raises:
        BadParameter: the text is not a duration; the message says how to write one.

    Example:
        >>> read_seconds("1m30s"), read_seconds("5")
        (90.0, 5.0)
    """
    given = str(text)
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", given):
        return float(given)
    length = read_length(given, "--request-timeout")
    return length.total_seconds() if length else 0.0


def read_length(
    text: str | None, flag: str, longest: timedelta = timedelta.max
) -> timedelta | None:
    """Return the length of time that a flag was given; None if the flag was not given.

    Raises:
        BadParameter: the text is not a duration, or a longer one than `longest`.
    """
    if text is None:
        return None
    from pydantic import TypeAdapter, ValidationError

    from grctl.models.base import Duration, write_duration

    try:
        read = TypeAdapter(Duration).validate_python(text)
    except ValidationError as error:
        message = f"{text!r} is not a duration; write it like 90s, 15m or 1h30m"
        raise typer.BadParameter(message, param_hint=flag) from error
    if read > longest:
        message = f"{text!r} is too long; the longest is {write_duration(longest)}"
        raise typer.BadParameter(message, param_hint=flag)
    return read

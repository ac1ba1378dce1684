"""How long a caller waits: seconds, or a timedelta; None stands for ever."""

from datetime import timedelta

from grctl.arguments import seconds_of

Timeout = float | timedelta | None


def seconds(timeout: Timeout) -> float | None:
    """Give it in seconds.

    Raises:
        TypeError: it is neither a number, a timedelta nor None.
        ValueError: it is not a number.
    """
    return seconds_of("timeout", timeout)


def in_words(timeout: Timeout) -> str:
    """Write it for people.

    Example:
        >>> in_words(timedelta(minutes=1.5))
        '90 s'
    """
    length = seconds(timeout)
    return "for ever" if length is None else f"{length:g} s"

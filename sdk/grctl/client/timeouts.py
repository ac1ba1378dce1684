"""How long a caller waits: seconds or a timedelta; None means for ever."""

from datetime import timedelta

from grctl.arguments import seconds_of

Timeout = float | timedelta | None


def seconds(timeout: Timeout) -> float | None:
    """Return a timeout in seconds; None means for ever.

    Raises:
        TypeError: the timeout is neither a number, a timedelta nor None.
        ValueError: the timeout is NaN.
    """
    return seconds_of("timeout", timeout)


def in_words(timeout: Timeout) -> str:
    """Write a timeout for people.

    Example:
        >>> in_words(timedelta(minutes=1.5))
        '90 s'
    """
    length = seconds(timeout)
    return "for ever" if length is None else f"{length:g} s"

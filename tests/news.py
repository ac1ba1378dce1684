"""Removes the progress lines that a command prints while it waits, because they depend on time."""

import re

NEWS = re.compile(r"^grctl: [a-z0-9.-]+: .*\n", re.MULTILINE)


def without_news(said: str) -> str:
    """Return what a command printed whether or not it had to wait for more than a second."""
    return NEWS.sub("", said)

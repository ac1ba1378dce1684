"""News of a run, which a command tells while it waits: left out where time decides on them."""

import re

NEWS = re.compile(r"^grctl: [a-z0-9.-]+: .*\n", re.MULTILINE)


def without_news(said: str) -> str:
    """Return what a command printed whether or not it had to wait for more than a second."""
    return NEWS.sub("", said)

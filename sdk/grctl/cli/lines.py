"""Lines of several processes in one stream: a prefix says who speaks, in colour on a terminal."""

import os
import sys
from collections.abc import Sequence
from typing import TextIO

COLOURS = (36, 34, 35, 32)  # cyan, blue, magenta, green: red and yellow would mean something


class Lines:
    """Writes lines with a prefix.

    Args:
        names: Who may speak; prefixes are as wide as the longest.
        stream: Where to write. Defaults to standard output.
    """

    def __init__(self, names: Sequence[str], stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._coloured = in_colour(self._stream)
        self._width = max(map(len, names))
        self._colours = dict(zip(names, COLOURS, strict=False))

    def show(self, name: str, line: str) -> None:
        """Write one line."""
        prefix = f"{name:{self._width}} |"
        if self._coloured:
            prefix = f"\033[{self._colours[name]}m{prefix}\033[0m"
        try:
            self._stream.write(f"{prefix} {line}".rstrip() + "\n")
            self._stream.flush()
        except BrokenPipeError:  # who read it is gone, as in `| head`; what runs goes on
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())


def in_colour(stream: TextIO) -> bool:
    """Say whether to write in colour: on a terminal, unless $NO_COLOR asks not to."""
    return stream.isatty() and not os.environ.get("NO_COLOR")

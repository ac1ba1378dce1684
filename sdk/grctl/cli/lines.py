"""Lines of several processes in one stream: a prefix names the process, in colour on a terminal.

1. A line stays behind its prefix: a character that would move the cursor, clear the screen or set
   a title is escaped. Colours of the process are kept, and end with its line.
2. The processes go on if the stream cannot be written, because its reader is gone or the disk is
   full. Their lines are then lost.
"""

import contextlib
import io
import os
import re
import sys
from collections.abc import Iterator, Sequence
from typing import TextIO

from grctl.cli.streams import write
from grctl.terminal import printable

COLOURS = (36, 34, 35, 32)  # cyan, blue, magenta, green: red and yellow have a meaning


COLOUR = re.compile(r"\033\[[0-9;]*m")
RESET_COLOUR = "\033[0m"


class Lines:
    """Writes lines with a prefix.

    Args:
        names: The names of the processes. Prefixes are as wide as the longest one.
        stream: The stream to write to. Defaults to standard output.
    """

    def __init__(self, names: Sequence[str], stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout or io.StringIO()  # if it is closed, lines are lost
        self._coloured = is_in_colour(self._stream)
        self._width = max(map(len, names))
        self._colours = dict(zip(names, COLOURS, strict=False))

    def show(self, name: str, line: str) -> None:
        """Write one line."""
        prefix = f"{name:{self._width}} |"
        if self._coloured:
            prefix = f"\033[{self._colours[name]}m{prefix}{RESET_COLOUR}"
        text = "".join(_shown(line, coloured=self._coloured))
        with contextlib.suppress(OSError):
            write(self._stream, f"{prefix} {text}".rstrip() + "\n")


def _shown(line: str, *, coloured: bool) -> Iterator[str]:
    """Yield the parts of a line that can be shown: escaped text, and colours if they are wanted."""
    place = 0
    for colour in COLOUR.finditer(line):
        yield printable(line[place : colour.start()])
        if coloured:
            yield colour[0]
        place = colour.end()
    yield printable(line[place:])
    if coloured and place:
        yield RESET_COLOUR


def is_in_colour(stream: TextIO) -> bool:
    """Whether to write in colour: on a terminal, unless $NO_COLOR is set."""
    return stream.isatty() and not os.environ.get("NO_COLOR")

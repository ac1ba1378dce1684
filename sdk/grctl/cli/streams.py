"""The standard streams, whatever they are: a terminal, a pipe, a full disk, or closed.

1. No character makes a write fail: one that the encoding does not have is escaped.
2. A write to standard output that fails raises `OSError`: the caller knows what that means.
3. Standard error never fails a command: what was done is done, whether or not it can be told.
4. Bytes are read, never text: the encoding of a terminal is not that of JSON.
"""

import contextlib
import errno
import os
import sys
from typing import TextIO

CLOSED = "it is closed"


def open_missing() -> None:
    """Open the null device in place of a standard stream that this process was started without.

    Otherwise the next socket or file would get its number, and whatever is written to standard
    error by a library would go into that. Python's own `sys.stdout` stays None.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number: this one


def write_output(text: str) -> None:
    """Write lines to standard output.

    Raises:
        OSError: they could not be written; what was written before has been.
    """
    if sys.stdout is None:
        raise OSError(errno.EBADF, CLOSED)
    write(sys.stdout, f"{text}\n")


def write_beside(text: str) -> None:
    """Write lines to standard error, if that can be written."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            write(sys.stderr, f"{text}\n")


def write(stream: TextIO, text: str) -> None:
    """Write text to a stream and flush it.

    Raises:
        OSError: it cannot be written. Later text to that stream vanishes without an error.
    """
    try:
        stream.write(encodable(stream, text))
        stream.flush()
    except OSError:
        _mute(stream)
        raise
    except ValueError as error:  # a file that this process has closed itself
        raise OSError(errno.EBADF, CLOSED) from error


def encodable(stream: TextIO, text: str) -> str:
    r"""Return a text in which characters that the encoding lacks are `\xNN` or `\uNNNN`."""
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def takes_unicode() -> bool:
    """Return whether standard output has an encoding of all characters."""
    encoding = (sys.stdout and sys.stdout.encoding) or "utf-8"
    return encoding.lower().replace("_", "-").startswith(("utf-", "utf8"))


def read_input(most: int) -> bytes:
    """Read standard input to its end, or the first bytes of it.

    Args:
        most: Bytes to read at most.

    Raises:
        OSError: it is closed or cannot be read.
    """
    if sys.stdin is None:
        raise OSError(errno.EBADF, "standard input is closed")
    return sys.stdin.buffer.read(most)


def _mute(stream: TextIO) -> None:
    """Send what is left in the stream's buffer to the null device: Python writes it at its end."""
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)

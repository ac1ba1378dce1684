"""The standard streams: each may be a terminal, a pipe, a file on a full disk, or closed.

1. No character makes a write fail: a character that the encoding lacks is escaped.
2. A failed write to standard output raises `OSError`: the caller knows what that means.
3. A failed write to standard error never fails a command.
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

    Otherwise the next socket or file would get its number, and the text that a library writes to
    standard error would go into that. Python's own `sys.stdout` stays None.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number: this one


def write_output(text: str) -> None:
    """Write lines to standard output.

    Raises:
        OSError: the lines, or a part of them, could not be written.
    """
    if sys.stdout is None:
        raise OSError(errno.EBADF, CLOSED)
    write(sys.stdout, f"{text}\n")


def write_stderr(text: str) -> None:
    """Write lines to standard error, if that can be written."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            write(sys.stderr, f"{text}\n")


def write(stream: TextIO, text: str) -> None:
    """Write text to a stream and flush it.

    Raises:
        OSError: the text could not be written. Later text to that stream is lost without an error.
    """
    try:
        stream.write(encodable(stream, text))
        stream.flush()
    except OSError:
        _discard_buffer(stream)
        raise
    except ValueError as error:  # a file that this process has closed itself
        raise OSError(errno.EBADF, CLOSED) from error


def encodable(stream: TextIO, text: str) -> str:
    r"""Return a text in which characters that the encoding lacks are `\xNN` or `\uNNNN`."""
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def takes_unicode() -> bool:
    """Whether the encoding of standard output has all characters."""
    encoding = (sys.stdout and sys.stdout.encoding) or "utf-8"
    return encoding.lower().replace("_", "-").startswith(("utf-", "utf8"))


def read_input(most: int) -> bytes:
    """Read standard input to its end, or the first bytes of it.

    Args:
        most: The largest number of bytes to read.

    Raises:
        OSError: it is closed or cannot be read.
    """
    if sys.stdin is None:
        raise OSError(errno.EBADF, "standard input is closed")
    return sys.stdin.buffer.read(most)


def _discard_buffer(stream: TextIO) -> None:
    """Redirect a stream to the null device. Python writes what is in its buffer at its end."""
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)

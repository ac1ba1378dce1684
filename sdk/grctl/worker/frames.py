"""Find the place in the users' code where a thread is, for a person who looks for blocking calls.

The innermost frame is often in a library (`socket.recv`); the line that a person can change is the
innermost one of their own files.
"""

import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import grctl

LIBRARIES = tuple(
    {sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    | {str(Path(grctl.__file__).parent)}
)


def place_in(frame: FrameType | None) -> str:
    """Return file, line and function of the innermost frame of the users' own code.

    Returns:
        A text such as `/app/orders.py:12 in approve`. If no frame is of the users' code, the place
        of the innermost frame.
    """
    frames = list(_outwards(frame))
    theirs = (each for each in frames if not _is_of_a_library(each.f_code.co_filename))
    found = next(theirs, frames[0] if frames else None)
    if found is None:
        return "nowhere in Python"
    return f"{found.f_code.co_filename}:{found.f_lineno} in {found.f_code.co_name}"


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _is_of_a_library(filename: str) -> bool:
    return filename.startswith((*LIBRARIES, "<"))

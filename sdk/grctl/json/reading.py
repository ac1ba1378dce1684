"""Reading JSON that others wrote: what is in it may be wrong, and stops nobody.

An API server keeps JSON of 10,000 levels; orjson reads 1,024 and then refuses the whole text. Such
a text is read without what lies deeper than MAX_READ_LEVELS: far more than MAX_JSON_LEVELS,
so whoever checks what it holds still finds it too deep. Text that is not Unicode is read with
replacement characters and integers beyond 64 bits as floats, as Kubernetes does; what no float can
hold is null.
"""

import json
import math
import re
from typing import Any

import orjson

MAX_INTEGER_CHARS = 20  # characters: what 64 bits take
MAX_READ_LEVELS = 300  # more than orjson writes: it is refused again where it is to be carried

_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[dD][89a-fA-F][0-9a-fA-F]{2}|.)",
    re.DOTALL,
)
_LONE_SURROGATE_BYTES = 6  # of an escape such as \ud800


class UnreadableJsonError(ValueError):
    """A text is not JSON, whatever allowance is made."""


def read_json(data: bytes) -> Any:
    """Return the value of a JSON text.

    Raises:
        UnreadableJsonError: it is not JSON. The error does not quote the text.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return _read_mended(data)


def _read_mended(data: bytes) -> Any:
    text = _ESCAPE.sub(_without_lone_surrogate, data.decode(errors="replace").encode())
    try:
        return json.loads(
            prune(text, MAX_READ_LEVELS),
            parse_float=_finite,
            parse_int=_integer,
            parse_constant=lambda _: None,
        )
    except json.JSONDecodeError as error:
        raise UnreadableJsonError(f"{error.msg} at character {error.pos}") from None


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _integer(text: str) -> float | int | None:
    number = int(text) if len(text) <= MAX_INTEGER_CHARS else _finite(text)
    return number if number is None or -(2**63) <= number < 2**64 else float(number)


def prune(data: bytes, levels: int) -> bytes:
    """Return a JSON text with null for whatever is nested deeper than some levels."""
    kept: list[bytes] = []
    start = depth = 0
    for token in _TOKEN.finditer(data):
        match data[token.start()]:
            case 0x5B | 0x7B:  # [ {
                depth += 1
                if depth == levels + 1:
                    kept += (data[start : token.start()], b"null")
            case 0x5D | 0x7D:  # ] }
                if depth == levels + 1:
                    start = token.end()
                depth -= 1
    kept.append(data[start:] if depth <= levels else b"")
    return b"".join(kept)


def _without_lone_surrogate(escape: re.Match[bytes]) -> bytes:
    text = escape[0]
    lone = len(text) == _LONE_SURROGATE_BYTES and text[1:3].lower() == b"ud"
    return rb"\ufffd" if lone else text

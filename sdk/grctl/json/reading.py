"""Read JSON that somebody else wrote, also if orjson, which is strict, refuses it.

One odd object must not keep a whole list of objects from being read. So a text that orjson refuses
is mended and read by Python's slower reader:

* A text of more than 1,024 levels: an API server keeps up to 10,000. A value that is nested deeper
  than MAX_READ_LEVELS is replaced by null. That is far more than the MAX_JSON_LEVELS that we take,
  so the check of the value still finds it too deep.
* Bytes that are not UTF-8, and half characters (lone surrogates): replaced by U+FFFD.
* An integer beyond 64 bits: read as a float, as Kubernetes does; beyond the floats it is null.
* NaN and infinity, which are not JSON: null.
"""

import json
import math
import re
from typing import Any

import orjson

MAX_INTEGER_CHARS = 20  # characters that an integer of 64 bits takes, with its sign
MAX_READ_LEVELS = 300  # orjson refuses to write so many: see `raw_json`

_STRING_OR_BRACKET = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)
"""A string is matched as a whole, so that a bracket in it does not count."""
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[dD][89a-fA-F][0-9a-fA-F]{2}|.)",
    re.DOTALL,
)
"""An escape in a string. A pair of surrogates is one match, so a shorter match of one is lone."""
_LONE_SURROGATE_BYTES = 6  # of an escape such as \ud800


class UnreadableJsonError(ValueError):
    """A text is not JSON, even after mending."""


def read_json(data: bytes) -> Any:
    """Return the value of a JSON text.

    Raises:
        UnreadableJsonError: it is not JSON, even after mending. The error does not quote the text.
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
            parse_constant=lambda _: None,  # NaN and infinity
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
    """Return a JSON text in which null replaces each value that is nested deeper than `levels`."""
    kept: list[bytes] = []
    start = depth = 0
    for token in _STRING_OR_BRACKET.finditer(data):
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

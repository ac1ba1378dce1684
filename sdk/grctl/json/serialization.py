"""Make JSON of a value that a user keeps: an input, a payload, a value of the store, a result.

1. Accepted are JSON itself; pydantic models, dataclasses, enums, tuples and sets; datetimes, dates,
   times, timedeltas, UUIDs and Decimals. Any other value is refused with its place and its type.
2. Refused are also NaN, integers beyond 64 bits, and keys that are not text: the API server would
   change them without an error.
3. The JSON shares no object with the value, so changing the value later does not change the JSON.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import orjson
from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, to_jsonable_python

from grctl.json.limits import MAX_JSON_INTEGER, MAX_JSON_LEVELS
from grctl.json.masking import MASK, hides_a_secret
from grctl.json.raw_json import dumps
from grctl.json.round_trip import write_to_come_back

Write = Callable[[Any], Any]
"""Makes JSON of a pydantic value."""
SCALARS = (bool, str, int, float, Decimal, datetime, date, time, timedelta, UUID)


class NotJsonError(TypeError):
    """A value cannot be kept: it has no JSON, or its JSON is read as another value."""


class TooLargeError(ValueError):
    """A value is larger than one value may be."""


def to_json(value: Any, what: str, *, comes_back: bool = False) -> Any:
    """Return the JSON of a value, as new Python objects.

    Args:
        value: The value to keep.
        what: The user's name for it, such as `ctx.store["order"]`; errors begin with it.
        comes_back: Whether the class of a model in the value must be able to read its JSON. Then
            an alias that the class does not read is not used.

    Raises:
        NotJsonError: a part of it cannot be kept; names the place and the type.

    Example:
        >>> to_json({"at": datetime(2026, 1, 2), "ids": (1, 2)}, "payload")
        {'at': '2026-01-02T00:00:00', 'ids': [1, 2]}
    """
    return _convert(value, what, 0, write_to_come_back if comes_back else _write)


def size_of(json: Any) -> int:
    """Return the size of JSON in bytes, as it is written to the API server."""
    return len(dumps(json))


KEEP_ELSEWHERE = "Keep it elsewhere (an object store, a database) and pass a reference to it."


def check_size(json: Any, limit: int, what: str, hint: str = KEEP_ELSEWHERE) -> None:
    """Check that JSON is within a limit in bytes.

    Args:
        json: The value.
        limit: The most bytes that it may take.
        what: The user's name for it.
        hint: What to do about a larger one.

    Raises:
        TooLargeError: it is larger; names the value, its size and the limit.
    """
    size = size_of(json)
    if size > limit:
        raise TooLargeError(
            f"{what} is {in_kib(size)} of JSON; at most {in_kib(limit)} are kept. {hint}"
        )


def cut(text: str, limit: int) -> str:
    """Return a text without its middle if it is longer than a limit in bytes."""
    data = text.encode(errors="replace")
    if len(data) <= limit:
        return data.decode()
    mark = "\n... cut ...\n"
    half = (limit - len(mark)) // 2
    return data[:half].decode(errors="ignore") + mark + data[-half:].decode(errors="ignore")


def in_kib(size: int) -> str:
    """Return a size in bytes as people read it: `12.5 KiB`."""
    return f"{size / 1024:.1f} KiB"


def _convert(value: Any, what: str, depth: int, write: Write) -> Any:
    if isinstance(value, Enum):
        return _convert(value.value, what, depth + 1, write)
    if value is None or isinstance(value, SCALARS):
        return _scalar(value, what)
    return _container(value, what, depth + 1, write)


def _scalar(value: Any, what: str) -> Any:
    if isinstance(value, str):
        return _text(value, what)
    if isinstance(value, int) and abs(value) > MAX_JSON_INTEGER:
        raise NotJsonError(
            f"{what} is an integer of {value.bit_length()} bits; beyond 63 it would change: keep it"
            " as text"
        )
    if not _is_finite(value):
        raise NotJsonError(f"{what} is {value} ({type(value).__name__}), which JSON does not have")
    return to_jsonable_python(value)


def _is_finite(value: Any) -> bool:
    if isinstance(value, Decimal):
        return value.is_finite()
    return not isinstance(value, float) or math.isfinite(value)


def _text(value: str, what: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise NotJsonError(f"{what} is text that is not Unicode: {error.reason}") from error
    return str(value)


def _container(value: Any, what: str, depth: int, write: Write) -> Any:
    if depth > MAX_JSON_LEVELS:
        raise NotJsonError(f"{what}: nested deeper than {MAX_JSON_LEVELS} levels, or holds itself")
    if isinstance(value, Mapping):
        return _mapping(value, what, depth, write)
    if isinstance(value, list | tuple):
        return [_convert(each, f"{what}[{at}]", depth, write) for at, each in enumerate(value)]
    if isinstance(value, set | frozenset):
        items = [_convert(each, f"an item of {what}", depth, write) for each in value]
        return sorted(items, key=orjson.dumps)  # the same set is the same JSON
    if isinstance(value, type):
        raise NotJsonError(_refusal(value, what))
    if isinstance(value, BaseModel) or hasattr(value, "__pydantic_serializer__"):
        return _convert(_dump(value, what, write), what, depth, write)
    if dataclasses.is_dataclass(value):
        return {
            name: _convert(getattr(value, name), f"{what}.{name}", depth, write)
            for name in (field.name for field in dataclasses.fields(value))
        }
    raise NotJsonError(_refusal(value, what))


def _mapping(value: Mapping[Any, Any], what: str, depth: int, write: Write) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, each in value.items():
        name = _key(key, what)
        if name in made:
            raise NotJsonError(f"{what} has two keys that are {name!r} in JSON, one is {key!r}")
        made[name] = _convert(each, f"{what}[{name!r}]", depth, write)
    return made


def _key(key: Any, what: str) -> str:
    name = _convert(key, f"key {key!r} of {what}", 0, _write)
    if not isinstance(name, str):
        raise NotJsonError(
            f"{what} has the key {key!r} ({type(key).__name__}); keys in JSON are text: use"
            f" str({key!r})"
        )
    return name


def _dump(value: Any, what: str, write: Write) -> Any:
    try:
        json = write(value)
    except (PydanticSerializationError, ValueError) as error:
        raise NotJsonError(f"{what} is a {_type_name(value)} without JSON: {error}") from error
    if hides_a_secret(value, json):
        raise NotJsonError(
            f"{what} is a {_type_name(value)} with a secret, which would be kept as {MASK!r}: keep"
            " the secret's name. What is kept can be read by whoever may read the objects."
        )
    return json


def _write(value: Any) -> Any:
    return to_jsonable_python(value, by_alias=True)


def _refusal(value: Any, what: str) -> str:
    hint = " Encode it as text, for instance with base64." if isinstance(value, bytes) else ""
    return (
        f"{what} is a {_type_name(value)}, which cannot be kept as JSON. What can: JSON, pydantic"
        " models, dataclasses, enums, datetimes, UUIDs, Decimals, and lists, tuples, sets and dicts"
        f" of them.{hint}"
    )


def _type_name(value: Any) -> str:
    kind = value if isinstance(value, type) else type(value)
    prefix = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return f"{'class ' if isinstance(value, type) else ''}{prefix}{kind.__qualname__}"

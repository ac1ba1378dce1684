"""RawJson: JSON of users (input, payload, store, result) as it is carried from place to place.

1. It is written once, where it enters a process, and parsed where its values are needed: at a
   handler. In between it takes as many bytes as it has; as Python objects it may take thirty times
   as many.
2. A value is checked where it enters. From there on it can always be written and read, so later
   code need not expect an error.
3. A value that cannot be carried is replaced by an `Uncarriable`, which says why. It is never
   written.
"""

from typing import Any

import orjson
from pydantic_core import SchemaSerializer, core_schema

from grctl.json.limits import MAX_JSON_LEVELS

ORJSON_WRITE_LEVELS = 254  # levels: orjson refuses to write more


def _as_value(serialize: Any) -> SchemaSerializer:
    plain = core_schema.plain_serializer_function_ser_schema(serialize)
    return SchemaSerializer(core_schema.any_schema(serialization=plain))


class RawJson:
    """A JSON text that is known to be sound, without a line break. It is never changed.

    It is not a dataclass: orjson would write its fields instead of the text.
    """

    __slots__ = ("text",)

    def __init__(self, text: bytes) -> None:
        self.text = text

    def value(self) -> Any:
        """Return what the text says, as Python objects."""
        return orjson.loads(self.text)

    def __len__(self) -> int:
        """Return the size in bytes."""
        return len(self.text)

    def __eq__(self, other: object) -> bool:
        """Return whether another says the same in the same bytes."""
        return isinstance(other, RawJson) and self.text == other.text

    def __hash__(self) -> int:
        """Return the hash of the text."""
        return hash(self.text)

    def __repr__(self) -> str:
        """Show the size and not the text: it may be a payload, and objects are logged."""
        return f"RawJson({len(self.text)} bytes)"


class Uncarriable:
    """Stands where JSON was that cannot be carried.

    Attributes:
        why: What is wrong with it, such as `is nested deeper than 100 levels`.
    """

    __slots__ = ("why",)

    def __init__(self, why: str) -> None:
        self.why = why

    def __eq__(self, other: object) -> bool:
        """Return whether the same is wrong with another."""
        return isinstance(other, Uncarriable) and self.why == other.why

    def __hash__(self) -> int:
        """Return the hash of what is wrong."""
        return hash(self.why)

    def __repr__(self) -> str:
        """Show what is wrong."""
        return f"Uncarriable({self.why!r})"


# Where pydantic writes a model that holds one, it writes the value: correct, and slower.
RawJson.__pydantic_serializer__ = _as_value(RawJson.value)  # type: ignore[attr-defined]
Uncarriable.__pydantic_serializer__ = _as_value(lambda _: None)  # type: ignore[attr-defined]

Carried = RawJson | Uncarriable


def carried(value: Any) -> Carried:
    """Return parsed JSON as it is carried, or the stand-in that says why it cannot be."""
    if isinstance(value, RawJson | Uncarriable):
        return value
    try:
        text = orjson.dumps(value)
        if text.count(b"[") + text.count(b"{") > MAX_JSON_LEVELS:
            orjson.dumps(_wrapped(value, ORJSON_WRITE_LEVELS - MAX_JSON_LEVELS))
    except TypeError as error:
        return Uncarriable(_why(error))
    # A copy: what orjson returns holds on to two or three times as much memory.
    return RawJson(bytes(memoryview(text)))


def dumps(json: Any) -> bytes:
    """Write JSON in which parts are carried as they are.

    Raises:
        TypeError: something in it is not JSON, or is nested too deep to be written.
    """
    return orjson.dumps(json, default=_fragment)


def _fragment(value: Any) -> Any:
    if isinstance(value, RawJson):
        return orjson.Fragment(value.text)
    if isinstance(value, Uncarriable):
        return None
    raise TypeError


def _wrapped(value: Any, levels: int) -> Any:
    """Nest a value so deep that orjson refuses one of more than MAX_JSON_LEVELS levels."""
    for _ in range(levels):
        value = [value]
    return value


def _why(error: TypeError) -> str:
    text = str(error)
    if "ecursion" in text:
        return f"is nested deeper than {MAX_JSON_LEVELS} levels"
    return f"cannot be written as JSON ({text})"

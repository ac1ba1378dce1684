"""RawJson: a value of users (input, payload, store, result) as the text of its JSON.

1. The operator passes such values on and does not look into them. A text takes as many bytes as it
   has; the same value as Python objects may take thirty times as many.
2. `to_raw_json` checks a value once, where it enters the process. A RawJson can always be written
   and parsed, so the code behind that point expects no error.
3. A value that fails the check is replaced by an `Uncarriable`, which holds the reason. It is
   written as null.
"""

from typing import Any

import orjson
from pydantic_core import SchemaSerializer, core_schema

from grctl.json.limits import MAX_JSON_LEVELS

ORJSON_WRITE_LEVELS = 254  # orjson refuses to write a value with more


def _as_value(serialize: Any) -> SchemaSerializer:
    plain = core_schema.plain_serializer_function_ser_schema(serialize)
    return SchemaSerializer(core_schema.any_schema(serialization=plain))


class RawJson:
    """A JSON text that is known to be right, without a line break. It is never changed.

    It is not a dataclass, because orjson would write the fields of one instead of the text.
    """

    __slots__ = ("text",)

    def __init__(self, text: bytes) -> None:
        self.text = text

    def value(self) -> Any:
        """Return the value, parsed into Python objects."""
        return orjson.loads(self.text)

    def __len__(self) -> int:
        """Return the size in bytes."""
        return len(self.text)

    def __eq__(self, other: object) -> bool:
        """Return whether the other text has the same bytes."""
        return isinstance(other, RawJson) and self.text == other.text

    def __hash__(self) -> int:
        """Return the hash of the text."""
        return hash(self.text)

    def __repr__(self) -> str:
        """Show the size and not the text: it may be a payload, and objects are logged."""
        return f"RawJson({len(self.text)} bytes)"


class Uncarriable:
    """Stands for a value that cannot be carried as RawJson.

    Attributes:
        why: What is wrong with the value, such as `is nested deeper than 100 levels`.
    """

    __slots__ = ("why",)

    def __init__(self, why: str) -> None:
        self.why = why

    def __eq__(self, other: object) -> bool:
        """Return whether the other has the same reason."""
        return isinstance(other, Uncarriable) and self.why == other.why

    def __hash__(self) -> int:
        """Return the hash of the reason."""
        return hash(self.why)

    def __repr__(self) -> str:
        """Show the reason."""
        return f"Uncarriable({self.why!r})"


# pydantic writes the parsed value of a RawJson in a model: right, but slower than `dumps`, which
# copies the text.
RawJson.__pydantic_serializer__ = _as_value(RawJson.value)  # type: ignore[attr-defined]
Uncarriable.__pydantic_serializer__ = _as_value(lambda _: None)  # type: ignore[attr-defined]

Carried = RawJson | Uncarriable


def to_raw_json(value: Any) -> Carried:
    """Return a parsed JSON value as RawJson, or an Uncarriable with the reason why it cannot be."""
    if isinstance(value, RawJson | Uncarriable):
        return value
    try:
        text = orjson.dumps(value)
        if text.count(b"[") + text.count(b"{") > MAX_JSON_LEVELS:  # a level has a bracket
            _check_levels(value)
    except TypeError as error:
        return Uncarriable(_why(error))
    # The bytes that orjson returns hold on to two or three times their memory; a copy does not.
    return RawJson(bytes(memoryview(text)))


def dumps(json: Any) -> bytes:
    """Write JSON that may hold RawJson; its text is copied.

    Raises:
        TypeError: a value in it is not JSON, or is nested too deep to be written.
    """
    return orjson.dumps(json, default=_fragment)


def _fragment(value: Any) -> Any:
    if isinstance(value, RawJson):
        return orjson.Fragment(value.text)
    if isinstance(value, Uncarriable):
        return None
    raise TypeError


def _check_levels(value: Any) -> None:
    """Raise TypeError if a value has more than MAX_JSON_LEVELS levels of lists and objects.

    The value is put into as many lists as make orjson refuse to write one level too many.
    """
    for _ in range(ORJSON_WRITE_LEVELS - MAX_JSON_LEVELS):
        value = [value]
    orjson.dumps(value)


def _why(error: TypeError) -> str:
    text = str(error)
    if "ecursion" in text:
        return f"is nested deeper than {MAX_JSON_LEVELS} levels"
    return f"cannot be written as JSON ({text})"

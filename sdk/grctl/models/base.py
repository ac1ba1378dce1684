"""The base of all models: camelCase outside, snake_case inside, never changed.

1. A model is immutable: a new state is a new object (`model_copy(update=...)`).
2. Unknown fields are ignored when an object is read: a newer version may have written them.
3. Times are UTC. Times for people are cut to whole seconds, as Kubernetes does.
4. An error about a value does not quote it: errors are logged, and payloads must not be.
5. Some bounds are checked by the API server only (`Count`, `Name`, the range of a `Duration`). They
   are part of the schema and not of the reading, because an object from before the bound must still
   be readable.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import durationpy
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel

from grctl.models.limits import MAX_SHOWN_NAMES, MAX_SHOWN_TEXT_CHARS, MAX_SHOWN_TRACE_CHARS

GROUP = "grctl.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
NAME_PATTERN = rf"^{_LABEL}(\.{_LABEL})*$"
"""The names of objects that Kubernetes takes: DNS subdomains of at most NAME_LENGTH characters."""
NAME_LENGTH = 253

DURATION_PATTERN = r"^([0-9]+(\.[0-9]+)?(h|m|s|ms))+$"
DURATION_LENGTH = 32
"""Characters of a duration, at most."""
SHORTEST_DURATION = timedelta(milliseconds=1)
"""The smallest unit that a duration is written in."""
LONGEST_DURATION = timedelta(days=36_500)
"""A deadline after a longer one would be beyond the calendar."""

LARGEST_COUNT = 2**53 - 1
"""The largest integer that every reader of JSON keeps exact."""
MAX_BELIEVED_COUNT = 2**52
"""No count of ours gets so large. A larger number in a status was written by somebody else, and
leaves no room to go on counting."""


class Model(BaseModel):
    """Base of all resources and messages."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
    )

    def to_json(self) -> dict[str, Any]:
        """Return the object for the API or the wire: camelCase names, no unset fields."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def _read_duration(value: Any) -> Any:
    """Return the length of a text such as `24h` or `1h30m`; pydantic reads any other value.

    A length beyond Python's longest is read as that. An API server without the present bounds
    accepts a run with such a timeout, and the run must be readable to be shown, ended and deleted.
    """
    if not isinstance(value, str):
        return value
    if not re.fullmatch(DURATION_PATTERN, value):
        raise ValueError(f"{value!r} is not a duration; write it like '90s', '15m' or '1h30m'")
    try:
        return durationpy.from_str(value)
    except ValueError:  # out of range: the pattern has checked the spelling
        return timedelta.max


_WRITTEN_AT_MOST = timedelta.max - timedelta(days=1)  # rounding up must not overflow


def write_duration(length: timedelta) -> str:
    """Write a length as DURATION_PATTERN has it, rounded up to milliseconds."""
    milliseconds = -(-min(length, _WRITTEN_AT_MOST) // SHORTEST_DURATION)
    rounded = milliseconds * SHORTEST_DURATION
    return str(durationpy.to_str(rounded, extended=False)) if length else "0s"


Duration = Annotated[
    timedelta,
    BeforeValidator(_read_duration),
    PlainSerializer(write_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN, "maxLength": DURATION_LENGTH}),
]
"""A length of time, on the wire as Kubernetes writes it: `24h`, `1h30m`, `90s`."""


FIRST_MOMENT = datetime(1, 1, 2, tzinfo=UTC)
END_OF_CALENDAR = datetime(9999, 12, 31, tzinfo=UTC)
"""A day is left at both ends of Python's calendar, because seconds are added to moments."""


def _in_utc(moment: datetime) -> datetime:
    """Return a moment in UTC; the API server takes one without a zone too, and it means UTC."""
    try:
        read = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("in UTC this moment is beyond the calendar") from error
    if not FIRST_MOMENT <= read <= END_OF_CALENDAR:
        raise ValueError("this moment is at the end of the calendar, or beyond")
    return read


Moment = Annotated[datetime, AfterValidator(_in_utc)]
"""A point in time, in UTC."""

Count = Annotated[int, WithJsonSchema({"type": "integer", "minimum": 0, "maximum": LARGEST_COUNT})]
"""A number of things."""

Name = Annotated[str, WithJsonSchema({"type": "string", "maxLength": NAME_LENGTH})]
"""A name of an object or of a handler, or an id."""

Message = Annotated[str, WithJsonSchema({"type": "string", "maxLength": MAX_SHOWN_TEXT_CHARS})]
"""A text for people."""
Trace = Annotated[str, WithJsonSchema({"type": "string", "maxLength": MAX_SHOWN_TRACE_CHARS})]
Names = Annotated[
    tuple[str, ...],
    WithJsonSchema(
        {
            "type": "array",
            "maxItems": MAX_SHOWN_NAMES,
            "items": {"type": "string", "maxLength": NAME_LENGTH},
        }
    ),
]
"""Names that are shown to people."""

"""What every model of this package shares: camelCase outside, snake_case inside, never changed.

1. A model is immutable: a new state is a new object (`model_copy(update=...)`).
2. Unknown fields are ignored when reading: a newer version may have written them.
3. Times are UTC. What people read is cut to whole seconds, as Kubernetes does.
4. An error about a value does not quote it: errors are logged, and a payload never is.
5. A bound that only the API server holds (`Count`, `Name`, the range of a `Duration`) is part of
   the schema and not of the reading: an object from before the bound must still be read.
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
"""What Kubernetes takes as an object's name (a DNS subdomain), up to NAME_LENGTH characters."""
NAME_LENGTH = 253

DURATION_PATTERN = r"^([0-9]+(\.[0-9]+)?(h|m|s|ms))+$"
DURATION_LENGTH = 32
"""Characters of a duration, at most."""
SHORTEST_DURATION = timedelta(milliseconds=1)
"""The smallest unit that a duration is written in."""
LONGEST_DURATION = timedelta(days=36_500)
"""Beyond this a deadline leaves the calendar."""

LARGEST_COUNT = 2**53 - 1
"""The largest integer that every reader of JSON keeps exact."""
MAX_BELIEVED_COUNT = 2**52
"""Nothing is counted so far. What is written beyond it leaves no room to go on counting."""


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
        """Give the object as the API and the wire know it: camelCase, unset fields left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def _read_duration(value: Any) -> Any:
    """Read `24h` or `1h30m` as Go and Kubernetes write it; anything else is pydantic's business.

    A length that Python cannot count is read as the longest one that it can: an API server without
    the present bounds takes such a run, which must be read to be shown, ended and deleted.
    """
    if not isinstance(value, str):
        return value
    if not re.fullmatch(DURATION_PATTERN, value):
        raise ValueError(f"{value!r} is not a duration; write it like '90s', '15m' or '1h30m'")
    try:
        return durationpy.from_str(value)
    except ValueError:  # out of range: it is spelled as it should be
        return timedelta.max


_WRITTEN_AT_MOST = timedelta.max - timedelta(days=1)  # rounding up must not overflow


def write_duration(length: timedelta) -> str:
    """Write hours to milliseconds, rounded up: what DURATION_PATTERN takes."""
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
"""A day is left at both ends of what Python can count: seconds are added to moments."""


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

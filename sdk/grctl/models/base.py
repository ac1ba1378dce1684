"""What every model of this package shares: camelCase outside, snake_case inside, never changed.

1. A model is immutable: a new state is a new object (`model_copy(update=...)`).
2. Unknown fields are ignored when reading: a newer version may have written them.
3. Times are UTC. What people read is cut to whole seconds, as Kubernetes does.
4. An error about a value does not quote it: errors are logged, and a payload never is.
"""

import re
from datetime import timedelta
from typing import Annotated, Any

import durationpy
from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, WithJsonSchema
from pydantic.alias_generators import to_camel

GROUP = "grctl.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
NAME_PATTERN = rf"^{_LABEL}(\.{_LABEL})*$"
"""What Kubernetes takes as an object's name (a DNS subdomain), up to NAME_LENGTH characters."""
NAME_LENGTH = 253

DURATION_PATTERN = r"^([0-9]+(\.[0-9]+)?(h|m|s|ms))+$"


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
    """Read `24h` or `1h30m` as Go and Kubernetes write it; anything else is pydantic's business."""
    if not isinstance(value, str):
        return value
    if not re.match(DURATION_PATTERN, value):
        raise ValueError(f"{value!r} is no duration; write it like '90s', '15m' or '1h30m'")
    return durationpy.from_str(value)


def _write_duration(length: timedelta) -> str:
    """Write hours to milliseconds, rounded up: what DURATION_PATTERN takes."""
    milliseconds = -(-length // timedelta(milliseconds=1))
    rounded = timedelta(milliseconds=milliseconds)
    return str(durationpy.to_str(rounded, extended=False)) if length else "0s"


Duration = Annotated[
    timedelta,
    BeforeValidator(_read_duration),
    PlainSerializer(_write_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN}),
]
"""A length of time, on the wire as Kubernetes writes it: `24h`, `1h30m`, `90s`."""

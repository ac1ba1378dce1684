"""From JSON to the type that a user asked for: a payload's or a store's value.

Values are validated as JSON, not as Python objects: in pydantic's strict mode a datetime may then
be text, and a set a list. A model's fields are found by their aliases and by their names.
"""

from typing import Any, TypeVar

import orjson
from pydantic import TypeAdapter

T = TypeVar("T")


def validate_json(adapter: TypeAdapter[T], json: Any) -> T:
    """Return what a type makes of a JSON value.

    Raises:
        ValidationError: the value does not fit.
    """
    return adapter.validate_json(orjson.dumps(json), by_alias=True, by_name=True)

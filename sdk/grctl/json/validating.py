"""Validate a JSON value of a payload, a store or an answer as the type that user code names.

Values are validated as JSON, not as Python objects: so in pydantic's strict mode a datetime may be
text, and a set may be a list. A model's fields are found by their aliases and by their names.
"""

from typing import Any, TypeVar

import orjson
from pydantic import TypeAdapter

T = TypeVar("T")


def validate_json(adapter: TypeAdapter[T], json: Any) -> T:
    """Return a JSON value as an object of a type.

    Raises:
        ValidationError: the value does not fit.
    """
    return adapter.validate_json(orjson.dumps(json), by_alias=True, by_name=True)

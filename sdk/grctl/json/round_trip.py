"""How a pydantic value is written so that its own class can read it again.

pydantic writes a model by its serialization aliases and reads it by its validation aliases. Where
these differ, what was written does not come back: it is refused, or a field with a default loses
its value in silence. Such a class is written by its field names, which `validate_json` takes too.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from pydantic_core import to_jsonable_python

from grctl.json.core_schema import nodes_of

REMEMBERED_CLASSES = 1_000  # whose answer is remembered


class Writing(NamedTuple):
    """What `to_jsonable_python` is told about a class."""

    by_alias: bool = True
    """False if a serialization alias is not a name that the field is read by."""
    round_trip: bool = False
    """True if computed fields would be refused as unknown, or JSON text is read as text."""


def write_to_come_back(value: Any) -> Any:
    """Return the JSON of a pydantic value that its class can read."""
    writing = _writing_of(type(value))  # type: ignore[arg-type]  # classes are hashable
    return to_jsonable_python(value, by_alias=writing.by_alias, round_trip=writing.round_trip)


@lru_cache(maxsize=REMEMBERED_CLASSES)
def _writing_of(kind: type) -> Writing:
    nodes = list(nodes_of(getattr(kind, "__pydantic_core_schema__", None)))
    forbids = any(node.get("extra_fields_behavior") == "forbid" for node in nodes)
    computes = any(node.get("computed_fields") for node in nodes)
    reads_json = any(node.get("type") == "json" for node in nodes)
    return Writing(
        by_alias=all(_comes_back(name, field) for node in nodes for name, field in _fields(node)),
        round_trip=reads_json or (forbids and computes),
    )


def _fields(node: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    fields = node.get("fields")
    if isinstance(fields, dict):
        yield from fields.items()
    elif node.get("type") == "dataclass-args":
        yield from ((field["name"], field) for field in node["fields"])


def _comes_back(name: str, field: dict[str, Any]) -> bool:
    """Return whether what a field is written as is a name that it is read by."""
    written = field.get("serialization_alias", name)
    alias = field.get("validation_alias", name)
    choices = alias if isinstance(alias, list) else [[alias]]
    paths = choices if all(isinstance(each, list) for each in choices) else [choices]
    return written == name or [written] in paths

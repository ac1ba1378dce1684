"""Write a pydantic value so that its own class can read it again.

pydantic writes a model by its serialization aliases and reads it by its validation aliases. If the
two differ, the class does not read its own JSON: it refuses it, or a field with a default silently
loses its value. Such a class is written by its field names, which `validate_json` reads too.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from pydantic_core import to_jsonable_python

from grctl.json.core_schema import MAX_REMEMBERED_CLASSES, nodes_of


class Writing(NamedTuple):
    """The options of `to_jsonable_python` for one class."""

    by_alias: bool = True
    """False if some field is not read by its serialization alias."""
    round_trip: bool = False
    """True if the class refuses its computed fields as unknown, or has a field of type `Json`."""


def write_to_come_back(value: Any) -> Any:
    """Return the JSON of a pydantic value that its class can read."""
    writing = _writing_of(type(value))  # type: ignore[arg-type]  # classes are hashable
    return to_jsonable_python(value, by_alias=writing.by_alias, round_trip=writing.round_trip)


@lru_cache(maxsize=MAX_REMEMBERED_CLASSES)
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
    """Return whether a field is read by the name that it is written under."""
    written = field.get("serialization_alias", name)
    alias = field.get("validation_alias", name)
    choices = alias if isinstance(alias, list) else [[alias]]
    paths = choices if all(isinstance(each, list) for each in choices) else [choices]
    return written == name or [written] in paths

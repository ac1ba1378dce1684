"""Tables: the form in which the server answers `kubectl get`."""

from collections.abc import Iterable
from typing import Any

from grctl_local.errors import Json, bad_request
from grctl_local.kinds.kind import Column, Kind
from grctl_local.store import dump

NAME_DESCRIPTION = (
    "Name must be unique within a namespace. Is required when creating resources, although some"
    " resources may allow a client to request the generation of an appropriate name"
    " automatically. Name is primarily intended for creation idempotence and configuration"
    " definition. Cannot be updated. More info:"
    " https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names"
)
NAME_COLUMN = Column(
    "Name",
    "string",
    NAME_DESCRIPTION,
    lambda value: value["metadata"]["name"],
    cell=True,
    format="name",
)


def table(kind: Kind, values: Iterable[Json], metadata: Json, include: str) -> Json:
    """Return the Table of some objects.

    Raises:
        StatusError: `include` is not Metadata, Object or None.
    """
    columns = (NAME_COLUMN, *kind.columns) if kind.name_column else kind.columns
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": [_definition(column) for column in columns],
        "rows": [
            {"cells": [_cell(column, value) for column in columns], "object": _row(value, include)}
            for value in values
        ],
    }


def partial_metadata(value: Json) -> Json:
    """Return the metadata of an object as an object of its own."""
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": value["metadata"],
    }


def _definition(column: Column) -> Json:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": column.description,
        "priority": column.priority,
    }


def _cell(column: Column, value: Json) -> Any:
    found = column.path(value)
    if column.cell:
        return found
    return _fit(column.type, found[0]) if found else None


def _fit(type_: str, found: Any) -> Any:
    """Return a value as the type of its column, or None if it does not fit the type."""
    if type_ == "string":
        return dump(found).decode() if isinstance(found, dict | list) else _text(found)
    if type_ == "boolean":
        return found if isinstance(found, bool) else None
    if type_ == "integer":
        return int(found) if _is_number(found) else None
    if type_ == "number":
        return found if _is_number(found) else None
    return found


def _text(found: Any) -> Any:
    return found if isinstance(found, str | None) else dump(found).decode()


def _is_number(found: Any) -> bool:
    return isinstance(found, int | float) and not isinstance(found, bool)


def _row(value: Json, include: str) -> Json | None:
    if include == "Metadata":
        return partial_metadata(value)
    if include == "Object":
        return value
    if include == "None":
        return None
    raise bad_request(
        f'Unable to convert to Table as requested: includeObject: Invalid value: "{include}":'
        " must be 'Metadata', 'Object', 'None', or empty"
    )

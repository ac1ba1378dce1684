"""Server-side apply: a manager sends the fields that it wants, and owns them.

1. The fields of the request are set. A field that the manager owned and no longer sends is removed,
   unless another manager owns it too.
2. A field that another manager owns with another value is a conflict. `force` takes it over.
3. `metadata.managedFields` lists the owners. Only managers that apply are listed here (a real API
   server lists other writers too).
4. A list is one value (a real API server merges lists that the schema calls maps or sets). A map
   that the schema calls atomic is one value too: it is owned and set as a whole.
"""

from collections.abc import Iterator
from typing import Any

import orjson

from grctl_local.clock import timestamp
from grctl_local.errors import Cause, Json, StatusError, bad_request, invalid
from grctl_local.schema.node import Node
from grctl_local.store import Record, is_same
from grctl_local.verbs.cluster import Cluster
from grctl_local.verbs.decoding import clean, parse_yaml_or_json
from grctl_local.verbs.request import Call
from grctl_local.verbs.writing import create, update

Path = tuple[str, ...]
Managers = dict[str, set[Path]]
NEVER_OWNED = frozenset(
    {("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace")}
)


def apply(cluster: Cluster, call: Call) -> tuple[int, Record]:
    """Apply the fields of a manager. Return the object and the status code: 201 if it is new.

    Raises:
        StatusError: the object is refused, or another manager owns one of the fields.
    """
    manager = _manager(call)
    wanted = _read(call)
    before = cluster.store.get(call.kind.resource, call.key)
    value: Json = orjson.loads(before.data) if before else {}
    managers = _managers(value, call.subresource)
    owned_before = managers.pop(manager, set())
    schema = call.kind.schema
    mine = {path for path in _leaves(wanted, schema) if path not in NEVER_OWNED}
    _resolve_conflicts(call, value, wanted, mine, managers)
    others = set[Path]().union(*managers.values())
    for path in owned_before - mine - others:
        _remove(value, path)
    _merge(value, wanted, schema)
    managers[manager] = mine
    _note_managers(cluster, call, value, managers)
    cleaned = clean(call, value)
    if before:
        return 200, update(cluster, call, cleaned, before)
    return 201, create(cluster, call, cleaned)


def _manager(call: Call) -> str:
    manager = call.query.get("fieldManager", "")
    if not manager:
        message = "Required value: is required for apply patch"
        cause = Cause("FieldValueRequired", "fieldManager", message)
        raise invalid("meta.k8s.io", "PatchOptions", "", [cause])
    return manager


def _read(call: Call) -> Json:
    wanted = parse_yaml_or_json(call.body)
    if not isinstance(wanted, dict) or not wanted.get("kind") or not wanted.get("apiVersion"):
        raise bad_request("error decoding YAML: apiVersion and kind must be set")
    metadata = wanted.setdefault("metadata", {})
    if metadata.pop("managedFields", None):
        raise bad_request("metadata.managedFields must be nil")
    metadata.setdefault("name", call.name)
    for name in [name for name, found in metadata.items() if found is None]:
        del metadata[name]
    return wanted


def _resolve_conflicts(
    call: Call, value: Json, wanted: Json, mine: set[Path], managers: Managers
) -> None:
    """Take contested fields from the other managers if the request forces it.

    Raises:
        StatusError: other managers own fields, and the request does not force it (409).
    """
    conflicts = []
    for other, paths in [*managers.items()]:
        contested = {
            path
            for path in paths & mine
            if not is_same(_value_at(value, path), _value_at(wanted, path))
        }
        if call.flag("force"):
            managers[other] = paths - contested
        else:
            conflicts += [(other, path) for path in sorted(contested)]
    if conflicts:
        raise _conflict(conflicts)


def _conflict(conflicts: list[tuple[str, Path]]) -> StatusError:
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": f'conflict with "{manager}"',
            "field": "." + ".".join(path),
        }
        for manager, path in conflicts
    ]
    what = ", ".join(f"{cause['message']}: {cause['field']}" for cause in causes)
    plural = "s" if len(causes) > 1 else ""
    message = f"Apply failed with {len(causes)} conflict{plural}: {what}"
    return StatusError(409, "Conflict", message, {"causes": causes})


def _managers(value: Json, subresource: str) -> Managers:
    entries = value.get("metadata", {}).get("managedFields", [])
    return {
        entry["manager"]: set(_paths(entry["fieldsV1"]))
        for entry in entries
        if entry.get("subresource", "") == subresource
    }


def _note_managers(cluster: Cluster, call: Call, value: Json, managers: Managers) -> None:
    """Write the owners of the fields. An entry that did not change keeps its time."""
    before = value["metadata"].get("managedFields", [])
    kept = [entry for entry in before if entry.get("subresource", "") != call.subresource]
    known = {
        entry["manager"]: entry
        for entry in before
        if entry.get("subresource", "") == call.subresource
    }
    for manager, paths in managers.items():
        fields = _fields(paths)
        if known.get(manager, {}).get("fieldsV1") == fields:
            kept.append(known[manager])
        elif fields:
            kept.append(_entry(cluster, call, manager, fields))
    value["metadata"]["managedFields"] = kept


def _entry(cluster: Cluster, call: Call, manager: str, fields: Json) -> Json:
    entry: Json = {
        "manager": manager,
        "operation": "Apply",
        "apiVersion": call.kind.api_version,
        "time": timestamp(cluster.clock()),
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }
    return {**entry, "subresource": call.subresource} if call.subresource else entry


def _leaves(value: Json, schema: Node | None, path: Path = ()) -> Iterator[Path]:
    for name, below in value.items():
        here, node = (*path, name), schema.below(name) if schema else None
        if isinstance(below, dict) and below and not (node and node.atomic):
            yield from _leaves(below, node, here)
        else:
            yield here


def _paths(fields: Json, path: Path = ()) -> Iterator[Path]:
    for name, below in fields.items():
        here = (*path, name.removeprefix("f:"))
        if below:
            yield from _paths(below, here)
        else:
            yield here


def _fields(paths: set[Path]) -> Json:
    fields: Json = {}
    for path in sorted(paths):
        here = fields
        for name in path:
            here = here.setdefault(f"f:{name}", {})
    return fields


def _merge(value: Json, wanted: Json, schema: Node | None) -> None:
    for name, below in wanted.items():
        node, there = schema.below(name) if schema else None, value.get(name)
        if isinstance(below, dict) and isinstance(there, dict) and not (node and node.atomic):
            _merge(there, below, node)
        else:
            value[name] = below


def _value_at(value: Any, path: Path) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _remove(value: Json, path: Path) -> None:
    here: Any = value
    for name in path[:-1]:
        here = here.get(name) if isinstance(here, dict) else None
    if isinstance(here, dict):
        here.pop(path[-1], None)

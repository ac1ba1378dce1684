"""CustomResourceDefinitions: their validation, and the kinds that follow from them.

1. An invalid definition is refused when it is written, with the messages of the API server. So a
   schema that is served always compiles.
2. The names are accepted and the kind is established at once.
3. Fields that a definition leaves out (listKind, singular, conversion) are filled in.
"""

from datetime import datetime
from typing import Any

from grctl_local.clock import Clock, human_duration, parse_timestamp, timestamp
from grctl_local.errors import Cause, Json
from grctl_local.kinds.builtin import age_column, text_at
from grctl_local.kinds.kind import Column, FieldValue, Kind
from grctl_local.schema.jsonpath import compile_path, field_names
from grctl_local.schema.node import compile_schema
from grctl_local.schema.structural import schema_causes

SERVED_VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
TERMINATING_VERBS = ("delete", "deletecollection", "get", "list", "watch")
CLEANUP = "customresourcecleanup.apiextensions.k8s.io"


def fill_in(definition: Json) -> None:
    """Fill in the fields that follow from the rest of a definition, in place."""
    spec = definition.setdefault("spec", {})
    names = spec.setdefault("names", {})
    kind = names.get("kind", "")
    names.setdefault("singular", kind.lower())
    names.setdefault("listKind", f"{kind}List")
    spec.setdefault("conversion", {"strategy": "None"})


def establish(definition: Json, now: datetime) -> None:
    """Write into the status of a definition that it is accepted and served, in place."""
    spec, status = definition["spec"], dict(definition.get("status") or {})
    storage = storage_version(spec)
    stored = status.get("storedVersions") or []
    status["acceptedNames"] = spec["names"]
    status["storedVersions"] = stored if storage in stored else [*stored, storage]
    status["conditions"] = status.get("conditions") or [
        _condition("NamesAccepted", "NoConflicts", "no conflicts found", now),
        _condition(
            "Established", "InitialNamesAccepted", "the initial names have been accepted", now
        ),
    ]
    definition["status"] = status


def is_terminating(definition: Json) -> bool:
    """Return whether a definition is being deleted. It is removed after its last object."""
    return "deletionTimestamp" in definition["metadata"]


def terminate(definition: Json, now: datetime) -> Json:
    """Return a definition whose status says that its objects are being deleted."""
    status = dict(definition.get("status") or {})
    others = [each for each in status.get("conditions", ()) if each["type"] != "Terminating"]
    message = "CustomResource deletion is in progress"
    condition = _condition("Terminating", "InstanceDeletionInProgress", message, now)
    return {**definition, "status": {**status, "conditions": [*others, condition]}}


def kinds_of(definition: Json, clock: Clock) -> list[Kind]:
    """Return the kinds of a definition: one for each version that is served."""
    spec = definition["spec"]
    verbs = TERMINATING_VERBS if is_terminating(definition) else SERVED_VERBS
    served = [version for version in spec["versions"] if version.get("served")]
    return [_kind(spec, version, verbs, clock) for version in served]


def storage_version(spec: Json) -> str:
    """Return the name of the version in which objects are stored."""
    return next(str(entry["name"]) for entry in spec["versions"] if entry.get("storage"))


def validate_definition(definition: Json) -> list[Cause]:
    """Return what is wrong with a definition."""
    spec = definition["spec"]
    names = spec["names"]
    causes = [
        Cause("FieldValueRequired", f"spec.names.{name}", "Required value")
        for name in ("plural", "kind")
        if not names.get(name)
    ]
    if not spec.get("group"):
        causes.append(Cause("FieldValueRequired", "spec.group", "Required value"))
    wanted = f"{names.get('plural')}.{spec.get('group')}"
    if not causes and definition["metadata"].get("name") != wanted:
        found = definition["metadata"].get("name")
        message = f'Invalid value: "{found}": must be spec.names.plural+"."+spec.group'
        causes.append(Cause("FieldValueInvalid", "metadata.name", message))
    return [*causes, *_scope_causes(spec), *_version_causes(spec)]


def _scope_causes(spec: Json) -> list[Cause]:
    scope = spec.get("scope")
    if scope in {"Namespaced", "Cluster"}:
        return []
    if not scope:
        return [Cause("FieldValueRequired", "spec.scope", "Required value")]
    message = f'Unsupported value: "{scope}": supported values: "Cluster", "Namespaced"'
    return [Cause("FieldValueNotSupported", "spec.scope", message)]


def _version_causes(spec: Json) -> list[Cause]:
    versions = spec.get("versions") or []
    causes = []
    if sum(bool(version.get("storage")) for version in versions) != 1:
        message = "must have exactly one version marked as storage version"
        causes.append(Cause("FieldValueInvalid", "spec.versions", f"Invalid value: {message}"))
    for index, version in enumerate(versions):
        causes += _schema_causes(version, f"spec.versions[{index}]", single=len(versions) == 1)
    return causes


def _schema_causes(version: Json, path: str, *, single: bool) -> list[Cause]:
    source = (version.get("schema") or {}).get("openAPIV3Schema")
    if not source:
        field = f"{path}.schema.openAPIV3Schema"
        return [Cause("FieldValueRequired", field, "Required value")]
    # A kube-apiserver names this field if there is only one version: internally, it moves the
    # parts that all versions share to one place.
    field = "spec.validation" if single else f"{path}.schema"
    causes = list(schema_causes(source, f"{field}.openAPIV3Schema"))
    return causes or _selectable_causes(version, source, "spec" if single else path)


def _selectable_causes(version: Json, source: Json, path: str) -> list[Cause]:
    causes = []
    for index, field in enumerate(version.get("selectableFields", ())):
        if not _refers_to_a_scalar(source, field["jsonPath"]):
            message = (
                f'Invalid value: "{field["jsonPath"]}": is an invalid path: does not refer to a'
                " valid field"
            )
            where = f"{path}.selectableFields[{index}].jsonPath"
            causes.append(Cause("FieldValueInvalid", where, message))
    return causes


def _refers_to_a_scalar(source: Json, path: str) -> bool:
    node: Any = source
    for name in field_names(path) or ["?"]:
        node = node.get("properties", {}).get(name, {})
    return node.get("type") in {"string", "integer", "boolean"}


def _kind(spec: Json, version: Json, verbs: tuple[str, ...], clock: Clock) -> Kind:
    names = spec["names"]
    return Kind(
        group=spec["group"],
        version=version["name"],
        kind=names["kind"],
        plural=names["plural"],
        singular=names["singular"],
        list_kind=names["listKind"],
        namespaced=spec["scope"] == "Namespaced",
        short_names=tuple(names.get("shortNames", ())),
        categories=tuple(names.get("categories", ())),
        verbs=verbs,
        schema=compile_schema(_without_metadata(version["schema"]["openAPIV3Schema"])),
        columns=_columns(version, clock),
        selectable=_selectable(version),
        has_status="status" in (version.get("subresources") or {}),
        storage_version=f"{spec['group']}/{storage_version(spec)}",
        custom=True,
    )


def _without_metadata(source: Json) -> Json:
    """Return a schema without the fields that the server itself validates."""
    below = {
        name: node
        for name, node in source.get("properties", {}).items()
        if name not in {"apiVersion", "kind", "metadata"}
    }
    return {**source, "properties": below}


def _selectable(version: Json) -> dict[str, FieldValue]:
    paths = [field["jsonPath"] for field in version.get("selectableFields", ())]
    return {path.removeprefix("."): text_at(path) for path in paths}


def _columns(version: Json, clock: Clock) -> tuple[Column, ...]:
    columns = version.get("additionalPrinterColumns")
    if not columns:
        return (age_column(clock),)
    return tuple(_column(column, clock) for column in columns)


def _column(column: Json, clock: Clock) -> Column:
    path = column["jsonPath"]
    find = compile_path(path)
    return Column(
        name=column["name"],
        type=column["type"],
        description=column.get("description")
        or f"Custom resource definition column (in JSONPath format): {path}",
        path=(lambda value: _dates(find(value), clock)) if column["type"] == "date" else find,
        format=column.get("format", ""),
        priority=column.get("priority", 0),
    )


def _dates(found: list[Any], clock: Clock) -> list[Any]:
    moments = [parse_timestamp(text) if isinstance(text, str) else None for text in found]
    return [human_duration(clock() - moment) if moment else "<unknown>" for moment in moments]


def _condition(type_: str, reason: str, message: str, now: datetime) -> Json:
    return {
        "type": type_,
        "status": "True",
        "lastTransitionTime": timestamp(now),
        "reason": reason,
        "message": message,
    }

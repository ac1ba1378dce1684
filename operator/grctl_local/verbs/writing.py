"""Create and update: validate a decoded object and store it.

1. The status changes only through its subresource, and the subresource changes nothing else.
2. `metadata.generation` counts the changes of all fields but metadata and status.
3. A request that changes nothing writes nothing: no new resourceVersion and no event of a watch.
4. An object that is being deleted is removed when its last finalizer is removed.
"""

from typing import Any

from grctl_local.errors import (
    Cause,
    Json,
    StatusError,
    already_exists,
    bad_request,
    conflict,
    invalid,
    modified,
)
from grctl_local.kinds.builtin import DEFINITIONS, NAMESPACES
from grctl_local.kinds.definitions import establish, fill_in, validate_definition
from grctl_local.kinds.kind import Kind
from grctl_local.kinds.metadata import new_metadata, updated_metadata
from grctl_local.kinds.names import metadata_causes
from grctl_local.schema.validation import validate
from grctl_local.store import Record, is_same
from grctl_local.verbs.cluster import Cluster, new_namespace
from grctl_local.verbs.request import Call


def create(cluster: Cluster, call: Call, value: Json) -> Record:
    """Store a new object.

    Raises:
        StatusError: the object is refused.
    """
    kind = call.kind
    _check_namespace_field(call, value)
    if value["metadata"].get("resourceVersion"):
        raise StatusError(500, "", "resourceVersion should not be set on objects to be created")
    cluster.check_namespace(call, value["metadata"].get("name", ""))
    cluster.check_definition(call, value["metadata"].get("name", ""))
    new = _prepare_new(cluster, call, value)
    name = new["metadata"].get("name", "")
    _raise_if_invalid(kind, name, _causes(kind, new, None))
    existing = cluster.store.get(kind.resource, (call.namespace, name))
    if existing:
        deleting = "deletionTimestamp" in existing.value["metadata"]
        raise already_exists(kind.group, kind.plural, name, deleting=deleting)
    return _store(cluster, call, (call.namespace, name), new)


def update(cluster: Cluster, call: Call, value: Json, before: Record) -> Record:
    """Store a changed object in place of `before`.

    Raises:
        StatusError: the object is refused.
    """
    kind = call.kind
    _check_identity(call, value, before)
    new = _prepare_changed(call, value, before.value)
    _raise_if_invalid(kind, call.name, _update_causes(kind, new, before.value))
    if _is_same(new, before):
        return before
    metadata = new["metadata"]
    if (
        "deletionTimestamp" in metadata
        and not metadata.get("finalizers")
        and not _has_spec_finalizers(new)
    ):
        return _remove(cluster, call, new, before)
    return _store(cluster, call, before.key, new)


def replace(cluster: Cluster, call: Call, value: Json, before: Record) -> Record:
    """Store the object of a PUT. It must name the resourceVersion that it replaces.

    Raises:
        StatusError: the object is refused.
    """
    kind = call.kind
    _check_name(call, value)
    _check_uid(call, value, before)
    if value["metadata"].get("resourceVersion", "0") == "0" and kind.custom:
        message = "Invalid value: 0: must be specified for an update"
        cause = Cause("FieldValueInvalid", "metadata.resourceVersion", message)
        raise invalid(kind.group, kind.plural, call.name, [cause])
    return update(cluster, call, value, before)


def _check_uid(call: Call, value: Json, before: Record) -> None:
    uid, found = value["metadata"].get("uid"), before.value["metadata"]["uid"]
    if uid in {None, found}:
        return
    kind = call.kind
    path = "/".join(part for part in (kind.group, kind.plural, *before.key) if part)
    raise conflict(
        kind.group,
        kind.plural,
        call.name,
        f"StorageError: invalid object, Code: 4, Key: /registry/{path}, ResourceVersion: 0,"
        f" AdditionalErrorMsg: Precondition failed: UID in precondition: {uid}, UID in object"
        f" meta: {found}",
    )


def _check_identity(call: Call, value: Json, before: Record) -> None:
    _check_name(call, value)
    _check_namespace_field(call, value)
    uid = value["metadata"].get("uid")
    if uid not in {None, before.value["metadata"]["uid"]}:
        message = f'Invalid value: "{uid}": field is immutable'
        cause = Cause("FieldValueInvalid", "metadata.uid", message)
        _raise_if_invalid(call.kind, call.name, [cause])
    version = value["metadata"].get("resourceVersion", "")
    if version not in {"", "0", str(before.revision)}:
        raise modified(call.kind.group, call.kind.plural, call.name)


def _check_name(call: Call, value: Json) -> None:
    name = value["metadata"].get("name", "")
    if name != call.name:
        raise bad_request(
            f"the name of the object ({name}) does not match the name on the URL ({call.name})"
        )


def _check_namespace_field(call: Call, value: Json) -> None:
    found = value["metadata"].get("namespace", "")
    if found and found != call.namespace:
        raise bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    if call.namespace:
        value["metadata"]["namespace"] = call.namespace


def _prepare_new(cluster: Cluster, call: Call, value: Json) -> Json:
    kind, now = call.kind, cluster.clock()
    managed = value["metadata"].get("managedFields")
    value["metadata"] = new_metadata(value["metadata"], now, generation=kind.counts_generations)
    if managed:
        value["metadata"]["managedFields"] = managed
    if kind.has_status:
        value.pop("status", None)
    if kind.resource == NAMESPACES and value["metadata"].get("name"):
        return new_namespace(value)
    if kind.resource == DEFINITIONS:
        fill_in(value)
    return value


def _prepare_changed(call: Call, value: Json, before: Json) -> Json:
    kind = call.kind
    if call.subresource == "status":
        return _with_status(value, before)
    managed = value["metadata"].get("managedFields")
    value["metadata"] = updated_metadata(value["metadata"], before["metadata"])
    if call.content_type.startswith("application/apply-patch") and managed:
        value["metadata"]["managedFields"] = managed
    if kind.has_status:
        value.pop("status", None)
        if "status" in before:
            value["status"] = before["status"]
    if kind.resource == DEFINITIONS:
        fill_in(value)
    if kind.counts_generations and not is_same(_desired(kind, value), _desired(kind, before)):
        value["metadata"]["generation"] = before["metadata"].get("generation", 0) + 1
    return value


def _with_status(value: Json, before: Json) -> Json:
    new = {**before, "metadata": dict(before["metadata"])}
    new.pop("status", None)
    if "status" in value:
        new["status"] = value["status"]
    return new


def _desired(kind: Kind, value: Json) -> Json:
    left_out = {"metadata", "status"} if kind.has_status else {"metadata"}
    return {name: part for name, part in value.items() if name not in left_out}


def _causes(kind: Kind, new: Json, before: Json | None) -> list[Cause]:
    causes = list(metadata_causes(new["metadata"], label_name=kind.resource == NAMESPACES))
    if kind.resource == DEFINITIONS:
        causes += validate_definition(new)
    if kind.schema:
        causes = validate(kind.schema, new, before, causes)
    return causes


def _update_causes(kind: Kind, new: Json, before: Json) -> list[Cause]:
    causes = []
    if "deletionTimestamp" in before["metadata"]:
        old = before["metadata"].get("finalizers", ())
        added = [name for name in new["metadata"].get("finalizers", ()) if name not in old]
        if added:
            listed = ", ".join(f'"{name}"' for name in added)
            message = (
                "Forbidden: no new finalizers can be added if the object is being deleted, found"
                f" new finalizers []string{{{listed}}}"
            )
            causes.append(Cause("FieldValueForbidden", "metadata.finalizers", message))
    return causes + _causes(kind, new, before)


def _raise_if_invalid(kind: Kind, name: str, causes: list[Cause]) -> None:
    if causes:
        raise invalid(kind.group, kind.kind, name, causes)


def _is_same(new: Json, before: Record) -> bool:
    # If the stored object lacks defaults, write it with them.
    return before.stored == before.data and is_same(new, before.value)


def _has_spec_finalizers(value: Json) -> bool:
    finalizers: Any = (value.get("spec") or {}).get("finalizers")
    return value["kind"] == "Namespace" and bool(finalizers)


def _store(cluster: Cluster, call: Call, key: tuple[str, str], new: Json) -> Record:
    kind = call.kind
    if kind.resource == DEFINITIONS and call.subresource != "status":
        establish(new, cluster.clock())
    shown = kind.with_defaults(new)
    if call.dry_run:
        revision = int(new["metadata"].get("resourceVersion", "0"))
        return Record.of(key, revision, shown, shown)
    return cluster.store.put(kind.resource, key, shown, new)


def _remove(cluster: Cluster, call: Call, new: Json, before: Record) -> Record:
    if not call.dry_run:
        cluster.store.delete(call.kind.resource, before.key)
    return Record.of(before.key, before.revision, new, new)

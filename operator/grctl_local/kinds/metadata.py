"""`metadata`: its fields, which of them clients may set, and which the server sets."""

import secrets
import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from grctl_local.clock import timestamp
from grctl_local.errors import Json, bad_request

FIELDS: dict[str, type] = {
    "name": str,
    "generateName": str,
    "namespace": str,
    "selfLink": str,
    "uid": str,
    "resourceVersion": str,
    "generation": int,
    "creationTimestamp": str,
    "deletionTimestamp": str,
    "deletionGracePeriodSeconds": int,
    "labels": dict,
    "annotations": dict,
    "ownerReferences": list,
    "finalizers": list,
    "managedFields": list,
}
GO_NAMES = {str: "string", dict: "object", list: "array", int: "number", float: "number"}
SERVERS_OWN = (
    "uid",
    "creationTimestamp",
    "generation",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
    "resourceVersion",
)
SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"  # without vowels no suffix is a word by chance
SUFFIX_LENGTH = 5
MAX_GENERATED_BASE_CHARS = 63 - SUFFIX_LENGTH


def read_metadata(kind: str, version: str, found: Any) -> tuple[Json, list[str]]:
    """Return metadata without empty and unknown fields, and the paths of the unknown ones.

    Raises:
        StatusError: a field has the wrong type.
    """
    if not isinstance(found, dict | None):
        raise _wrong_type(kind, version, found, "Object.metadata", "v1.ObjectMeta")
    metadata: Json = {}
    unknown = []
    for name, value in sorted((found or {}).items()):
        if name not in FIELDS:
            unknown.append(f"metadata.{name}")
        elif value is not None and value not in ("", [], {}):
            _check_type(kind, version, name, value)
            metadata[name] = value
    metadata.pop("selfLink", None)
    return metadata, unknown


def new_metadata(metadata: Json, now: datetime, *, generation: bool) -> Json:
    """Return the metadata of a new object: what the client may set, and what the server sets."""
    kept = {name: value for name, value in metadata.items() if name not in SERVERS_OWN}
    if not kept.get("name") and kept.get("generateName"):
        kept["name"] = generated_name(kept["generateName"])
    kept["uid"] = str(uuid.uuid4())
    kept["creationTimestamp"] = timestamp(now)
    if generation:
        kept["generation"] = 1
    return kept


def updated_metadata(metadata: Json, before: Json) -> Json:
    """Return the metadata of a changed object: only fields that clients may change are changed."""
    kept = {name: value for name, value in metadata.items() if name not in SERVERS_OWN}
    return kept | {name: before[name] for name in SERVERS_OWN if name in before}


def generated_name(base: str) -> str:
    """Return a new name that begins with `generateName`."""
    suffix = "".join(secrets.choice(SUFFIX_LETTERS) for _ in range(SUFFIX_LENGTH))
    return base[:MAX_GENERATED_BASE_CHARS] + suffix


def _check_type(kind: str, version: str, name: str, value: Any) -> None:
    wanted, field = FIELDS[name], f"ObjectMeta.{name}"
    if type(value) is not wanted:
        raise _wrong_type(kind, version, value, field, GO_NAMES[wanted])
    entries, entry_type = _entries(name, value)
    for entry in entries:
        if not isinstance(entry, entry_type):
            raise _wrong_type(kind, version, entry, field, GO_NAMES[entry_type])


def _entries(name: str, value: Any) -> tuple[Iterable[Any], type]:
    if name in {"labels", "annotations"}:
        return value.values(), str
    if name == "finalizers":
        return value, str
    return (value, dict) if name in {"ownerReferences", "managedFields"} else ((), object)


def _wrong_type(kind: str, version: str, value: Any, field: str, wanted: str) -> Exception:
    found = "bool" if isinstance(value, bool) else GO_NAMES.get(type(value), "null")
    return bad_request(
        f'{kind} in version "{version}" cannot be handled as a {kind}: json: cannot unmarshal'
        f" {found} into Go struct field {field} of type {wanted}"
    )

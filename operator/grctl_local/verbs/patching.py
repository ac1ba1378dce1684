"""PATCH: change an object by a JSON patch, a merge patch or server-side apply.

1. A patch is applied to a copy of the object. The copy is then stored as any update.
2. A patch without a resourceVersion cannot conflict: requests are handled one after the other.
"""

import copy
from typing import Any

import orjson

from grctl_local.errors import Json, StatusError, bad_request, unsupported_media_type
from grctl_local.store import Record, is_same
from grctl_local.verbs.applying import apply
from grctl_local.verbs.cluster import Cluster
from grctl_local.verbs.decoding import clean, json_error
from grctl_local.verbs.request import Call
from grctl_local.verbs.writing import update

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


def patch(cluster: Cluster, call: Call) -> tuple[int, Record]:
    """Patch an object. Return it with the status code, because apply may create an object.

    Raises:
        StatusError: the patch or the patched object is refused.
    """
    kind, content = call.kind, call.content_type
    accepted = [JSON_PATCH, MERGE_PATCH, APPLY_PATCH]
    if not kind.custom:
        accepted.insert(2, STRATEGIC_MERGE_PATCH)
    if content not in accepted:
        raise unsupported_media_type(accepted)
    if content == APPLY_PATCH:
        return apply(cluster, call)
    before = cluster.record(call)
    value: Json = orjson.loads(before.data)
    if content == JSON_PATCH:
        value = json_patch(value, _operations(call.body))
    else:
        value = merge_patch(value, _merge(call.body))
    value.setdefault("metadata", {})
    return 200, update(cluster, call, clean(call, value), before)


def merge_patch(value: Json, changes: Json) -> Json:
    """Apply a JSON merge patch (RFC 7386) in place."""
    for name, change in changes.items():
        if name.startswith("$"):
            continue  # a directive of a strategic merge patch for lists; here lists are replaced
        if change is None:
            value.pop(name, None)
        elif isinstance(change, dict):
            below = value.get(name)
            value[name] = merge_patch(below if isinstance(below, dict) else {}, change)
        else:
            value[name] = change
    return value


def json_patch(value: Any, operations: list[Json]) -> Any:
    """Apply a JSON patch (RFC 6902) in place.

    Raises:
        StatusError: an operation does not fit the object, or a test fails.
    """
    try:
        for operation in operations:
            value = _apply(value, operation)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        message = "the server rejected our request due to an error in our request"
        raise StatusError(422, "Invalid", message, {}) from error
    return value


def _apply(value: Any, operation: Json) -> Any:
    path = _pointer(operation["path"])
    match operation["op"]:
        case "add":
            return _add(value, path, operation["value"])
        case "remove":
            _take(value, path)
            return value
        case "replace":
            _take(value, path)
            return _add(value, path, operation["value"])
        case "move":
            moved = _take(value, _pointer(operation["from"]))
            return _add(value, path, moved)
        case "copy":
            return _add(value, path, copy.deepcopy(_find(value, _pointer(operation["from"]))))
        case "test":
            if not is_same(_find(value, path), operation["value"]):
                raise ValueError("test failed")
            return value
        case unknown:
            raise ValueError(f"no such operation: {unknown}")


def _pointer(text: str) -> list[str]:
    if not text:
        return []
    if not text.startswith("/"):
        raise ValueError(f"not a JSON pointer: {text}")
    return [part.replace("~1", "/").replace("~0", "~") for part in text[1:].split("/")]


def _find(value: Any, path: list[str]) -> Any:
    for part in path:
        value = value[_index(part)] if isinstance(value, list) else value[part]
    return value


def _add(value: Any, path: list[str], new: Any) -> Any:
    if not path:
        return new
    parent = _find(value, path[:-1])
    if isinstance(parent, list):
        position = len(parent) if path[-1] == "-" else _index(path[-1])
        if position > len(parent):
            raise IndexError(position)
        parent.insert(position, new)
    elif isinstance(parent, dict):
        parent[path[-1]] = new
    else:
        raise TypeError(f"nothing can be below {path[:-1]}")
    return value


def _take(value: Any, path: list[str]) -> Any:
    parent = _find(value, path[:-1])
    return parent.pop(_index(path[-1]) if isinstance(parent, list) else path[-1])


def _index(part: str) -> int:
    if not part.isdigit():
        raise ValueError(f"not an index: {part}")
    return int(part)


def _operations(body: bytes) -> list[Json]:
    operations = _decode(body)
    if not isinstance(operations, list):
        raise bad_request(
            "error decoding patch: json: cannot unmarshal object into Go value of type"
            " jsonpatch.Patch"
        )
    return operations


def _merge(body: bytes) -> Json:
    changes = _decode(body)
    if not isinstance(changes, dict):
        raise bad_request(
            "error decoding patch: json: cannot unmarshal array into Go value of type"
            " map[string]interface {}"
        )
    return changes


def _decode(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise bad_request(f"error decoding patch: {json_error(body, error)}") from error

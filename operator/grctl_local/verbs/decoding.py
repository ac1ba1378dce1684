"""Decoding: make an object of a kind from the bytes of a request.

1. Fields that the schema does not know are dropped. `fieldValidation` says whether they are an
   error, a warning or neither.
2. A whole number is an integer, however it is written: 1.0 is 1.
3. The defaults of the schema are filled in here, before the object is stored.
"""

from typing import Any

import orjson
import yaml

from grctl_local.errors import (
    Cause,
    Json,
    StatusError,
    bad_request,
    invalid,
    unsupported_media_type,
)
from grctl_local.kinds.kind import Kind
from grctl_local.kinds.metadata import read_metadata
from grctl_local.schema.defaulting import default
from grctl_local.schema.pruning import prune
from grctl_local.verbs.protobuf import decode as decode_protobuf
from grctl_local.verbs.request import Call

PROTOBUF_TYPE = "application/vnd.kubernetes.protobuf"
READABLE = ("application/json", "application/yaml", PROTOBUF_TYPE)
QUOTED_BODY_BYTES = 30
INT64_LIMIT = 2.0**63  # a larger integer could not be written; as a float it is the same JSON


def read_object(call: Call) -> Json:
    """Return the object in the body of a request.

    Raises:
        StatusError: the body is not an object of the kind.
    """
    return clean(call, _parse(call))


def read_body(call: Call) -> Json:
    """Return the object in a body whose kind is not that of the request: a subresource's.

    Raises:
        StatusError: the body is not an object.
    """
    return _parse(call)


def json_error(body: bytes, error: orjson.JSONDecodeError) -> str:
    """Return what is wrong with JSON. Text that is only cut short gets the message of Go."""
    return "unexpected end of JSON input" if error.pos >= len(body) - 1 else str(error)


def clean(call: Call, value: Json) -> Json:
    """Return an object in the form of its kind: with defaults, without unknown fields.

    Raises:
        StatusError: the object is of another kind, or has unknown fields and may have none.
    """
    kind = call.kind
    treatment = call.field_validation
    _check_type(kind, value)
    metadata, unknown = read_metadata(kind.kind, kind.version, value.get("metadata"))
    value["metadata"] = metadata
    value["apiVersion"] = kind.stored_api_version
    value["kind"] = kind.kind
    if _has_float(value):
        value = _whole(value)
    if kind.schema:
        unknown += prune(kind.schema, value)
        default(kind.schema, value)
    if unknown:
        _report(call, unknown, treatment)
    return value


def parse_yaml_or_json(body: bytes) -> Any:
    """Return the value of a body that is YAML or JSON.

    JSON is tried first, because it is a hundred times quicker to read.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        try:
            return yaml.load(body, Loader=_PlainLoader)  # noqa: S506  # a SafeLoader
        except yaml.YAMLError as error:
            raise bad_request(f"error converting YAML to JSON: {error}") from error


def _parse(call: Call) -> Json:
    if call.content_type not in {"", *READABLE}:
        raise unsupported_media_type(READABLE)
    if call.content_type == PROTOBUF_TYPE:
        return decode_protobuf(call.body)
    if call.content_type == "application/yaml":
        value = parse_yaml_or_json(call.body)
    else:
        try:
            value = orjson.loads(call.body)
        except orjson.JSONDecodeError as error:
            why = f"couldn't get version/kind; json parse error: {json_error(call.body, error)}"
            raise _unrecognized(call, why) from error
    if not isinstance(value, dict):
        found = "array" if isinstance(value, list) else type(value).__name__
        why = f"couldn't get version/kind; json parse error: json: cannot unmarshal {found}"
        raise _unrecognized(call, why)
    if call.kind.custom and not value.get("kind"):
        raise _unrecognized(call, f"Object 'Kind' is missing in '{call.body.decode()}'")
    return value


def _unrecognized(call: Call, why: str) -> StatusError:
    start = call.body[:QUOTED_BODY_BYTES].decode(errors="replace") or "<empty>"
    start += " ..." if len(call.body) > QUOTED_BODY_BYTES else ""
    return bad_request(
        f"the object provided is unrecognized (must be of type {call.kind.kind}): {why} ({start})"
    )


def _check_type(kind: Kind, value: Json) -> None:
    api_version = value.get("apiVersion") or kind.api_version
    if api_version not in {kind.api_version, kind.stored_api_version}:
        raise bad_request(
            f"the API version in the data ({api_version}) does not match the expected API version"
            f" ({kind.api_version})"
        )
    name = value.get("kind") or kind.kind
    if name == kind.kind:
        return
    if not kind.custom:
        raise bad_request(f'no kind "{name}" is registered for version "{api_version}"')
    cause = Cause("FieldValueInvalid", "kind", f'Invalid value: "{name}": must be {kind.kind}')
    metadata = value.get("metadata")
    object_name = metadata.get("name", "") if isinstance(metadata, dict) else ""
    raise invalid(kind.group, name, object_name, [cause])


def _report(call: Call, unknown: list[str], treatment: str) -> None:
    if treatment == "Strict":
        kind = call.kind
        wrong = ", ".join(f'unknown field "{path}"' for path in unknown)
        raise bad_request(
            f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: strict'
            f" decoding error: {wrong}"
        )
    if treatment == "Warn":
        call.warnings += [f'unknown field "{path}"' for path in unknown]


def _has_float(value: Any) -> bool:
    """Return whether there is a float anywhere in a value. Most objects have none."""
    found = [value]
    while found:
        each = found.pop()
        if isinstance(each, dict):
            found.extend(each.values())
        elif isinstance(each, list):
            found.extend(each)
        elif isinstance(each, float):
            return True
    return False


def _whole(value: Any) -> Any:
    """Return a value in which 1.0 is 1, as Go writes it in JSON."""
    if isinstance(value, dict):
        return {name: _whole(below) for name, below in value.items()}
    if isinstance(value, list):
        return [_whole(below) for below in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < INT64_LIMIT:
        return int(value)
    return value


class _PlainLoader(yaml.SafeLoader):
    """Reads YAML as Kubernetes does: times stay text."""


_PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}

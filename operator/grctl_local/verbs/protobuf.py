"""Protobuf bodies: kubectl creates ConfigMaps, Namespaces, Roles and more in this form only.

Only the kinds that kubectl creates by itself can be read. Answers are JSON, which it accepts too.
The object is in an envelope that names its kind. The field numbers are those of the `.proto` files
of Kubernetes.
"""

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from grctl_local.clock import timestamp
from grctl_local.errors import Json, bad_request

MAGIC = b"k8s\0"
Scalar = Literal["string", "bytes", "integer", "boolean", "time"]


@dataclass(frozen=True)
class Field:
    """One field of a message type."""

    name: str
    type: "Scalar | Message" = "string"
    many: bool = False
    map: bool = False


@dataclass(frozen=True)
class Message:
    """A message type: its fields by number."""

    fields: dict[int, Field] = field(default_factory=dict)


OBJECT_META = Message(
    {
        1: Field("name"),
        2: Field("generateName"),
        3: Field("namespace"),
        8: Field("creationTimestamp", "time"),
        11: Field("labels", map=True),
        12: Field("annotations", map=True),
        14: Field("finalizers", many=True),
    }
)
METADATA_FIELD = Field("metadata", OBJECT_META)
RULE = Message(
    {
        1: Field("verbs", many=True),
        2: Field("apiGroups", many=True),
        3: Field("resources", many=True),
        4: Field("resourceNames", many=True),
        5: Field("nonResourceURLs", many=True),
    }
)
SUBJECT = Message({1: Field("kind"), 2: Field("apiGroup"), 3: Field("name"), 4: Field("namespace")})
ROLE_REFERENCE = Message({1: Field("apiGroup"), 2: Field("kind"), 3: Field("name")})
ROLE = Message({1: METADATA_FIELD, 2: Field("rules", RULE, many=True)})
BINDING = Message(
    {
        1: METADATA_FIELD,
        2: Field("subjects", SUBJECT, many=True),
        3: Field("roleRef", ROLE_REFERENCE),
    }
)
TOKEN_SPEC = Message({1: Field("audiences", many=True), 4: Field("expirationSeconds", "integer")})
RESOURCE_ATTRIBUTES = Message(
    {
        1: Field("namespace"),
        2: Field("verb"),
        3: Field("group"),
        4: Field("version"),
        5: Field("resource"),
        6: Field("subresource"),
        7: Field("name"),
    }
)
ACCESS_SPEC = Message({1: Field("resourceAttributes", RESOURCE_ATTRIBUTES)})
MESSAGES = {
    "Namespace": Message({1: METADATA_FIELD}),
    "ConfigMap": Message(
        {
            1: METADATA_FIELD,
            2: Field("data", map=True),
            3: Field("binaryData", "bytes", map=True),
            4: Field("immutable", "boolean"),
        }
    ),
    "Secret": Message(
        {
            1: METADATA_FIELD,
            2: Field("data", "bytes", map=True),
            3: Field("type"),
            4: Field("stringData", map=True),
            5: Field("immutable", "boolean"),
        }
    ),
    "ServiceAccount": Message({1: METADATA_FIELD}),
    "Role": ROLE,
    "ClusterRole": ROLE,
    "RoleBinding": BINDING,
    "ClusterRoleBinding": BINDING,
    "SelfSubjectReview": Message({1: METADATA_FIELD}),
    "SelfSubjectAccessReview": Message({1: METADATA_FIELD, 2: Field("spec", ACCESS_SPEC)}),
    "TokenRequest": Message({1: METADATA_FIELD, 2: Field("spec", TOKEN_SPEC)}),
}
TYPE = Message({1: Field("apiVersion"), 2: Field("kind")})
ENVELOPE = Message({1: Field("type", TYPE), 2: Field("raw", "bytes")})
TIME = Message({1: Field("seconds", "integer")})


def decode(body: bytes) -> Json:
    """Return the object of a protobuf body.

    Raises:
        StatusError: the body is cut short, or its kind can be read as JSON only.
    """
    try:
        envelope = _read(ENVELOPE, body.removeprefix(MAGIC))
        message = MESSAGES[envelope["type"]["kind"]]
        value = _read(message, base64.b64decode(envelope["raw"]))
    except (ValueError, KeyError, IndexError) as error:
        raise bad_request(f"this protobuf body cannot be read; send JSON: {error}") from error
    return {**envelope["type"], **value}


def _read(message: Message, data: bytes) -> Json:
    value: Json = {}
    for number, found in _fields(data):
        known = message.fields.get(number)
        if known:
            _put(value, known, found)
    return value


def _put(value: Json, known: Field, found: bytes | int) -> None:
    if known.map:
        entry = _read(Message({1: Field("key"), 2: Field("value", known.type)}), _bytes(found))
        empty = ""
        value.setdefault(known.name, {})[entry.get("key", empty)] = entry.get("value", empty)
    elif known.many:
        value.setdefault(known.name, []).append(_scalar(known, found))
    elif (scalar := _scalar(known, found)) not in ("", None):
        value[known.name] = scalar


def _scalar(known: Field, found: bytes | int) -> Any:
    match known.type:
        case Message():
            return _read(known.type, _bytes(found))
        case "string":
            return _bytes(found).decode()
        case "bytes":
            return base64.b64encode(_bytes(found)).decode()
        case "time":
            seconds = _read(TIME, _bytes(found)).get("seconds")
            return timestamp(datetime.fromtimestamp(seconds, UTC)) if seconds else None
        case "boolean":
            return bool(found)
    return found


def _bytes(found: bytes | int) -> bytes:
    if isinstance(found, int):
        raise ValueError("a number where bytes should be")  # noqa: TRY004  # of the data
    return found


def _fields(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        number, wire = tag >> 3, tag & 7
        length, position = _varint(data, position)
        if wire == 0:
            yield number, length
        elif wire == 2 and position + length <= len(data):
            yield number, data[position : position + length]
            position += length
        else:
            raise ValueError("cut short")


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position

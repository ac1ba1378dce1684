"""OpenAPI v2: kubectl validates the items of a `kind: List` by it.

The server validates all other objects for kubectl. For a List, kubectl reads this document itself,
and in protobuf only (the message `openapi.v2.Document` of github.com/google/gnostic). The document
has what kubectl reads: the schema of each kind, as far as version 2 can express it.
"""

import orjson

from grctl_local.errors import Json
from grctl_local.kinds.registry import Registry
from grctl_local.wire import openapi

V2_PROTOBUF = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
V2_PROTOBUF_ANSWER = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
"""The content type of the answer, as a kube-apiserver sends it: it may not contain `@`."""
REFERENCE_PREFIX = "#/definitions/"
FREE_MARKS = ("x-kubernetes-preserve-unknown-fields", "x-kubernetes-int-or-string", "nullable")
"""A schema with one of these accepts values that a schema of v2 would refuse."""

# Field numbers of gnostic's messages.
SWAGGER, INFO, DEFINITIONS = 1, 2, 9
TITLE, VERSION = 1, 2
SCHEMA = {"$ref": 1, "format": 2, "description": 4}
REQUIRED, ADDITIONAL_PROPERTIES, TYPE, ITEMS, PROPERTIES, EXTENSION = 19, 21, 22, 23, 25, 31
NAME, VALUE, YAML, FIRST = 1, 2, 2, 1


def document(registry: Registry) -> Json:
    """Return `/openapi/v2`, with a definition for each kind that is served."""
    definitions = {openapi.METADATA_SCHEMA_NAME: _schema(openapi.METADATA_SCHEMA)}
    for kind in registry:
        schema = openapi.schema(kind)
        definitions[openapi.schema_name(kind)] = {
            **_schema(schema),
            openapi.TYPE_EXTENSION: schema[openapi.TYPE_EXTENSION],
        }
    return {
        "swagger": "2.0",
        "info": openapi.DOCUMENT_INFO,
        "paths": {},
        "definitions": definitions,
    }


def encode(document: Json) -> bytes:
    """Return a document as a protobuf message of gnostic."""
    info = _text(TITLE, document["info"]["title"]) + _text(VERSION, document["info"]["version"])
    definitions = _named(document["definitions"])
    return (
        _text(SWAGGER, document["swagger"]) + _bytes(INFO, info) + _bytes(DEFINITIONS, definitions)
    )


def _schema(source: Json) -> Json:
    """Return a schema as far as v2 can express it. A schema that v2 cannot express allows all."""
    node: Json = {"description": source["description"]} if "description" in source else {}
    if any(source.get(name) for name in FREE_MARKS):
        return node
    for part in source.get("allOf", ())[:1]:
        if "$ref" in part:
            return {"$ref": REFERENCE_PREFIX + part["$ref"].rpartition("/")[2]}
    node |= {name: source[name] for name in ("type", "format", "required") if source.get(name)}
    if source.get("properties"):
        properties = source["properties"].items()
        node["properties"] = {name: _schema(below) for name, below in properties}
    for name in ("items", "additionalProperties"):
        if isinstance(source.get(name), dict):
            node[name] = _schema(source[name])
    return node


def _message(schema: Json) -> bytes:
    message = b"".join(_text(SCHEMA[name], schema[name]) for name in SCHEMA if name in schema)
    message += b"".join(_text(REQUIRED, name) for name in schema.get("required", ()))
    if "additionalProperties" in schema:
        below = _bytes(FIRST, _message(schema["additionalProperties"]))
        message += _bytes(ADDITIONAL_PROPERTIES, below)
    if "type" in schema:
        message += _bytes(TYPE, _text(FIRST, schema["type"]))
    if "items" in schema:
        message += _bytes(ITEMS, _bytes(FIRST, _message(schema["items"])))
    if "properties" in schema:
        message += _bytes(PROPERTIES, _named(schema["properties"]))
    if openapi.TYPE_EXTENSION in schema:
        types = _text(YAML, orjson.dumps(schema[openapi.TYPE_EXTENSION]).decode())
        message += _bytes(EXTENSION, _text(NAME, openapi.TYPE_EXTENSION) + _bytes(VALUE, types))
    return message


def _named(schemas: Json) -> bytes:
    return b"".join(
        _bytes(FIRST, _text(NAME, name) + _bytes(VALUE, _message(schema)))
        for name, schema in schemas.items()
    )


def _text(number: int, text: str) -> bytes:
    return _bytes(number, text.encode())


def _bytes(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    data = bytearray()
    while value > 0x7F:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    data.append(value)
    return bytes(data)

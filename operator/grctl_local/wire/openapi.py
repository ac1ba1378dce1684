"""OpenAPI v3: `kubectl explain` prints it, and `kubectl apply` and `create` read it.

There is one document for each group and version. Its paths name the query parameters of each
operation. Its schemas are those of the definitions.
"""

import hashlib
from typing import Any

from grctl_local.errors import Json
from grctl_local.kinds.kind import Kind
from grctl_local.kinds.registry import Registry
from grctl_local.store import dump

API_VERSION_SCHEMA = {
    "type": "string",
    "description": "APIVersion defines the versioned schema of this representation of an object.",
}
KIND_SCHEMA = {
    "type": "string",
    "description": "Kind is a string value representing the REST resource this object represents.",
}
METADATA_SCHEMA_NAME = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
METADATA_SCHEMA: Json = {
    "type": "object",
    "description": "ObjectMeta is metadata that all persisted resources must have.",
    "properties": {
        "name": {"type": "string"},
        "generateName": {"type": "string"},
        "namespace": {"type": "string"},
        "uid": {"type": "string"},
        "resourceVersion": {"type": "string"},
        "generation": {"type": "integer", "format": "int64"},
        "creationTimestamp": {"type": "string", "format": "date-time"},
        "deletionTimestamp": {"type": "string", "format": "date-time"},
        "deletionGracePeriodSeconds": {"type": "integer", "format": "int64"},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
        "finalizers": {"type": "array", "items": {"type": "string"}},
        "ownerReferences": {"type": "array", "items": {"type": "object"}},
        "managedFields": {"type": "array", "items": {"type": "object"}},
    },
}
WRITE_PARAMETERS = ("dryRun", "fieldManager", "fieldValidation")
PATCHES = (
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
)


TYPE_EXTENSION = "x-kubernetes-group-version-kind"
DOCUMENT_INFO: Json = {"title": "Kubernetes", "version": "v1.36.0"}


def index(registry: Registry) -> Json:
    """Return `/openapi/v3`, the index of the documents."""
    paths = {}
    for path, group, version in _documents(registry):
        digest = hashlib.sha256(dump(document(registry, group, version))).hexdigest()
        paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={digest.upper()}"}
    return {"paths": paths}


def document(registry: Registry, group: str, version: str) -> Json | None:
    """Return the document of a group and version, or None if it does not exist."""
    kinds = registry.in_version(group, version)
    if not kinds:
        return None
    paths: Json = {}
    schemas: Json = {METADATA_SCHEMA_NAME: METADATA_SCHEMA}
    for kind in kinds:
        schemas[schema_name(kind)] = schema(kind)
        paths |= _paths(kind)
    return {
        "openapi": "3.0.0",
        "info": DOCUMENT_INFO,
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _documents(registry: Registry) -> list[tuple[str, str, str]]:
    groups = [
        (f"apis/{group}/{version}", group, version)
        for group, versions in registry.groups().items()
        for version in versions
    ]
    return [("api/v1", "", "v1"), *groups]


def schema_name(kind: Kind) -> str:
    """Return the name by which a document refers to a kind's schema."""
    words = [*reversed(kind.group.split("."))] if kind.group else ["io", "k8s", "api", "core"]
    return ".".join([*words, kind.version, kind.kind])


def schema(kind: Kind) -> Json:
    """Return the schema of a kind, with the fields that all kinds have."""
    source: Json = (
        kind.schema.source
        if kind.schema
        else {
            "type": "object",
            "x-kubernetes-preserve-unknown-fields": True,
        }
    )
    metadata = {
        "description": "Standard object's metadata.",
        "allOf": [{"$ref": f"#/components/schemas/{METADATA_SCHEMA_NAME}"}],
    }
    properties = {**source.get("properties", {})}
    return {
        **source,
        "properties": {
            "apiVersion": API_VERSION_SCHEMA,
            "kind": KIND_SCHEMA,
            "metadata": metadata,
            **properties,
        },
        TYPE_EXTENSION: [_type(kind)],
    }


def _paths(kind: Kind) -> Json:
    root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    scope = "/namespaces/{namespace}" if kind.namespaced else ""
    collection = f"{root}{scope}/{kind.plural}"
    one = {
        "get": _operation(kind, "get"),
        "put": _operation(kind, "put", *WRITE_PARAMETERS),
        "patch": _patch(kind),
        "delete": _operation(kind, "delete", "dryRun", "propagationPolicy"),
    }
    paths: Json = {
        collection: {
            "get": _operation(kind, "list", "fieldSelector", "labelSelector", "limit", "continue"),
            "post": _operation(kind, "post", *WRITE_PARAMETERS),
        },
        f"{collection}/{{name}}": one,
    }
    if kind.has_status:
        status = {verb: one[verb] for verb in ("get", "put", "patch")}
        paths[f"{collection}/{{name}}/status"] = status
    return paths


def _patch(kind: Kind) -> Json:
    operation = _operation(kind, "patch", *WRITE_PARAMETERS, "force")
    content = {name: {"schema": {"type": "object"}} for name in PATCHES}
    return {**operation, "requestBody": {"content": content, "required": True}}


def _operation(kind: Kind, action: str, *parameters: str) -> Json:
    entries: list[Any] = [
        {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
        for name in parameters
    ]
    return {
        "parameters": entries,
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": action,
        TYPE_EXTENSION: _type(kind),
    }


def _type(kind: Kind) -> Json:
    return {"group": kind.group, "version": kind.version, "kind": kind.kind}

"""The custom resource of the suite, in a group of its own for each run."""

import copy
import secrets
from dataclasses import dataclass
from typing import Any

from tests.conformance.client import Answer, Api, Json

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

SPEC: Json = {
    "type": "object",
    "description": "What the widget is to be.",
    "required": ["color"],
    "properties": {
        "color": {"type": "string", "enum": ["red", "green", "blue"], "description": "Its color."},
        "size": {"type": "integer", "minimum": 1, "maximum": 10, "default": 3},
        "label": {"type": "string", "minLength": 2, "maxLength": 5, "pattern": "^[a-z]*$"},
        "when": {"type": "string", "format": "date-time"},
        "flag": {"type": "boolean"},
        "ratio": {"type": "number"},
        "tags": {"type": "array", "maxItems": 2, "items": {"type": "string"}},
        "parts": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string"}, "count": {"type": "integer"}},
            },
        },
        "port": {"x-kubernetes-int-or-string": True},
        "free": {"x-kubernetes-preserve-unknown-fields": True},
        "counts": {"type": "object", "additionalProperties": {"type": "integer"}},
        "maybe": {"type": "string", "nullable": True},
        "greeting": {"type": "string", "nullable": True, "default": "hello"},
        "nested": {
            "type": "object",
            "properties": {"depth": {"type": "integer", "default": 1}},
        },
        "whole": {
            "type": "object",
            "x-kubernetes-map-type": "atomic",
            "properties": {"depth": {"type": "integer"}, "width": {"type": "integer"}},
        },
        "locked": {
            "type": "object",
            "properties": {
                "key": {"type": "string"},
                "input": {"x-kubernetes-preserve-unknown-fields": True},
            },
            "x-kubernetes-validations": [
                {"rule": "self == oldSelf", "message": "spec.locked cannot be changed"}
            ],
        },
        "low": {"type": "integer"},
        "high": {"type": "integer"},
    },
    "x-kubernetes-validations": [
        {
            "rule": "!has(self.low) || !has(self.high) || self.low <= self.high",
            "message": "low must be at most high",
        }
    ],
}
STATUS: Json = {
    "type": "object",
    "default": {"phase": "Pending"},
    "properties": {
        "phase": {"type": "string"},
        "count": {"type": "integer"},
        "store": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "conditions": {
            "type": "array",
            "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        },
    },
}
COLUMNS = [
    {"name": "Color", "type": "string", "jsonPath": ".spec.color", "description": "The color."},
    {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
    {"name": "Phase", "type": "string", "jsonPath": ".status.phase"},
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    {"name": "Tags", "type": "string", "jsonPath": ".spec.tags", "priority": 1},
]


def definition(group: str) -> Json:
    """Return the CustomResourceDefinition of Widget."""
    schema = {
        "type": "object",
        "description": "A widget.",
        "required": ["spec"],
        "properties": {"spec": SPEC, "status": STATUS},
    }
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
        "additionalPrinterColumns": COLUMNS,
        "selectableFields": [
            {"jsonPath": ".spec.color"},
            {"jsonPath": ".spec.size"},
            {"jsonPath": ".spec.flag"},
            {"jsonPath": ".status.phase"},
        ],
    }
    names = {"kind": "Widget", "plural": "widgets", "shortNames": ["wd"], "categories": ["things"]}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": names,
            "versions": [copy.deepcopy(version)],
        },
    }


def fresh_group() -> str:
    """Return the name of a group that no other run has."""
    return f"r{secrets.token_hex(4)}.conformance.grctl.dev"


@dataclass(frozen=True)
class Widgets:
    """The widgets of one namespace."""

    api: Api
    group: str
    namespace: str

    @property
    def path(self) -> str:
        """The path of the collection."""
        return f"/apis/{self.group}/v1/namespaces/{self.namespace}/widgets"

    def at(self, name: str, subresource: str = "") -> str:
        """Return the path of a widget, or of one of its subresources."""
        return f"{self.path}/{name}" + (f"/{subresource}" if subresource else "")

    def new(self, name: str, *, metadata: Json | None = None, **spec: Any) -> Json:
        """Return the manifest of a widget."""
        return {
            "apiVersion": f"{self.group}/v1",
            "kind": "Widget",
            "metadata": {"name": name, **(metadata or {})},
            "spec": {"color": "red", **spec},
        }

    async def try_create(self, name: str, *, metadata: Json | None = None, **spec: Any) -> Answer:
        """Request a new widget. Return the answer, which may be a refusal."""
        return await self.api.post(self.path, self.new(name, metadata=metadata, **spec))

    async def create(self, name: str, *, metadata: Json | None = None, **spec: Any) -> Json:
        """Create a widget."""
        return (await self.try_create(name, metadata=metadata, **spec)).expect(201)

    async def get(self, name: str) -> Json:
        """Read a widget."""
        return (await self.api.get(self.at(name))).expect(200)

    async def names(self, **params: str) -> list[str]:
        """Return the names of the widgets that a list finds."""
        found = (await self.api.get(self.path, **params)).expect(200)
        return [item["metadata"]["name"] for item in found["items"]]

    async def set_status(self, name: str, **status: Any) -> Json:
        """Replace the status of a widget."""
        widget = await self.get(name)
        widget["status"] = status
        return (await self.api.put(self.at(name, "status"), widget)).expect(200)

    async def set_spec(self, name: str, **spec: Any) -> Json:
        """Change fields of a widget's spec."""
        return (await self.api.patch(self.at(name), {"spec": spec})).expect(200)


def revision(value: Json) -> str:
    """Return the resourceVersion of an object or of a list."""
    version: str = value["metadata"]["resourceVersion"]
    return version


def causes(status: Json) -> dict[str, str]:
    """Return the invalid fields that a Status names, with the first message of each."""
    found: dict[str, str] = {}
    for cause in status["details"]["causes"]:
        found.setdefault(cause["field"], cause["message"])
    return found

"""Structural schemas: the `openAPIV3Schema` of a CRD, as a tree that is quick to walk.

The other modules use the tree: pruning, defaulting and validation.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from grctl_local.errors import Json
from grctl_local.schema.rules import Rule

ABSENT_VALUE: Any = object()
"""The value of a field, or of its default, that does not exist. A null does exist."""


@dataclass(frozen=True, eq=False)
class Node:
    """One schema: what validation, pruning and defaulting need of it."""

    source: Json
    type: str
    properties: Mapping[str, "Node"]
    additional: "Node | None"
    items: "Node | None"
    required: tuple[str, ...]
    default: Any
    preserve: bool
    int_or_string: bool
    nullable: bool
    embedded: bool
    rules: tuple[Rule, ...]
    pattern: re.Pattern[str] | None = None
    any_of: tuple["Node", ...] = field(default=())
    atomic: bool = False
    """Whether server-side apply takes a map as one value, which one manager sets as a whole."""

    @cached_property
    def children(self) -> tuple["Node", ...]:
        """The schemas one level below."""
        below = (*self.properties.values(), self.additional, self.items)
        return tuple(node for node in below if node)

    @cached_property
    def has_defaults(self) -> bool:
        """Whether this schema or one below it has a default."""
        return self.default is not ABSENT_VALUE or any(
            child.has_defaults for child in self.children
        )

    @cached_property
    def has_rules(self) -> bool:
        """Whether this schema or one below it has a validation rule."""
        return bool(self.rules) or any(child.has_rules for child in self.children)

    @cached_property
    def is_free(self) -> bool:
        """Whether every value fits and is kept as it is."""
        return self.preserve and not (
            self.children
            or self.type
            or self.required
            or self.int_or_string
            or self.any_of
            or self.source.get("enum")
        )

    def below(self, name: str) -> "Node | None":
        """Return the schema of a field of a map, or None if the schema does not know it."""
        return self.properties.get(name) or self.additional

    @cached_property
    def root_defaults(self) -> tuple[str, ...]:
        """The properties one level below that have a default."""
        return tuple(
            name for name, node in self.properties.items() if node.default is not ABSENT_VALUE
        )


def compile_schema(source: Json) -> Node:
    """Return the tree of a schema."""
    additional = source.get("additionalProperties")
    items = source.get("items")
    return Node(
        source=source,
        type=source.get("type", ""),
        properties={
            name: compile_schema(below) for name, below in source.get("properties", {}).items()
        },
        additional=_additional(additional),
        items=compile_schema(items) if isinstance(items, dict) else None,
        required=tuple(source.get("required", ())),
        default=source.get("default", ABSENT_VALUE),
        preserve=bool(source.get("x-kubernetes-preserve-unknown-fields")),
        int_or_string=bool(source.get("x-kubernetes-int-or-string")),
        nullable=bool(source.get("nullable")),
        embedded=bool(source.get("x-kubernetes-embedded-resource")),
        rules=tuple(Rule.read(rule) for rule in source.get("x-kubernetes-validations", ())),
        pattern=re.compile(source["pattern"]) if source.get("pattern") else None,
        any_of=tuple(compile_schema(option) for option in source.get("anyOf", ())),
        atomic=source.get("x-kubernetes-map-type") == "atomic",
    )


def _additional(source: object) -> Node | None:
    if isinstance(source, dict):
        return compile_schema(source)
    return ANYTHING if source is True else None


def _anything() -> Node:
    return Node(
        source={},
        type="",
        properties={},
        additional=None,
        items=None,
        required=(),
        default=ABSENT_VALUE,
        preserve=True,
        int_or_string=False,
        nullable=True,
        embedded=False,
        rules=(),
    )


ANYTHING = _anything()
"""The schema that every value fits."""

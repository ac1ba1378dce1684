"""Structural schemas: a CRD's `openAPIV3Schema`, read once into a tree that is quick to walk.

What is done with the tree has its own modules: pruning, defaulting, validation, rules.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from grctl_local.errors import Json
from grctl_local.schema.rules import Rule

MISSING: Any = object()
"""Stands for a default that is not there; null is a default."""


@dataclass(frozen=True, eq=False)
class Node:
    """One schema, as far as values are concerned."""

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
    """Whether a map is one value, which one writer sets as a whole."""

    @cached_property
    def children(self) -> tuple["Node", ...]:
        """All schemas right below."""
        below = (*self.properties.values(), self.additional, self.items)
        return tuple(node for node in below if node)

    @cached_property
    def has_defaults(self) -> bool:
        """Whether there is a default here or below."""
        return self.default is not MISSING or any(child.has_defaults for child in self.children)

    @cached_property
    def has_rules(self) -> bool:
        """Whether there is a rule here or below."""
        return bool(self.rules) or any(child.has_rules for child in self.children)

    @cached_property
    def is_free(self) -> bool:
        """Whether every value is kept and none is looked at."""
        return self.preserve and not (
            self.children
            or self.type
            or self.required
            or self.int_or_string
            or self.any_of
            or self.source.get("enum")
        )

    def below(self, name: str) -> "Node | None":
        """Give the schema of what a map has under a name."""
        return self.properties.get(name) or self.additional

    @cached_property
    def root_defaults(self) -> tuple[str, ...]:
        """The properties right below that have a default."""
        return tuple(name for name, node in self.properties.items() if node.default is not MISSING)


def compile_schema(source: Json) -> Node:
    """Read a schema."""
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
        default=source.get("default", MISSING),
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
        default=MISSING,
        preserve=True,
        int_or_string=False,
        nullable=True,
        embedded=False,
        rules=(),
    )


ANYTHING = _anything()
"""The schema that every value fits."""

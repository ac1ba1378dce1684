"""What the server knows about one kind of object: names, schema, columns, selectable fields."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from grctl_local.errors import Json, qualified
from grctl_local.schema.defaulting import default
from grctl_local.schema.jsonpath import Path
from grctl_local.schema.node import Node

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True)
class Column:
    """A column of the kind's Table."""

    name: str
    type: str
    description: str
    path: Callable[[Json], Any] | Path
    """Gives what the path finds, as a list; or the cell itself, where `cell` is set."""
    cell: bool = False
    format: str = ""
    priority: int = 0


FieldValue = Callable[[Json], str]
"""Gives what a field selector compares: a field's text, "" where there is none."""


@dataclass(frozen=True, eq=False)
class Kind:
    """One kind in one version."""

    group: str
    version: str
    kind: str
    plural: str
    singular: str
    list_kind: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    schema: Node | None = None
    columns: tuple[Column, ...] = ()
    name_column: bool = True
    selectable: Mapping[str, FieldValue] = field(default_factory=dict)
    has_status: bool = False
    """Whether status is a subresource."""
    storage_version: str = ""
    """The apiVersion that objects are stored with; "" is this one."""
    questions: bool = False
    """Whether its objects are answered and not stored."""
    about_caller: bool = False
    """Whether they are questions of somebody about themselves, which everybody may ask."""
    custom: bool = False
    """Whether a CRD brought it; the others are built in, and a little less strict."""

    @cached_property
    def resource(self) -> str:
        """`widgets.example.com`: what the store and messages call it."""
        return qualified(self.group, self.plural)

    @cached_property
    def api_version(self) -> str:
        """`example.com/v1`, or `v1` in the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @cached_property
    def stored_api_version(self) -> str:
        """The apiVersion of stored objects, which may be another version of this kind."""
        return self.storage_version or self.api_version

    @cached_property
    def counts_generations(self) -> bool:
        """Whether `metadata.generation` counts the changes of what is desired."""
        return self.custom or self.plural == "customresourcedefinitions"

    def decode(self, stored: Json) -> Json:
        """Fill in what is shown but not stored: the schema's defaults."""
        if self.schema:
            default(self.schema, stored)
        return stored

    def shown(self, stored: Json) -> Json:
        """Give what is shown of an object whose present parts have their defaults already."""
        if self.schema and any(name not in stored for name in self.schema.root_defaults):
            return self.decode(dict(stored))
        return stored

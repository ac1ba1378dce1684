"""One kind of object in one version: its names, schema, columns and selectable fields."""

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
    """A column of the Table of a kind."""

    name: str
    type: str
    description: str
    path: Callable[[Json], Any] | Path
    """Returns the list of what the path finds, or the cell itself if `cell` is true."""
    cell: bool = False
    format: str = ""
    priority: int = 0


FieldValue = Callable[[Json], str]
"""Returns the text of a field, which a field selector compares; "" if the field is missing."""


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
    """The apiVersion in which objects are stored; "" means the version of this kind."""
    is_review: bool = False
    """Whether its objects are answered and not stored, as a TokenReview."""
    about_caller: bool = False
    """Whether its reviews are about the user who asks. Every user may ask these."""
    custom: bool = False
    """Whether a CRD defines it. The built-in kinds are a little less strict."""

    @cached_property
    def resource(self) -> str:
        """The name in the store and in messages: `widgets.example.com`."""
        return qualified(self.group, self.plural)

    @cached_property
    def api_version(self) -> str:
        """The apiVersion: `example.com/v1`, or `v1` in the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @cached_property
    def stored_api_version(self) -> str:
        """The apiVersion of stored objects, which may be that of another version."""
        return self.storage_version or self.api_version

    @cached_property
    def counts_generations(self) -> bool:
        """Whether `metadata.generation` counts the changes of the desired state."""
        return self.custom or self.plural == "customresourcedefinitions"

    def decode(self, stored: Json) -> Json:
        """Fill the defaults of the schema into a stored object, in place, and return it."""
        if self.schema:
            default(self.schema, stored)
        return stored

    def with_defaults(self, stored: Json) -> Json:
        """Return an object with its defaults, if those within its present fields are filled in."""
        if self.schema and any(name not in stored for name in self.schema.root_defaults):
            return self.decode(dict(stored))
        return stored

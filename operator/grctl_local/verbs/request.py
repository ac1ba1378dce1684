"""One request, taken apart: which kind, which object, which options."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from grctl_local.errors import ApiError, Cause, bad_request, invalid, no_such_path
from grctl_local.kinds.kind import Kind
from grctl_local.kinds.registry import Registry
from grctl_local.store import Key
from grctl_local.verbs.roles import ADMIN, Subject

NAMESPACE_SUBRESOURCES = frozenset({"status", "finalize"})
FIELD_VALIDATIONS = ("", "Ignore", "Strict", "Warn")


class Place(NamedTuple):
    """A resource path, before it is known whether there is such a resource."""

    group: str
    version: str
    plural: str
    namespace: str
    name: str
    subresource: str
    watch: bool


@dataclass
class Call:
    """A request for objects of a kind."""

    kind: Kind
    namespace: str
    name: str
    subresource: str
    query: Mapping[str, str]
    accept: str = ""
    content_type: str = "application/json"
    body: bytes = b""
    user_agent: str = ""
    watch: bool = False
    warnings: list[str] = field(default_factory=list)
    caller: Subject = ADMIN

    @property
    def key(self) -> Key:
        """Where the object is stored."""
        return (self.namespace, self.name)

    @property
    def dry_run(self) -> bool:
        """Whether nothing is to be written.

        Raises:
            ApiError: `dryRun` is anything but All.
        """
        value = self.query.get("dryRun", "")
        if value not in {"", "All"}:
            message = f'Unsupported value: ["{value}"]: supported values: "All"'
            raise self.bad_option("dryRun", message)
        return bool(value)

    @property
    def field_validation(self) -> str:
        """What is to happen about unknown fields: Ignore, Warn or Strict.

        Raises:
            ApiError: it is none of these.
        """
        value = self.query.get("fieldValidation", "")
        if value not in FIELD_VALIDATIONS:
            supported = ", ".join(f'"{name}"' for name in FIELD_VALIDATIONS)
            message = f'Unsupported value: "{value}": supported values: {supported}'
            raise self.bad_option("fieldValidation", message)
        return value or "Warn"

    def integer(self, name: str) -> int:
        """Give a whole number of the query; 0 where it is not there.

        Raises:
            ApiError: it is no number.
        """
        text = self.query.get(name, "")
        try:
            return int(text) if text else 0
        except ValueError:
            message = f'strconv.ParseInt: parsing "{text}": invalid syntax'
            raise bad_request(message) from None

    def flag(self, name: str) -> bool:
        """Give a yes or no of the query."""
        return self.query.get(name, "").lower() in {"true", "1"}

    def bad_option(self, name: str, message: str, *, options: str = "CreateOptions") -> ApiError:
        """Make the refusal of an option."""
        reason = "FieldValueForbidden" if message.startswith("Forbidden") else ""
        cause = Cause(reason or "FieldValueNotSupported", name, message)
        return invalid("meta.k8s.io", options, "", [cause])


def parse_path(path: str) -> Place:
    """Take a resource path apart.

    Raises:
        ApiError: it is no resource path.
    """
    parts = [part for part in path.split("/") if part]
    if parts[:1] == ["api"] and len(parts) > 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[:1] == ["apis"] and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        raise no_such_path()
    watch = rest[0] == "watch" and len(rest) > 1
    rest = rest[1:] if watch else rest
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and not _is_namespace_subresource(group, rest):
        namespace, rest = rest[1], rest[2:]
    if len(rest) > 3:
        raise no_such_path()
    plural, name, subresource = [*rest, "", ""][:3]
    return Place(group, version, plural, namespace, name, subresource, watch)


def find_kind(registry: Registry, place: Place) -> Kind:
    """Give the kind that a path is about.

    Raises:
        ApiError: there is none, or not in this scope.
    """
    kind = registry.find(place.group, place.version, place.plural)
    if not kind or (place.namespace and not kind.namespaced):
        raise no_such_path()
    if kind.namespaced and place.name and not place.namespace:
        raise no_such_path()
    return kind


def _is_namespace_subresource(group: str, rest: list[str]) -> bool:
    return not group and len(rest) == 3 and rest[2] in NAMESPACE_SUBRESOURCES

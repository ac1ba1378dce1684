"""One request: its kind, its object and its options."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from grctl_local.errors import Cause, StatusError, bad_request, invalid, no_such_path
from grctl_local.kinds.kind import Kind
from grctl_local.kinds.registry import Registry
from grctl_local.store import Key
from grctl_local.verbs.roles import ADMIN, Subject

NAMESPACE_SUBRESOURCES = frozenset({"status", "finalize"})
FIELD_VALIDATIONS = ("", "Ignore", "Strict", "Warn")


class ResourcePath(NamedTuple):
    """The parts of a path. The resource that it names may not exist."""

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
        """The key of the object in the store."""
        return (self.namespace, self.name)

    @property
    def dry_run(self) -> bool:
        """Whether the request must not write anything.

        Raises:
            StatusError: `dryRun` is another value than All.
        """
        value = self.query.get("dryRun", "")
        if value not in {"", "All"}:
            message = f'Unsupported value: ["{value}"]: supported values: "All"'
            raise self.bad_option("dryRun", message)
        return bool(value)

    @property
    def field_validation(self) -> str:
        """The treatment of unknown fields: Ignore, Warn or Strict.

        Raises:
            StatusError: the query has another value.
        """
        value = self.query.get("fieldValidation", "")
        if value not in FIELD_VALIDATIONS:
            supported = ", ".join(f'"{name}"' for name in FIELD_VALIDATIONS)
            message = f'Unsupported value: "{value}": supported values: {supported}'
            raise self.bad_option("fieldValidation", message)
        return value or "Warn"

    def integer(self, name: str) -> int:
        """Return a whole number of the query, or 0 if the query does not have it.

        Raises:
            StatusError: the text is not a whole number.
        """
        text = self.query.get(name, "")
        try:
            return int(text) if text else 0
        except ValueError:
            message = f'strconv.ParseInt: parsing "{text}": invalid syntax'
            raise bad_request(message) from None

    def flag(self, name: str) -> bool:
        """Return whether an option of the query is true."""
        return self.query.get(name, "").lower() in {"true", "1"}

    def bad_option(self, name: str, message: str, *, options: str = "CreateOptions") -> StatusError:
        """Return the error for an invalid option."""
        reason = "FieldValueForbidden" if message.startswith("Forbidden") else ""
        cause = Cause(reason or "FieldValueNotSupported", name, message)
        return invalid("meta.k8s.io", options, "", [cause])


def parse_path(path: str) -> ResourcePath:
    """Return the parts of a resource path.

    Raises:
        StatusError: the path is not one of a resource (404).
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
    return ResourcePath(group, version, plural, namespace, name, subresource, watch)


def find_kind(registry: Registry, path: ResourcePath) -> Kind:
    """Return the kind that a path names.

    Raises:
        StatusError: the kind is not served, or not in this scope (404).
    """
    kind = registry.find(path.group, path.version, path.plural)
    if not kind or (path.namespace and not kind.namespaced):
        raise no_such_path()
    if kind.namespaced and path.name and not path.namespace:
        raise no_such_path()
    return kind


def _is_namespace_subresource(group: str, rest: list[str]) -> bool:
    return not group and len(rest) == 3 and rest[2] in NAMESPACE_SUBRESOURCES

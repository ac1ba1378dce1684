"""Authorization by Roles and their bindings, as RBAC defines it.

The one user of this server may do everything. Roles matter for SubjectAccessReviews, and for users
that the one user impersonates.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from grctl_local.errors import Json
from grctl_local.store import ObjectStore

RBAC_GROUP = "rbac.authorization.k8s.io"
MASTERS_GROUP = "system:masters"
AUTHENTICATED_GROUP = "system:authenticated"


@dataclass(frozen=True)
class Subject:
    """A user and its groups, to whom Roles may allow an access."""

    user: str
    groups: Sequence[str]

    def is_bound(self, binding: Json, namespace: str) -> bool:
        """Return whether a binding in a namespace names this user or one of its groups."""
        return any(self._is(named, namespace) for named in binding.get("subjects") or ())

    def _is(self, named: Json, namespace: str) -> bool:
        match named.get("kind"):
            case "User":
                return bool(named["name"] == self.user)
            case "Group":
                return named["name"] in self.groups
            case "ServiceAccount":
                place = named.get("namespace") or namespace
                return self.user == f"system:serviceaccount:{place}:{named['name']}"
        return False


ADMIN = Subject("grctl-local", (MASTERS_GROUP, AUTHENTICATED_GROUP))
"""The one user of this server."""


@dataclass(frozen=True)
class AccessRequest:
    """The access that a user asks for: a verb on a resource."""

    verb: str
    group: str
    resource: str
    """The plural, with the subresource if there is one: `workflowruns/status`."""
    name: str
    namespace: str

    def is_allowed_by(self, rule: Json) -> bool:
        """Return whether a rule of a Role allows the access."""
        names = rule.get("resourceNames") or ()
        return (
            _among(self.verb, rule.get("verbs"))
            and _among(self.group, rule.get("apiGroups"))
            and _among(self.resource, rule.get("resources"))
            and (not names or self.name in names)
        )


def find_grant(store: ObjectStore, subject: Subject, access: AccessRequest) -> str | None:
    """Return why an access is allowed ("" for the one user), or None if it is not."""
    if MASTERS_GROUP in subject.groups:
        return ""
    for binding, rules in _bound(store, subject, access.namespace):
        if any(access.is_allowed_by(rule) for rule in rules):
            return f"RBAC: allowed by {binding}"
    return None


def _bound(
    store: ObjectStore, subject: Subject, namespace: str
) -> Iterator[tuple[str, Iterable[Json]]]:
    """Return each binding of a user, for a namespace or for all, with the rules of its role."""
    for kind, plural in (
        ("ClusterRoleBinding", "clusterrolebindings"),
        ("RoleBinding", "rolebindings"),
    ):
        for (place, name), record in store.records(f"{plural}.{RBAC_GROUP}").items():
            if place in {"", namespace} and subject.is_bound(record.value, place):
                role = record.value["roleRef"]
                yield (
                    f'{kind} "{name}" of {role["kind"]} "{role["name"]}"',
                    _rules(store, role, place),
                )


def _rules(store: ObjectStore, reference: Json, namespace: str) -> Iterable[Json]:
    namespaced = reference["kind"] == "Role"
    plural, place = ("roles", namespace) if namespaced else ("clusterroles", "")
    record = store.get(f"{plural}.{RBAC_GROUP}", (place, reference["name"]))
    return (record.value.get("rules") or ()) if record else ()


def _among(value: str, allowed: Iterable[str] | None) -> bool:
    return any(each in {"*", value} for each in allowed or ())

"""Who may do what, by Roles and their bindings, as RBAC has it.

This server's one user may do everything. Roles are for those who ask by SubjectAccessReview, and
for those for whom that user acts.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from grctl_local.errors import Json
from grctl_local.store import Store

GROUP = "rbac.authorization.k8s.io"
MASTERS = "system:masters"
AUTHENTICATED = "system:authenticated"


@dataclass(frozen=True)
class Subject:
    """Somebody who may be allowed something."""

    user: str
    groups: Sequence[str]

    def is_bound(self, binding: Json, namespace: str) -> bool:
        """Say whether a binding names it. `namespace`: the binding's own."""
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


ADMIN = Subject("grctl-local", (MASTERS, AUTHENTICATED))
"""This server's one user."""


@dataclass(frozen=True)
class Wish:
    """What somebody wants to do."""

    verb: str
    group: str
    resource: str
    """With a subresource: `workflowruns/status`."""
    name: str
    namespace: str

    def is_covered(self, rule: Json) -> bool:
        """Say whether a rule allows it."""
        names = rule.get("resourceNames") or ()
        return (
            _among(self.verb, rule.get("verbs"))
            and _among(self.group, rule.get("apiGroups"))
            and _among(self.resource, rule.get("resources"))
            and (not names or self.name in names)
        )


def allowing(store: Store, subject: Subject, wish: Wish) -> str | None:
    """Say what allows somebody something; None: nothing does."""
    if MASTERS in subject.groups:
        return ""
    for binding, rules in _bound(store, subject, wish.namespace):
        if any(wish.is_covered(rule) for rule in rules):
            return f"RBAC: allowed by {binding}"
    return None


def _bound(store: Store, subject: Subject, namespace: str) -> Iterator[tuple[str, Iterable[Json]]]:
    """Give the rules of each role that somebody has, everywhere or in a namespace."""
    for kind, plural in (
        ("ClusterRoleBinding", "clusterrolebindings"),
        ("RoleBinding", "rolebindings"),
    ):
        for (place, name), record in store.records(f"{plural}.{GROUP}").items():
            if place in {"", namespace} and subject.is_bound(record.value, place):
                role = record.value["roleRef"]
                yield (
                    f'{kind} "{name}" of {role["kind"]} "{role["name"]}"',
                    _rules(store, role, place),
                )


def _rules(store: Store, reference: Json, namespace: str) -> Iterable[Json]:
    namespaced = reference["kind"] == "Role"
    plural, place = ("roles", namespace) if namespaced else ("clusterroles", "")
    record = store.get(f"{plural}.{GROUP}", (place, reference["name"]))
    return (record.value.get("rules") or ()) if record else ()


def _among(value: str, allowed: Iterable[str] | None) -> bool:
    return any(each in {"*", value} for each in allowed or ())

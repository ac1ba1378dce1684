"""The kinds that exist without a CRD, as far as kubectl, kopf and client-go need them.

1. They have no schema: what a client sends is stored as it is.
2. Their columns are those that `kubectl get` expects.
"""

from typing import Any

from grctl_local.clock import Clock, human_duration, parse_timestamp
from grctl_local.errors import Json
from grctl_local.kinds.kind import Column, FieldValue, Kind
from grctl_local.schema.jsonpath import field_names

DEFINITIONS = "customresourcedefinitions.apiextensions.k8s.io"
NAMESPACES = "namespaces"
FIRST_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")

EVENT_FIELDS = (
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
)


def builtin_kinds(clock: Clock) -> list[Kind]:
    """Return the built-in kinds. The clock is for the columns that show an age."""
    return [
        _namespaces(clock),
        _events(clock),
        _core(clock, "ConfigMap", "configmaps", "cm", _cell("Data", _count("data", "binaryData"))),
        _core(
            clock,
            "Secret",
            "secrets",
            "",
            _cell("Type", _text("type")),
            _cell("Data", _count("data")),
            fields=("type",),
        ),
        _core(clock, "ServiceAccount", "serviceaccounts", "sa"),
        _leases(clock),
        _definitions(),
        *_roles(clock),
        _review("authentication.k8s.io", "TokenReview", "tokenreviews"),
        _review("authorization.k8s.io", "SubjectAccessReview", "subjectaccessreviews"),
        _review("authentication.k8s.io", "SelfSubjectReview", "selfsubjectreviews", own=True),
        _review(
            "authorization.k8s.io", "SelfSubjectAccessReview", "selfsubjectaccessreviews", own=True
        ),
    ]


def text_at(path: str) -> FieldValue:
    """Return the function that reads the text at a path of fields, for field selectors."""
    names = field_names(path if path.startswith(".") else f".{path}") or []

    def read(value: Json) -> str:
        found: Any = value
        for name in names:
            found = found.get(name) if isinstance(found, dict) else None
        if isinstance(found, bool):
            return "true" if found else "false"
        return "" if found is None else str(found)

    return read


def age_column(clock: Clock) -> Column:
    """Return the column Age."""
    return _cell("Age", lambda value: _age(clock, value["metadata"].get("creationTimestamp")))


def _namespaces(clock: Clock) -> Kind:
    return Kind(
        "",
        "v1",
        "Namespace",
        "namespaces",
        "namespace",
        "NamespaceList",
        namespaced=False,
        short_names=("ns",),
        columns=(_cell("Status", _text("status.phase")), age_column(clock)),
        selectable={"status.phase": text_at("status.phase")},
        has_status=True,
    )


def _events(clock: Clock) -> Kind:
    return Kind(
        "",
        "v1",
        "Event",
        "events",
        "event",
        "EventList",
        short_names=("ev",),
        name_column=False,
        columns=(
            _cell("Last Seen", lambda value: _age(clock, _last_seen(value))),
            _cell("Type", _text("type")),
            _cell("Reason", _text("reason")),
            _cell("Object", _involved),
            _cell("Subobject", _text("involvedObject.fieldPath"), priority=1),
            _cell("Source", _source, priority=1),
            _cell("Message", lambda value: str(value.get("message", "")).strip()),
            _cell("First Seen", lambda value: _age(clock, _first_seen(value)), priority=1),
            _cell("Count", lambda value: value.get("count", 1), priority=1),
            _cell("Name", _text("metadata.name"), priority=1, format_="name"),
        ),
        selectable={name: text_at(name) for name in EVENT_FIELDS},
    )


def _leases(clock: Clock) -> Kind:
    return Kind(
        "coordination.k8s.io",
        "v1",
        "Lease",
        "leases",
        "lease",
        "LeaseList",
        columns=(_cell("Holder", _text("spec.holderIdentity")), age_column(clock)),
    )


def _definitions() -> Kind:
    created = _cell("Created At", _text("metadata.creationTimestamp"), type_="date")
    return Kind(
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        "customresourcedefinition",
        "CustomResourceDefinitionList",
        namespaced=False,
        short_names=("crd", "crds"),
        categories=("api-extensions",),
        columns=(created,),
        has_status=True,
    )


def _roles(clock: Clock) -> list[Kind]:
    created = _cell("Created At", _text("metadata.creationTimestamp"), type_="date")
    bound = _cell("Role", lambda value: f"{value['roleRef']['kind']}/{value['roleRef']['name']}")
    return [
        Kind(
            "rbac.authorization.k8s.io",
            "v1",
            kind,
            f"{kind.lower()}s",
            kind.lower(),
            f"{kind}List",
            namespaced=not kind.startswith("Cluster"),
            columns=(bound, age_column(clock)) if kind.endswith("Binding") else (created,),
        )
        for kind in ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
    ]


def _review(group: str, kind: str, plural: str, *, own: bool = False) -> Kind:
    singular = plural.removesuffix("s")
    return Kind(
        group,
        "v1",
        kind,
        plural,
        singular,
        f"{kind}List",
        namespaced=False,
        verbs=("create",),
        is_review=True,
        about_caller=own,
    )


def _core(
    clock: Clock,
    kind: str,
    plural: str,
    short_name: str,
    *columns: Column,
    fields: tuple[str, ...] = (),
) -> Kind:
    return Kind(
        "",
        "v1",
        kind,
        plural,
        plural.removesuffix("s"),
        f"{kind}List",
        short_names=(short_name,) if short_name else (),
        columns=(*columns, age_column(clock)),
        selectable={name: text_at(name) for name in fields},
    )


def _cell(
    name: str, read: Any, *, priority: int = 0, type_: str = "string", format_: str = ""
) -> Column:
    return Column(name, type_, "", read, cell=True, format=format_, priority=priority)


def _text(path: str) -> FieldValue:
    return text_at(path)


def _count(*names: str) -> Any:
    return lambda value: sum(len(value.get(name) or {}) for name in names)


def _involved(value: Json) -> str:
    about = value.get("involvedObject", {})
    return f"{str(about.get('kind', '')).lower()}/{about.get('name', '')}"


def _source(value: Json) -> str:
    source = value.get("source") or {}
    component = source.get("component") or value.get("reportingComponent") or ""
    host = source.get("host") or value.get("reportingInstance")
    return f"{component}, {host}" if host else str(component)


def _last_seen(value: Json) -> str | None:
    series = value.get("series") or {}
    return series.get("lastObservedTime") or value.get("lastTimestamp") or _first_seen(value)


def _first_seen(value: Json) -> str | None:
    return value.get("firstTimestamp") or value.get("eventTime")


def _age(clock: Clock, moment: str | None) -> str:
    since = parse_timestamp(moment) if moment else None
    return human_duration(clock() - since) if since else "<unknown>"

"""Discovery: the served groups, versions and resources, in one document or several."""

from collections.abc import Iterable

from grctl_local.errors import Json
from grctl_local.kinds.kind import Kind
from grctl_local.kinds.registry import Registry
from grctl_local.kinds.rendering import media_types

SERVER_VERSION: Json = {
    "major": "1",
    "minor": "36",
    "gitVersion": "v1.36.0+grctl-local",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "2026-01-01T00:00:00Z",
    "goVersion": "none",
    "compiler": "cpython",
    "platform": "local/any",
}
STATUS_VERBS = ("get", "patch", "update")
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def wants_aggregated(accept: str) -> bool:
    """Return whether a client accepts all of discovery in one document."""
    return any(
        wanted.shape == "APIGroupDiscoveryList" and wanted.version == "v2"
        for wanted in media_types(accept)
    )


def core_versions(server: str) -> Json:
    """Return the document `/api`."""
    addresses = [{"clientCIDR": "0.0.0.0/0", "serverAddress": server}]
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": addresses}


def group_list(registry: Registry) -> Json:
    """Return the document `/apis`."""
    groups = [_group(name, versions) for name, versions in registry.groups().items()]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def group(registry: Registry, name: str) -> Json | None:
    """Return the document `/apis/GROUP`, or None if the group does not exist."""
    versions = registry.groups().get(name)
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, versions)} if versions else None


def resource_list(registry: Registry, name: str, version: str) -> Json | None:
    """Return the document `/apis/GROUP/VERSION` or `/api/v1`, or None if it does not exist."""
    kinds = registry.in_version(name, version)
    if not kinds:
        return None
    resources = [entry for kind in kinds for entry in _resources(kind)]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": kinds[0].api_version,
        "resources": resources,
    }


def aggregated(registry: Registry, *, core: bool) -> Json:
    """Return all of `/api` or `/apis` in one document."""
    groups = {"": ["v1"]} if core else registry.groups()
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": [
            {
                "metadata": {"name": name} if name else {},
                "versions": [
                    {
                        "version": version,
                        "resources": _aggregated(registry.in_version(name, version)),
                        "freshness": "Current",
                    }
                    for version in versions
                ],
            }
            for name, versions in groups.items()
        ],
    }


def _group(name: str, versions: list[str]) -> Json:
    entries = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": entries, "preferredVersion": entries[0]}


def _resources(kind: Kind) -> Iterable[Json]:
    entry: Json = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": list(kind.verbs),
    }
    if kind.short_names:
        entry["shortNames"] = list(kind.short_names)
    if kind.categories:
        entry["categories"] = list(kind.categories)
    yield entry
    if kind.has_status:
        yield {
            "name": f"{kind.plural}/status",
            "singularName": "",
            "namespaced": kind.namespaced,
            "kind": kind.kind,
            "verbs": list(STATUS_VERBS),
        }


def _aggregated(kinds: Iterable[Kind]) -> list[Json]:
    return [_aggregated_entry(kind) for kind in kinds]


def _aggregated_entry(kind: Kind) -> Json:
    response_kind = {"group": kind.group, "version": kind.version, "kind": kind.kind}
    entry: Json = {
        "resource": kind.plural,
        "responseKind": response_kind,
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": list(kind.verbs),
        "shortNames": list(kind.short_names),
        "categories": list(kind.categories),
    }
    if kind.has_status:
        status = {
            "subresource": "status",
            "responseKind": response_kind,
            "verbs": list(STATUS_VERBS),
        }
        entry["subresources"] = [status]
    return entry

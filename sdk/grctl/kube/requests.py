"""What a request asks for, in the words of RBAC and of audit logs: a verb and a resource."""

from typing import NamedTuple

VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}
OF_ONE = {"GET": "get", "DELETE": "delete"}
OF_MANY = {"GET": "list", "DELETE": "deletecollection"}


class Request(NamedTuple):
    """One request, without the names in it."""

    verb: str
    """get, list, watch, create, update, patch, delete or deletecollection."""
    resource: str
    """As in a Role: `workflowruns`, `workflowruns/status`; a path that is about none: itself."""


def request_of(method: str, path: str, *, watch: bool = False) -> Request:
    """Say what a request asks for. Namespaces and objects' names are left out."""
    parts = path.strip("/").split("/")
    rest = parts[{"api": 2, "apis": 3}.get(parts[0], len(parts)) :]
    if not rest:
        return Request("get", path)
    if rest[0] == "namespaces" and len(rest) > 2:
        rest = rest[2:]
    resource = "/".join((rest[0], *rest[2:]))
    return Request("watch" if watch else _verb(method, named=len(rest) > 1), resource)


def _verb(method: str, *, named: bool) -> str:
    return VERBS.get(method) or (OF_ONE if named else OF_MANY)[method]

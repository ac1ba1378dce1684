"""The verb and the resource of a request, named as in RBAC and in audit logs."""

from typing import NamedTuple

VERB_BY_METHOD = {"POST": "create", "PUT": "update", "PATCH": "patch"}
VERB_FOR_OBJECT = {"GET": "get", "DELETE": "delete"}
VERB_FOR_COLLECTION = {"GET": "list", "DELETE": "deletecollection"}


class Request(NamedTuple):
    """A request, without the names of namespaces and objects."""

    verb: str
    """get, list, watch, create, update, patch, delete or deletecollection."""
    resource: str
    """As in a Role: `workflowruns`, `workflowruns/status`. A path without a resource: itself."""


def request_of(method: str, path: str, *, watch: bool = False) -> Request:
    """Return the verb and the resource of a request."""
    parts = path.strip("/").split("/")
    rest = parts[{"api": 2, "apis": 3}.get(parts[0], len(parts)) :]
    if not rest:
        return Request("get", path)
    if rest[0] == "namespaces" and len(rest) > 2:
        rest = rest[2:]
    resource = "/".join((rest[0], *rest[2:]))
    return Request("watch" if watch else _verb(method, named=len(rest) > 1), resource)


def _verb(method: str, *, named: bool) -> str:
    return VERB_BY_METHOD.get(method) or (VERB_FOR_OBJECT if named else VERB_FOR_COLLECTION)[method]

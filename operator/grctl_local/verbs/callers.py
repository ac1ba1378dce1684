"""The user of a request: the one user of this server, or one that it impersonates (`kubectl --as`).

The one user may do everything. An impersonated user may do what Roles allow, and may ask by a
review what that is.
"""

from multidict import CIMultiDictProxy

from grctl_local.errors import bad_request, forbidden
from grctl_local.store import ObjectStore
from grctl_local.verbs.request import Call
from grctl_local.verbs.roles import ADMIN, AUTHENTICATED_GROUP, AccessRequest, Subject, find_grant

ACCOUNTS_GROUP = "system:serviceaccounts"
ACCOUNT_PREFIX = "system:serviceaccount:"
WRITE_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}


def caller_of(headers: CIMultiDictProxy[str]) -> Subject:
    """Return the user of a request, by the headers of impersonation.

    Raises:
        StatusError: the headers name groups, but not a user.
    """
    user, groups = headers.get("Impersonate-User"), headers.getall("Impersonate-Group", [])
    if user:
        return Subject(user, (*(groups or _account_groups(user)), AUTHENTICATED_GROUP))
    if groups:
        raise bad_request(f"requested {groups} without impersonating a user name")
    return ADMIN


def check_allowed(store: ObjectStore, method: str, call: Call) -> None:
    """Raise an error if the user of a request may not make it.

    Every user may ask for reviews about itself.

    Raises:
        StatusError: the user may not make the request (403).
    """
    access = access_of(method, call)
    if call.kind.about_caller or find_grant(store, call.caller, access) is not None:
        return
    raise forbidden(call.kind.group, call.kind.plural, call.name, _refusal(call, access))


def access_of(method: str, call: Call) -> AccessRequest:
    """Return which access a request needs."""
    resource = "/".join(part for part in (call.kind.plural, call.subresource) if part)
    return AccessRequest(_verb(method, call), call.kind.group, resource, call.name, call.namespace)


def _verb(method: str, call: Call) -> str:
    match method:
        case "GET" if call.watch:
            return "watch"
        case "GET":
            return "get" if call.name else "list"
        case "DELETE":
            return "delete" if call.name else "deletecollection"
    return WRITE_VERBS.get(method, method.lower())


def _account_groups(user: str) -> tuple[str, ...]:
    if not user.startswith(ACCOUNT_PREFIX):
        return ()
    namespace = user.removeprefix(ACCOUNT_PREFIX).partition(":")[0]
    return (ACCOUNTS_GROUP, f"{ACCOUNTS_GROUP}:{namespace}")


def _refusal(call: Call, access: AccessRequest) -> str:
    where = f'in the namespace "{call.namespace}"' if call.namespace else "at the cluster scope"
    return (
        f'User "{call.caller.user}" cannot {access.verb} resource "{access.resource}" in API group'
        f' "{access.group}" {where}'
    )

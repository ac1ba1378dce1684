"""Who asks: this server's one user, or somebody for whom that user acts (`kubectl --as`).

The one user may do everything. Whom it acts for may do what Roles allow, and ask what that is.
"""

from multidict import CIMultiDictProxy

from grctl_local.errors import bad_request, forbidden
from grctl_local.store import Store
from grctl_local.verbs.request import Call
from grctl_local.verbs.roles import ADMIN, AUTHENTICATED, Subject, Wish, allowing

ACCOUNTS = "system:serviceaccounts"
ACCOUNT = "system:serviceaccount:"
VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}


def caller_of(headers: CIMultiDictProxy[str]) -> Subject:
    """Return who asks, by the headers of impersonation.

    Raises:
        ApiError: the headers name groups, but not a user.
    """
    user, groups = headers.get("Impersonate-User"), headers.getall("Impersonate-Group", [])
    if user:
        return Subject(user, (*(groups or _account_groups(user)), AUTHENTICATED))
    if groups:
        raise bad_request(f"requested {groups} without impersonating a user name")
    return ADMIN


def check_allowed(store: Store, method: str, call: Call) -> None:
    """Raise an error if the caller may not do what a request asks for.

    Everybody may ask about themselves.

    Raises:
        ApiError: the caller may not (403).
    """
    wish = wish_of(method, call)
    if call.kind.about_caller or allowing(store, call.caller, wish) is not None:
        return
    raise forbidden(call.kind.group, call.kind.plural, call.name, _refusal(call, wish))


def wish_of(method: str, call: Call) -> Wish:
    """Return what a request wants to do."""
    resource = "/".join(part for part in (call.kind.plural, call.subresource) if part)
    return Wish(_verb(method, call), call.kind.group, resource, call.name, call.namespace)


def _verb(method: str, call: Call) -> str:
    match method:
        case "GET" if call.watch:
            return "watch"
        case "GET":
            return "get" if call.name else "list"
        case "DELETE":
            return "delete" if call.name else "deletecollection"
    return VERBS.get(method, method.lower())


def _account_groups(user: str) -> tuple[str, ...]:
    if not user.startswith(ACCOUNT):
        return ()
    namespace = user.removeprefix(ACCOUNT).partition(":")[0]
    return (ACCOUNTS, f"{ACCOUNTS}:{namespace}")


def _refusal(call: Call, wish: Wish) -> str:
    where = f'in the namespace "{call.namespace}"' if call.namespace else "at the cluster scope"
    return (
        f'User "{call.caller.user}" cannot {wish.verb} resource "{wish.resource}" in API group'
        f' "{wish.group}" {where}'
    )

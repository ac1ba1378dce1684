"""Reviews: objects that ask about a token or an access. They are answered and not stored."""

import hmac

from grctl_local.errors import Cause, Json, StatusError, invalid
from grctl_local.verbs.cluster import Cluster
from grctl_local.verbs.decoding import read_object
from grctl_local.verbs.request import Call
from grctl_local.verbs.roles import ADMIN, AccessRequest, Subject, find_grant
from grctl_local.verbs.tokens import BadTokenError, account_of


def answer(cluster: Cluster, call: Call, admin_token: str) -> Json:
    """Return a review with its answer in the status.

    Raises:
        StatusError: the review is invalid.
    """
    review = read_object(call)
    spec = review.get("spec") or {}
    match call.kind.kind:
        case "TokenReview":
            status = _token_status(cluster, spec, admin_token)
        case "SelfSubjectReview":
            status = {"userInfo": _user(call.caller)}
        case "SelfSubjectAccessReview":
            status = _access_status(cluster, spec, call.caller)
        case _:
            status = _access_status(cluster, spec, _subject(spec))
    return {**review, "metadata": {}, "status": status}


def _token_status(cluster: Cluster, spec: Json, admin_token: str) -> Json:
    token, audiences = str(spec.get("token") or ""), list(spec.get("audiences") or ())
    if not audiences and hmac.compare_digest(token.encode(), admin_token.encode()):
        return {"authenticated": True, "user": _user(ADMIN)}
    try:
        account = account_of(cluster, token, audiences)
    except BadTokenError as error:
        return {"user": {}, "error": f"[{error}]"}
    return {"authenticated": True, "user": account.user, "audiences": list(account.audiences)}


def _user(subject: Subject) -> Json:
    return {"username": subject.user, "groups": list(subject.groups)}


def _subject(spec: Json) -> Subject:
    """Return the user and groups that a review is about."""
    user, groups = spec.get("user") or "", tuple(spec.get("groups") or ())
    if not user and not groups and isinstance(spec.get("resourceAttributes"), dict):
        raise _wrong("spec.user", "at least one of user or group must be specified")
    return Subject(user, groups)


def _access_status(cluster: Cluster, spec: Json, subject: Subject) -> Json:
    asked = spec.get("resourceAttributes")
    if not isinstance(asked, dict):
        raise _wrong(
            "spec.resourceAttributes",
            "exactly one of nonResourceAttributes or resourceAttributes must be specified",
        )
    resource = "/".join(
        part for part in (asked.get("resource", ""), asked.get("subresource")) if part
    )
    access = AccessRequest(
        verb=asked.get("verb", ""),
        group=asked.get("group", ""),
        resource=resource,
        name=asked.get("name", ""),
        namespace=asked.get("namespace", ""),
    )
    reason = find_grant(cluster.store, subject, access)
    if reason is None:
        return {"allowed": False}
    return {"allowed": True, "reason": reason} if reason else {"allowed": True}


def _wrong(field: str, message: str) -> StatusError:
    cause = Cause("FieldValueInvalid", field, f'Invalid value: "": {message}')
    return invalid("authorization.k8s.io", "SubjectAccessReview", "", [cause])

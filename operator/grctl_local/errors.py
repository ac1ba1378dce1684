"""Refusals, in the API server's own words: clients and people match on them.

1. A refusal is raised as `ApiError` wherever it is known, and becomes a `Status` in one place.
2. Messages, reasons and details are those of a kube-apiserver, to the letter.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cause:
    """One field that is wrong, and how."""

    reason: str
    field: str
    message: str

    def __str__(self) -> str:
        """Give the cause as it stands in a Status' message."""
        return f"{self.field}: {self.message}"


class ApiError(Exception):
    """A request is refused."""

    def __init__(self, code: int, reason: str, message: str, details: Json | None = None) -> None:
        super().__init__(code, reason, message, details)  # what a copy of it is made with
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details

    def __str__(self) -> str:
        """Return the text for people."""
        return self.message

    @property
    def status(self) -> Json:
        """Give the `Status` object that clients get."""
        status: Json = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            status["reason"] = self.reason
        if self.details is not None:
            status["details"] = self.details
        return {**status, "code": self.code}


class NoSuchPathError(ApiError):
    """The API has no such path. The answer is plain text instead of a `Status`."""


def success(name: str, group: str, kind: str, uid: str) -> Json:
    """Give the `Status` that answers a finished deletion."""
    details = _details(name, group, kind) | {"uid": uid}
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details,
    }


def qualified(group: str, kind: str) -> str:
    """Give `widgets.example.com`, or `widgets` in the core group."""
    return f"{kind}.{group}" if group else kind


def bad_request(message: str) -> ApiError:
    """Refuse a request that cannot be understood."""
    return ApiError(400, "BadRequest", message)


def unauthorized() -> ApiError:
    """Refuse a request without the token."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def not_found(group: str, plural: str, name: str) -> ApiError:
    """There is no such object."""
    message = f'{qualified(group, plural)} "{name}" not found'
    return ApiError(404, "NotFound", message, _details(name, group, plural))


def no_such_path() -> NoSuchPathError:
    """Return the refusal of a path that the API does not have."""
    return NoSuchPathError(404, "NotFound", "404 page not found")


def method_not_allowed() -> ApiError:
    """Refuse a verb that the resource does not have."""
    message = "the server does not allow this method on the requested resource"
    return ApiError(405, "MethodNotAllowed", message, {})


def not_acceptable() -> ApiError:
    """Refuse to answer in a format that we do not speak."""
    accepted = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
    message = f"only the following media types are accepted: {accepted}"
    return ApiError(406, "NotAcceptable", message)


def already_exists(group: str, plural: str, name: str, *, deleting: bool = False) -> ApiError:
    """The name is taken, perhaps by an object that is on its way out."""
    message = f'{qualified(group, plural)} "{name}" already exists'
    prefix = "object is being deleted: " if deleting else ""
    return ApiError(409, "AlreadyExists", prefix + message, _details(name, group, plural))


def conflict(group: str, plural: str, name: str, why: str) -> ApiError:
    """The object is not what the request was made for."""
    message = f'Operation cannot be fulfilled on {qualified(group, plural)} "{name}": {why}'
    return ApiError(409, "Conflict", message, _details(name, group, plural))


def modified(group: str, plural: str, name: str) -> ApiError:
    """The object has another resourceVersion than the request names."""
    why = (
        "the object has been modified; please apply your changes to the latest version and"
        " try again"
    )
    return conflict(group, plural, name, why)


def forbidden(group: str, plural: str, name: str, why: str) -> ApiError:
    """Return the refusal of what somebody may not do."""
    what = qualified(group, plural) + (f' "{name}"' if name else "")
    details = {key: value for key, value in _details(name, group, plural).items() if value}
    return ApiError(403, "Forbidden", f"{what} is forbidden: {why}", details)


def definition_terminating(group: str, plural: str, name: str) -> ApiError:
    """Return the refusal of a new object whose definition is being deleted."""
    message = (
        f'{qualified(group, plural)} "{name}" is forbidden: create not allowed while custom'
        " resource definition is terminating"
    )
    return ApiError(403, "Forbidden", message, _details(name, group, plural))


def expired(message: str) -> ApiError:
    """The revision asked for has been compacted."""
    return ApiError(410, "Expired", message)


def too_large_body(limit: int) -> ApiError:
    """The body is larger than any object may be."""
    message = f"Request entity too large: limit is {limit}"
    return ApiError(413, "RequestEntityTooLarge", message)


def too_large_object() -> ApiError:
    """Refuse what etcd would refuse, as if it had."""
    return ApiError(500, "", "etcdserver: request is too large")


def unsupported_media_type(accepted: Sequence[str]) -> ApiError:
    """Refuse a body in a format that this verb does not take."""
    message = (
        "the body of the request was in an unknown format - accepted media types include: "
        + ", ".join(accepted)
    )
    return ApiError(415, "UnsupportedMediaType", message)


def invalid(group: str, kind: str, name: str, causes: Sequence[Cause]) -> ApiError:
    """The object breaks rules; says all of them."""
    wrong = [str(cause) for cause in causes]
    text = wrong[0] if len(wrong) == 1 else f"[{', '.join(wrong)}]"
    details = _details(name, group, kind) | {
        "causes": [
            {"reason": cause.reason, "message": cause.message, "field": cause.field}
            for cause in causes
        ]
    }
    message = f'{qualified(group, kind)} "{name}" is invalid: {text}'
    return ApiError(422, "Invalid", message, details)


def too_large_resource_version(asked: int, current: int) -> ApiError:
    """The revision asked for lies in the future."""
    details = {
        "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
        "retryAfterSeconds": 1,
    }
    message = f"Timeout: Too large resource version: {asked}, current: {current}"
    return ApiError(504, "Timeout", message, details)


def namespace_terminating(group: str, plural: str, name: str, namespace: str) -> ApiError:
    """Nothing new may come into a namespace that goes."""
    message = (
        f'{qualified(group, plural)} "{name}" is forbidden: unable to create new content in'
        f" namespace {namespace} because it is being terminated"
    )
    cause = {
        "reason": "NamespaceTerminating",
        "message": f"namespace {namespace} is being terminated",
        "field": "metadata.namespace",
    }
    return ApiError(403, "Forbidden", message, _details(name, group, plural) | {"causes": [cause]})


def _details(name: str, group: str, kind: str) -> Json:
    details = {"name": name, "group": group, "kind": kind}
    return {key: value for key, value in details.items() if value}

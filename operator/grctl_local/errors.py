"""Errors that are answered to clients, with the texts of a kube-apiserver.

1. The code that finds an error raises `StatusError`. One place turns it into a `Status` object.
2. Messages, reasons and details are those of a kube-apiserver, to the letter, because programs and
   people look for them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cause:
    """One invalid field, and what is wrong with it."""

    reason: str
    field: str
    message: str

    def __str__(self) -> str:
        """Return the cause as it stands in the message of a Status."""
        return f"{self.field}: {self.message}"


class StatusError(Exception):
    """A request is refused. The answer is a `Status` object."""

    def __init__(self, code: int, reason: str, message: str, details: Json | None = None) -> None:
        super().__init__(code, reason, message, details)  # the arguments of a copy or a pickle
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details

    def __str__(self) -> str:
        """Return the text for people."""
        return self.message

    @property
    def status(self) -> Json:
        """The `Status` object that the client gets."""
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


class NoSuchPathError(StatusError):
    """The API has no such path. The answer is plain text instead of a `Status`."""


def success(name: str, group: str, kind: str, uid: str) -> Json:
    """Return the `Status` that answers a finished deletion."""
    details = _details(name, group, kind) | {"uid": uid}
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details,
    }


def qualified(group: str, kind: str) -> str:
    """Return `widgets.example.com`, or `widgets` in the core group."""
    return f"{kind}.{group}" if group else kind


def bad_request(message: str) -> StatusError:
    """Return the error for a request that cannot be understood."""
    return StatusError(400, "BadRequest", message)


def unauthorized() -> StatusError:
    """Return the error for a request without the token."""
    return StatusError(401, "Unauthorized", "Unauthorized")


def not_found(group: str, plural: str, name: str) -> StatusError:
    """Return the error for an object that does not exist."""
    message = f'{qualified(group, plural)} "{name}" not found'
    return StatusError(404, "NotFound", message, _details(name, group, plural))


def no_such_path() -> NoSuchPathError:
    """Return the error for a path that the API does not have."""
    return NoSuchPathError(404, "NotFound", "404 page not found")


def method_not_allowed() -> StatusError:
    """Return the error for a verb that the resource does not have."""
    message = "the server does not allow this method on the requested resource"
    return StatusError(405, "MethodNotAllowed", message, {})


def not_acceptable() -> StatusError:
    """Return the error for an `Accept` header that names no format of this server."""
    accepted = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
    message = f"only the following media types are accepted: {accepted}"
    return StatusError(406, "NotAcceptable", message)


def already_exists(group: str, plural: str, name: str, *, deleting: bool = False) -> StatusError:
    """Return the error for a name that another object has, even one that is being deleted."""
    message = f'{qualified(group, plural)} "{name}" already exists'
    prefix = "object is being deleted: " if deleting else ""
    return StatusError(409, "AlreadyExists", prefix + message, _details(name, group, plural))


def conflict(group: str, plural: str, name: str, why: str) -> StatusError:
    """Return the error for an object that is not in the state that the request expects."""
    message = f'Operation cannot be fulfilled on {qualified(group, plural)} "{name}": {why}'
    return StatusError(409, "Conflict", message, _details(name, group, plural))


def modified(group: str, plural: str, name: str) -> StatusError:
    """Return the error for an object with another resourceVersion than the request names."""
    why = (
        "the object has been modified; please apply your changes to the latest version and"
        " try again"
    )
    return conflict(group, plural, name, why)


def forbidden(group: str, plural: str, name: str, why: str) -> StatusError:
    """Return the error for a request that its user may not make."""
    what = qualified(group, plural) + (f' "{name}"' if name else "")
    details = {key: value for key, value in _details(name, group, plural).items() if value}
    return StatusError(403, "Forbidden", f"{what} is forbidden: {why}", details)


def definition_terminating(group: str, plural: str, name: str) -> StatusError:
    """Return the error for a new object whose definition is being deleted."""
    message = (
        f'{qualified(group, plural)} "{name}" is forbidden: create not allowed while custom'
        " resource definition is terminating"
    )
    return StatusError(403, "Forbidden", message, _details(name, group, plural))


def expired(message: str) -> StatusError:
    """Return the error for a revision that has been compacted."""
    return StatusError(410, "Expired", message)


def too_large_body(limit: int) -> StatusError:
    """Return the error for a body that is larger than any object may be."""
    message = f"Request entity too large: limit is {limit}"
    return StatusError(413, "RequestEntityTooLarge", message)


def too_large_object() -> StatusError:
    """Return the error that an API server answers if etcd refuses an object for its size."""
    return StatusError(500, "", "etcdserver: request is too large")


def unsupported_media_type(accepted: Sequence[str]) -> StatusError:
    """Return the error for a body in a format that this verb does not take."""
    message = (
        "the body of the request was in an unknown format - accepted media types include: "
        + ", ".join(accepted)
    )
    return StatusError(415, "UnsupportedMediaType", message)


def invalid(group: str, kind: str, name: str, causes: Sequence[Cause]) -> StatusError:
    """Return the error for an invalid object. It names all causes."""
    wrong = [str(cause) for cause in causes]
    text = wrong[0] if len(wrong) == 1 else f"[{', '.join(wrong)}]"
    details = _details(name, group, kind) | {
        "causes": [
            {"reason": cause.reason, "message": cause.message, "field": cause.field}
            for cause in causes
        ]
    }
    message = f'{qualified(group, kind)} "{name}" is invalid: {text}'
    return StatusError(422, "Invalid", message, details)


def too_large_resource_version(asked: int, current: int) -> StatusError:
    """Return the error for a requested revision that does not exist yet."""
    details = {
        "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
        "retryAfterSeconds": 1,
    }
    message = f"Timeout: Too large resource version: {asked}, current: {current}"
    return StatusError(504, "Timeout", message, details)


def namespace_terminating(group: str, plural: str, name: str, namespace: str) -> StatusError:
    """Return the error for a new object in a namespace that is being deleted."""
    message = (
        f'{qualified(group, plural)} "{name}" is forbidden: unable to create new content in'
        f" namespace {namespace} because it is being terminated"
    )
    cause = {
        "reason": "NamespaceTerminating",
        "message": f"namespace {namespace} is being terminated",
        "field": "metadata.namespace",
    }
    details = _details(name, group, plural) | {"causes": [cause]}
    return StatusError(403, "Forbidden", message, details)


def _details(name: str, group: str, kind: str) -> Json:
    details = {"name": name, "group": group, "kind": kind}
    return {key: value for key, value in details.items() if value}

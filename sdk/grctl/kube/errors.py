"""The exceptions of requests: refusals with status, reason and message, and missing answers."""

from typing import Any


class ApiError(Exception):
    """The API server refused a request.

    Attributes:
        status: HTTP status code.
        reason: The reason as Kubernetes names it, such as `NotFound`.
        message: The API server's text for people.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(status, reason, message)  # copies are made with these
        self.status = status
        self.reason = reason
        self.message = message

    def __str__(self) -> str:
        """Return the text for people, or status and reason if there is none."""
        return self.message or f"{self.status} {self.reason}".rstrip()

    @property
    def too_large(self) -> bool:
        """Whether the object is larger than the API server keeps (413, or 500 by etcd)."""
        return self.status == 413 or "too large" in self.message

    @property
    def retriable(self) -> bool:
        """Whether the same request may succeed later. That of a too large object may not."""
        if self.too_large:
            return False
        return self.status in {408, 429} or self.status >= 500


class NotFoundError(ApiError):
    """There is no such object (404)."""


class ConflictError(ApiError):
    """The object changed since it was read, or a precondition failed (409)."""


class AlreadyExistsError(ConflictError):
    """There is an object of that name (409 AlreadyExists)."""


class InvalidError(ApiError):
    """The object does not fit its schema or its rules (400, 422)."""


class ExpiredError(ApiError):
    """The revision asked for is no longer kept (410)."""


class UnreachableError(Exception):
    """The API server did not answer. Whether it did what was asked is not known."""


class FencedError(UnreachableError):
    """The request was not sent: this process may not write at present."""


class UnreadableAnswerError(UnreachableError):
    """The answer is not JSON of the requested kind, so it does not come from an API server."""


class LargeAnswerError(Exception):
    """The answer is larger than the caller allows; it was not read to its end."""


class UntrustedServerError(UnreachableError):
    """The answering server has no certificate of the authority that the kubeconfig names."""


ERROR_BY_REASON: dict[str, type[ApiError]] = {
    "AlreadyExists": AlreadyExistsError,
    "Conflict": ConflictError,
    "Expired": ExpiredError,
    "Gone": ExpiredError,
    "Invalid": InvalidError,
    "BadRequest": InvalidError,
    "NotFound": NotFoundError,
}


ERROR_BY_STATUS: dict[int, type[ApiError]] = {
    400: InvalidError,
    404: NotFoundError,
    409: ConflictError,
    410: ExpiredError,
    422: InvalidError,
}


def api_error(status: int, body: Any) -> ApiError:
    """Return the exception for a `Status` object, or for any other body of a refusal."""
    if not isinstance(body, dict):
        body = {"message": str(body)}
    reason, code = str(body.get("reason") or ""), body.get("code")
    if not isinstance(code, int) or not code:
        code = status
    kind = ERROR_BY_REASON.get(reason) or ERROR_BY_STATUS.get(code, ApiError)
    return kind(code, reason, str(body.get("message") or ""))

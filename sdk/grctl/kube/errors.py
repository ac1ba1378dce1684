"""What the API server refuses, as exceptions that keep status, reason and message."""

from typing import Any


class ApiError(Exception):
    """The API server refused a request.

    Attributes:
        status: HTTP status code.
        reason: Kubernetes' word for it, such as `NotFound`.
        message: Its text for people.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(status, reason, message)  # what a copy of it is made with
        self.status = status
        self.reason = reason
        self.message = message

    def __str__(self) -> str:
        """Return the text for people; status and reason where there is none."""
        return self.message or f"{self.status} {self.reason}".rstrip()

    @property
    def too_large(self) -> bool:
        """Whether the object is larger than the API server keeps (413, or 500 by etcd)."""
        return self.status == 413 or "too large" in self.message

    @property
    def retriable(self) -> bool:
        """Whether the same request may succeed later. A too large object's 500 may not."""
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
    """The API server gave no answer. Whether it did what was asked is not known."""


class FencedError(UnreachableError):
    """The request was not sent: this process may not write at present."""


class UnreadableAnswerError(UnreachableError):
    """What came as an answer is not JSON of the kind that was asked for: no API server says it."""


class LargeAnswerError(Exception):
    """The answer is larger than was asked for; it was not read to its end."""


class UntrustedServerError(UnreachableError):
    """What answers there is not the API server that the kubeconfig's CA vouches for."""


BY_REASON: dict[str, type[ApiError]] = {
    "AlreadyExists": AlreadyExistsError,
    "Conflict": ConflictError,
    "Expired": ExpiredError,
    "Gone": ExpiredError,
    "Invalid": InvalidError,
    "BadRequest": InvalidError,
    "NotFound": NotFoundError,
}


BY_STATUS: dict[int, type[ApiError]] = {
    400: InvalidError,
    404: NotFoundError,
    409: ConflictError,
    410: ExpiredError,
    422: InvalidError,
}


def api_error(status: int, body: Any) -> ApiError:
    """Make the exception for a `Status` object, or for any other refusing body."""
    if not isinstance(body, dict):
        body = {"message": str(body)}
    reason, code = str(body.get("reason") or ""), body.get("code")
    if not isinstance(code, int) or not code:
        code = status
    kind = BY_REASON.get(reason) or BY_STATUS.get(code, ApiError)
    return kind(code, reason, str(body.get("message") or ""))

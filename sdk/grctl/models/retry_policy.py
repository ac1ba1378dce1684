"""RetryPolicy: how often a failed task or handler is tried again, and after which delays."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

from grctl.models.base import Model

OnFailure = Literal["fail", "hold"]
"""What becomes of a run whose handler failed for good: it fails, or it is held for a person."""

DEFAULT_ATTEMPTS_PER_CALL = 1
DEFAULT_INITIAL_DELAY_MS = 100
DEFAULT_BACKOFF_FACTOR = 2.0
DEFAULT_MAX_DELAY_MS = 5_000
MAX_ATTEMPTS_PER_CALL = 1_000
MAX_POLICY_DELAY_MS = 24 * 60 * 60 * 1000

ErrorNames = Annotated[Sequence[str], AfterValidator(tuple)]
"""Names of classes, kept as a tuple. Type checkers take a list too."""


class RetryPolicy(Model):
    """How often something is tried, and the delays between the attempts.

    The delay after attempt n is `initial_delay_ms * backoff_multiplier ** (n - 1)`, at most
    `max_delay_ms`, and longer by a random part of itself, up to `jitter`. Delays are milliseconds.
    A field that is None has its default. Names of errors match any class in the error's MRO.

    Example:
        >>> RetryPolicy(max_attempts=5, initial_delay_ms=500, non_retryable_errors=["CardDeclined"])
    """

    model_config = ConfigDict(extra="forbid")  # a misspelt `max_attempts` would mean no retry

    max_attempts: int | None = Field(default=None, ge=1, le=MAX_ATTEMPTS_PER_CALL)
    """All attempts, the first included. Default: 1, which means no retry."""
    initial_delay_ms: int | None = Field(default=None, ge=0, le=MAX_POLICY_DELAY_MS)
    backoff_multiplier: float | None = Field(default=None, ge=1, le=100, allow_inf_nan=False)
    max_delay_ms: int | None = Field(default=None, ge=0, le=MAX_POLICY_DELAY_MS)
    jitter: float | None = Field(default=None, ge=0, le=1, allow_inf_nan=False)
    """The longest random addition to a delay, as a part of it: 0.1 is ten percent. Default: 0."""
    retryable_errors: ErrorNames | None = None
    """Names of the errors that are tried again; None: all."""
    non_retryable_errors: ErrorNames | None = None
    """Names of the errors that are not tried again, whatever `retryable_errors` says."""

    @property
    def attempts(self) -> int:
        """All attempts, the first included."""
        return self.max_attempts or DEFAULT_ATTEMPTS_PER_CALL

    def delay_ms(self, failures: int, random: float = 0.0) -> float:
        """Return the delay after so many failed attempts, in milliseconds.

        Args:
            failures: Failed attempts so far, at least 1.
            random: A number from 0 to 1, which picks the jitter.
        """
        first = _or(self.initial_delay_ms, DEFAULT_INITIAL_DELAY_MS)
        most = float(_or(self.max_delay_ms, DEFAULT_MAX_DELAY_MS))
        factor = _or(self.backoff_multiplier, DEFAULT_BACKOFF_FACTOR)
        doublings = min(max(0, failures - 1), 1_000)
        try:
            delay = min(most, first * factor**doublings)
        except OverflowError:
            delay = most
        return delay * (1 + _or(self.jitter, 0.0) * random)

    def retries(self, error: BaseException) -> bool:
        """Return whether an error of this kind is tried again, if attempts are left."""
        names = {kind.__name__ for kind in type(error).__mro__}
        names |= {f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__}
        if self.non_retryable_errors and names & set(self.non_retryable_errors):
            return False
        return self.retryable_errors is None or bool(names & set(self.retryable_errors))


def _leave_out_unknown(given: Any) -> Any:
    """Return a policy of a message without the fields that only a later version has."""
    if not isinstance(given, dict):
        return given
    fields = RetryPolicy.model_fields
    known = {*fields, *(each.alias for each in fields.values())}
    return {name: value for name, value in given.items() if name in known}


SentRetryPolicy = Annotated[RetryPolicy, BeforeValidator(_leave_out_unknown)]
"""A policy in a message, whose sender may be of a later version."""


def _or(value: float | None, default: float) -> float:
    return default if value is None else value

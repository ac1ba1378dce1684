"""HandlerOptions: how long a handler may take, and what becomes of a handler that fails."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, get_args

from grctl.arguments import check_optional_duration, wrong_type
from grctl.models.base import LONGEST_DURATION, SHORTEST_DURATION
from grctl.models.retry_policy import OnFailure, RetryPolicy

ON_FAILURE = get_args(OnFailure)


@dataclass(frozen=True, slots=True)
class HandlerOptions:
    """What the decorator of a handler says beside its name.

    Attributes:
        timeout: How long one attempt may take; None: for ever.
        retry_policy: How often it is tried again if it raises; None: as the workflow says.
        on_failure: Whether the run then fails, or is held for a person; None: as the workflow says.

    Raises:
        TypeError: one is of a wrong type.
        ValueError: one is out of its range.
    """

    timeout: timedelta | None = None
    retry_policy: RetryPolicy | None = None
    on_failure: OnFailure | None = None

    def __post_init__(self) -> None:
        check_timeout(self.timeout)
        check_policy(self.retry_policy)
        check_on_failure(self.on_failure)


def check_timeout(timeout: Any) -> None:
    """Check a time limit.

    Raises:
        TypeError: it is neither a timedelta nor None.
        ValueError: it is not positive, or too long.
    """
    check_optional_duration("timeout", timeout)
    if timeout is not None and not SHORTEST_DURATION <= timeout <= LONGEST_DURATION:
        raise ValueError(f"timeout must be 1 ms to {LONGEST_DURATION.days} days, not {timeout!r}.")


def check_policy(policy: Any) -> None:
    """Raise TypeError for an argument that is neither a retry policy nor None."""
    if policy is not None and not isinstance(policy, RetryPolicy):
        hint = "write RetryPolicy(max_attempts=...)"
        raise wrong_type("retry_policy", policy, "a RetryPolicy", hint)


def check_on_failure(on_failure: Any) -> None:
    """Raise ValueError for an argument that is neither "fail", "hold" nor None."""
    if on_failure is not None and on_failure not in ON_FAILURE:
        wanted = " or ".join(f'"{each}"' for each in ON_FAILURE)
        raise ValueError(f"on_failure must be {wanted}, not {on_failure!r}.")

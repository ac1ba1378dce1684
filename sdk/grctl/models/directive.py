"""Directives: a handler returns one to say how its run goes on.

`ctx.next` makes them.
"""

__all__ = [
    "AnyDirective",
    "Complete",
    "Directive",
    "ErrorDetails",
    "Fail",
    "NextStep",
    "RetryPolicy",
    "WaitForEvent",
]

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field

from grctl.models.base import Message, Model, Trace
from grctl.models.retry_policy import RetryPolicy


class Directive(Model):
    """Base of all directives; the return type of handlers."""


class ErrorDetails(Model):
    """What went wrong, as `ctx.next.fail` takes it."""

    type: Message = Field(
        default="Failed", description="One word that programs compare: LimitExceeded."
    )
    message: Message = Field(description="A sentence for people.")
    stack_trace: Trace | None = Field(default=None, description="Where it was raised.")


class WaitForEvent(Directive):
    """Wait for an event. If none arrives within `timeout`, run the step named."""

    kind: Literal["wait"] = "wait"
    timeout: timedelta | None = None
    timeout_step: str | None = None
    events: tuple[str, ...] | None = None
    """The names that this wait takes; None: all."""
    prompt: str | None = None
    """The question that people are asked."""


class NextStep(Directive):
    """Run another step."""

    kind: Literal["step"] = "step"
    step: str
    after: timedelta | None = None
    """How long to wait before it begins; None: it begins at once."""


class Complete(Directive):
    """Finish the run with a result."""

    kind: Literal["complete"] = "complete"
    result: Any = None


class Fail(Directive):
    """Fail the run. The event counts as processed, and the store is kept."""

    kind: Literal["fail"] = "fail"
    error: ErrorDetails


AnyDirective = Annotated[WaitForEvent | NextStep | Complete | Fail, Field(discriminator="kind")]
"""A directive on the wire."""

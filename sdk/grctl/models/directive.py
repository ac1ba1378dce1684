"""Directives: a handler returns one to say how its run goes on.

`ctx.next` makes them.
"""

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field

from grctl.models.base import Model


class Directive(Model):
    """Base of all directives; the return type of handlers."""


class WaitForEvent(Directive):
    """Wait for an event. If none arrives within `timeout`, run the step named."""

    kind: Literal["wait"] = "wait"
    timeout: timedelta | None = None
    timeout_step: str | None = None


class NextStep(Directive):
    """Run another step."""

    kind: Literal["step"] = "step"
    step: str


class Complete(Directive):
    """Finish the run with a result."""

    kind: Literal["complete"] = "complete"
    result: Any = None


AnyDirective = Annotated[WaitForEvent | NextStep | Complete, Field(discriminator="kind")]
"""A directive on the wire."""

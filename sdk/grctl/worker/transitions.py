"""ctx.next: the transitions. The handler makes one here, and the run takes it when it is returned.

A mistake in a transition raises ValueError at the line that makes it.
"""

from datetime import timedelta
from typing import Any

from grctl.json.serialization import check_size, to_json
from grctl.models.base import LONGEST_DURATION
from grctl.models.directive import Complete, Directive, NextStep, WaitForEvent
from grctl.models.limits import MAX_RESULT_BYTES
from grctl.models.phases import HandlerKind
from grctl.workflow.handler import Handler
from grctl.workflow.workflow import Workflow


class Transitions:
    """The transitions that a handler can return."""

    def __init__(self, workflow: Workflow) -> None:
        self._workflow = workflow

    def step(self, step: Handler[Any] | str) -> Directive:
        """Go on with a step.

        Args:
            step: The step itself, or its name.

        Raises:
            ValueError: the workflow has no such step; names those it has.

        Example:
            >>> return ctx.next.step(fulfill)
        """
        return NextStep(step=self._step_name(step))

    def wait_for_event(
        self,
        timeout: timedelta | None = None,
        timeout_step_name: Handler[Any] | str | None = None,
    ) -> Directive:
        """Wait for the next event: one that waits already, or else the first to arrive.

        Args:
            timeout: How long to wait before running the timeout step. None: for ever.
            timeout_step_name: Step to run if no event arrives before that: the step itself, or its
                name. A type checker sees the step itself.

        Raises:
            ValueError: one argument without the other, a timeout that is not positive, or a step
                that the workflow does not have.

        Example:
            >>> return ctx.next.wait_for_event(
            ...     timeout=timedelta(hours=24), timeout_step_name=auto_approve
            ... )
        """
        if timeout is None and timeout_step_name is None:
            return WaitForEvent()
        if timeout is None:
            raise ValueError(f"timeout_step_name={timeout_step_name!r} needs a timeout beside it.")
        if timeout_step_name is None:
            raise ValueError(
                f"timeout={timeout!r} needs a timeout_step_name beside it: the step to run when no"
                f" event came. {self._offer()}"
            )
        name = self._step_name(timeout_step_name)
        return WaitForEvent(timeout=_positive(timeout), timeout_step=name)

    def complete(self, result: Any = None) -> Directive:
        """Finish the run.

        Args:
            result: The run's result, kept in `status.result`. Takes what `ctx.store.put` takes.

        Raises:
            NotJsonError: the result cannot be kept; names the place in it, and the type.
            TooLargeError: it is over 256 KiB of JSON.
        """
        json = to_json(result, "The result")
        check_size(json, MAX_RESULT_BYTES, "The result")
        return Complete(result=json)

    def _step_name(self, step: Any) -> str:
        if isinstance(step, Handler):
            self._check_own_step(step)
            return step.name
        if not isinstance(step, str):
            raise ValueError(  # noqa: TRY004  one type for whatever is wrong with a transition
                f"{step!r} ({type(step).__name__}) is not a step of {self._type}. {self._offer()}"
            )
        if self._workflow.find(HandlerKind.STEP, step) is None:
            raise ValueError(f"{self._type} has no step {step!r}. {self._offer()}")
        return step

    def _check_own_step(self, handler: Handler[Any]) -> None:
        if handler.workflow is not self._workflow:
            raise ValueError(f"{handler!r} is not a step of {self._type}. {self._offer()}")
        if handler.kind is not HandlerKind.STEP:
            raise ValueError(
                f"{handler!r} is not a step: only a step can be next. {self._offer()}"
                " What both should do can be a function that both call."
            )

    def _offer(self) -> str:
        names = ", ".join(repr(name) for name in self._workflow.names(HandlerKind.STEP))
        return f"Steps of {self._type}: {names or 'none'}."

    @property
    def _type(self) -> str:
        return self._workflow.workflow_type


def _positive(timeout: Any) -> timedelta:
    if not isinstance(timeout, timedelta):
        raise ValueError(  # noqa: TRY004  one type for whatever is wrong with a transition
            f"timeout must be a timedelta, not {timeout!r} ({type(timeout).__name__}): write"
            f" timedelta(seconds={timeout!r})."
        )
    if not timedelta(0) < timeout <= LONGEST_DURATION:
        raise ValueError(
            f"timeout must be positive and at most {LONGEST_DURATION.days} days, not {timeout!r}."
        )
    return timeout

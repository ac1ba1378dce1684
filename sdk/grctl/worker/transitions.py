"""ctx.next: the transitions. The handler makes one here, and the run takes it when it is returned.

A mistake in a transition raises ValueError at the line that makes it.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from grctl.json.serialization import check_size, cut, to_json
from grctl.models.base import LONGEST_DURATION
from grctl.models.directive import (
    Complete,
    Directive,
    ErrorDetails,
    Fail,
    NextStep,
    WaitForEvent,
)
from grctl.models.limits import (
    MAX_MESSAGE_BYTES,
    MAX_PROMPT_BYTES,
    MAX_RESULT_BYTES,
    MAX_STACK_TRACE_BYTES,
)
from grctl.models.phases import HandlerKind
from grctl.worker.failure import details_of
from grctl.worker.handler_names import HandlerNames
from grctl.workflow.handler import Handler
from grctl.workflow.workflow import Workflow

ZERO = timedelta(0)


class Transitions:
    """The transitions that a handler can return."""

    def __init__(self, workflow: Workflow) -> None:
        self._names = HandlerNames(workflow)

    def step(self, step: Handler[Any] | str, *, after: timedelta | None = None) -> Directive:
        """Go on with a step, at once or after a delay.

        Args:
            step: The step itself, or its name.
            after: How long to wait before it begins. The delay survives restarts, and occupies no
                worker. Events that arrive meanwhile keep their order and wait. None: at once.

        Raises:
            ValueError: the workflow has no such step (names those it has), or the delay is negative
                or too long.

        Example:
            >>> return ctx.next.step(fulfill)
            >>> return ctx.next.step(remind, after=timedelta(days=3))
        """
        return NextStep(step=self._names.step(step), after=_delay(after))

    def wait_for_event(
        self,
        timeout: timedelta | None = None,
        timeout_step_name: Handler[Any] | str | None = None,
        *,
        events: Iterable[Handler[Any] | str] | None = None,
        prompt: str | None = None,
    ) -> Directive:
        """Wait for an event that this wait takes: the first one there is, or the first to arrive.

        Args:
            timeout: How long to wait before running the timeout step. None: for ever.
            timeout_step_name: Step to run if no such event arrives before that: the step itself, or
                its name. A type checker sees the step itself.
            events: The events that end this wait: event handlers, or their names. Other events keep
                their place for a later wait. None: any event ends it.
            prompt: The question that people are asked meanwhile, at most 4 KiB. It is shown in
                `status.wait.prompt`.

        Raises:
            ValueError: a timeout without a step or the reverse, a timeout that is not positive, a
                step or an event that the workflow does not have (names those it has), or no events.
            TooLargeError: the prompt is over 4 KiB.

        Example:
            >>> return ctx.next.wait_for_event(
            ...     events=[approve, reject],
            ...     prompt="Release 1.4 to production?",
            ...     timeout=timedelta(hours=24),
            ...     timeout_step_name=escalate,
            ... )
        """
        timed = self._timed_wait(timeout, "timeout_step_name", timeout_step_name)
        return self._choose(timed, events, prompt)

    def wait(
        self,
        timeout: timedelta | None = None,
        on_timeout: Handler[Any] | str | None = None,
        *,
        events: Iterable[Handler[Any] | str] | None = None,
        prompt: str | None = None,
    ) -> Directive:
        """Wait for the next event, as `wait_for_event` does.

        Args:
            timeout: How long to wait before running the step `on_timeout`. None: for ever.
            on_timeout: Step to run if no event arrives before that: the step itself, or its name.
            events: The events that end this wait. None: any event ends it.
            prompt: The question that people are asked meanwhile.

        Raises:
            ValueError: as `wait_for_event`.
            TooLargeError: the prompt is over 4 KiB.

        Example:
            >>> return ctx.next.wait(timeout=timedelta(hours=24), on_timeout=escalate)
        """
        timed = self._timed_wait(timeout, "on_timeout", on_timeout)
        return self._choose(timed, events, prompt)

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

    def fail(self, error: ErrorDetails | BaseException) -> Directive:
        """Fail the run, on purpose. The event counts as processed, and the store is kept.

        An exception that a handler raises is tried again if there is a retry policy. A run that
        fails by this transition is not.

        Args:
            error: What went wrong, shown in `status.error`: a type that programs compare, and a
                message for people. An exception is described as if the handler had raised it.
                Texts that are too long are cut.

        Raises:
            ValueError: it is neither, or its type is empty.

        Example:
            >>> return ctx.next.fail(ErrorDetails(type="LimitExceeded", message="over 10,000"))
        """
        if isinstance(error, BaseException):
            return Fail(error=details_of(error))
        if not isinstance(error, ErrorDetails):
            raise ValueError(  # noqa: TRY004  one type for whatever is wrong with a transition
                f"error must be ErrorDetails or an exception, not {error!r}"
                f' ({type(error).__name__}): write ctx.next.fail(ErrorDetails(type="LimitExceeded",'
                ' message="...")), with ErrorDetails from grctl.models.'
            )
        if not error.type:
            raise ValueError('The type of an error is empty: write one word, "LimitExceeded".')
        return Fail(error=_cut(error))

    def _timed_wait(self, timeout: Any, argument: str, step: Any) -> WaitForEvent:
        """Return a wait with its timeout and the step after that: both, or neither."""
        if timeout is None and step is None:
            return WaitForEvent()
        if timeout is None:
            raise ValueError(f"{argument}={step!r} needs a timeout beside it.")
        if step is None:
            raise ValueError(
                f"timeout={timeout!r} needs {argument} beside it: the step to run when no event"
                f" came. {self._names.offer(HandlerKind.STEP)}"
            )
        name = self._names.step(step)
        return WaitForEvent(timeout=_positive(timeout), timeout_step=name)

    def _choose(self, wait: WaitForEvent, events: Any, prompt: Any) -> WaitForEvent:
        """Return a wait that takes some events only, and that asks something."""
        if events is None and prompt is None:
            return wait
        names = None if events is None else self._names.events(events)
        return wait.model_copy(update={"events": names, "prompt": _prompt(prompt)})


def _prompt(prompt: Any) -> str | None:
    if prompt is not None and not isinstance(prompt, str):
        raise ValueError(f"prompt must be text, not {prompt!r} ({type(prompt).__name__}).")
    if not prompt:
        return None
    text: str = to_json(prompt, "The prompt")
    check_size(text, MAX_PROMPT_BYTES, "The prompt")
    return text


def _positive(timeout: Any) -> timedelta:
    _check_duration("timeout", timeout)
    if not ZERO < timeout <= LONGEST_DURATION:
        raise ValueError(
            f"timeout must be positive and at most {LONGEST_DURATION.days} days, not {timeout!r}."
        )
    checked: timedelta = timeout
    return checked


def _delay(after: Any) -> timedelta | None:
    """Return a delay; None if there is none, or one of no length."""
    if after is None:
        return None
    _check_duration("after", after)
    if not ZERO <= after <= LONGEST_DURATION:
        raise ValueError(
            f"after must not be negative, and at most {LONGEST_DURATION.days} days, not {after!r}."
        )
    return after or None


def _check_duration(name: str, given: Any) -> None:
    if not isinstance(given, timedelta):
        raise ValueError(  # noqa: TRY004  one type for whatever is wrong with a transition
            f"{name} must be a timedelta, not {given!r} ({type(given).__name__}): write"
            f" timedelta(seconds={given!r})."
        )


def _cut(error: ErrorDetails) -> ErrorDetails:
    trace = error.stack_trace and cut(error.stack_trace, MAX_STACK_TRACE_BYTES)
    return ErrorDetails(
        type=cut(error.type, MAX_MESSAGE_BYTES),
        message=cut(error.message, MAX_MESSAGE_BYTES),
        stack_trace=trace,
    )

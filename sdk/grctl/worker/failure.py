"""Make a run's error of an exception: type, message, and a stack trace of the user's frames."""

import traceback
from pathlib import Path

import grctl
from grctl.json.serialization import NotJsonError, TooLargeError, cut
from grctl.models.directive import ErrorDetails
from grctl.models.limits import MAX_MESSAGE_BYTES, MAX_STACK_TRACE_BYTES
from grctl.models.reasons import RunReason
from grctl.models.run import RunError
from grctl.models.wire import Failed

OUR_FILES = str(Path(grctl.__file__).parent)


class BadOutcomeError(Exception):
    """A handler returned something that is not a Directive."""


def failure_of(error: BaseException) -> Failed:
    """Return the failure of a run whose handler raised an error.

    Its reason is BadOutcome if a value could not be kept, and HandlerFailed otherwise.
    """
    if isinstance(error, BadOutcomeError | NotJsonError | TooLargeError):
        return failure_for(RunReason.BAD_OUTCOME, text_of(error), _stack_trace(error))
    described = RunError(
        type=type_name(error), message=text_of(error), stack_trace=_stack_trace(error)
    )
    return Failed(reason=RunReason.HANDLER_FAILED.value, error=described)


def details_of(error: BaseException) -> ErrorDetails:
    """Return an exception's type, message and stack trace, each within its limit."""
    return ErrorDetails(
        type=type_name(error), message=text_of(error), stack_trace=_stack_trace(error)
    )


def failure_for(reason: RunReason, message: str, stack_trace: str | None = None) -> Failed:
    """Return the failure of a run for one of our own reasons."""
    message = cut(message, MAX_MESSAGE_BYTES)
    error = RunError(type=reason.value, message=message, stack_trace=stack_trace)
    return Failed(reason=reason.value, error=error)


def type_name(error: BaseException) -> str:
    """Return the name of an error's class, with its module unless it is built in."""
    return type_name_of(type(error))


def type_name_of(kind: type) -> str:
    """Return the name of a class, with its module unless it is built in."""
    return kind.__qualname__ if kind.__module__ == "builtins" else _qualified_name(kind)


def _qualified_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def text_of(error: BaseException) -> str:
    """Return the text of an error, at most MAX_MESSAGE_BYTES of it."""
    try:
        text = str(error)
    except BaseException as unprintable:  # noqa: BLE001  a __str__ of the user's that fails
        text = f"(its text cannot be made: {type(unprintable).__name__})"
    return cut(text, MAX_MESSAGE_BYTES)


def _stack_trace(error: BaseException) -> str | None:
    """Return the stack trace without our own frames; None if there is no other, or it is broken."""
    try:
        return _format_stack(error)
    except BaseException:  # noqa: BLE001  of the user's __str__, or attributes of a SyntaxError
        return None


def _format_stack(error: BaseException) -> str | None:
    trace = traceback.TracebackException.from_exception(error)
    _drop_our_frames(trace)
    return cut("".join(trace.format()), MAX_STACK_TRACE_BYTES) if trace.stack else None


def _drop_our_frames(trace: traceback.TracebackException | None) -> None:
    """Leave the frames of the user's code, also in the errors that this one was raised from."""
    while trace is not None:
        theirs = [each for each in trace.stack if not each.filename.startswith(OUR_FILES)]
        trace.stack = traceback.StackSummary.from_list(theirs)
        _drop_our_frames(trace.__context__)
        trace = trace.__cause__

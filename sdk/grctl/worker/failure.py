"""A raised exception as the run's error: type, message, and a stack trace of the user's frames."""

import traceback
from pathlib import Path

import grctl
from grctl.json.serialization import NotJsonError, TooLargeError, cut
from grctl.models.limits import MAX_MESSAGE_BYTES, MAX_STACK_TRACE_BYTES
from grctl.models.reasons import RunReason
from grctl.models.run import RunError
from grctl.models.wire import Failed

OUR_FILES = str(Path(grctl.__file__).parent)


class BadOutcomeError(Exception):
    """A handler gave what is no outcome."""


def failure_of(error: BaseException) -> Failed:
    """Say why a run fails when a handler raised this.

    What cannot be kept is reason BadOutcome, anything else HandlerFailed.
    """
    if isinstance(error, BadOutcomeError | NotJsonError | TooLargeError):
        return failed(RunReason.BAD_OUTCOME, _text_of(error), _stack_trace(error))
    described = RunError(
        type=_type_name(error), message=_text_of(error), stack_trace=_stack_trace(error)
    )
    return Failed(reason=RunReason.HANDLER_FAILED.value, error=described)


def failed(reason: RunReason, message: str, stack_trace: str | None = None) -> Failed:
    """Say that a run fails for a reason of our own."""
    message = cut(message, MAX_MESSAGE_BYTES)
    error = RunError(type=reason.value, message=message, stack_trace=stack_trace)
    return Failed(reason=reason.value, error=error)


def _type_name(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else _qualified(kind)


def _qualified(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _text_of(error: BaseException) -> str:
    try:
        text = str(error)
    except BaseException as unprintable:  # noqa: BLE001  a __str__ of the user's that fails
        text = f"(its text cannot be made: {type(unprintable).__name__})"
    return cut(text, MAX_MESSAGE_BYTES)


def _stack_trace(error: BaseException) -> str | None:
    """Format it without our own frames; None where no other frame is left, or it has no format."""
    try:
        return _format_stack(error)
    except BaseException:  # noqa: BLE001  the user's: a __str__, attributes of a SyntaxError
        return None


def _format_stack(error: BaseException) -> str | None:
    trace = traceback.TracebackException.from_exception(error)
    theirs = [frame for frame in trace.stack if not frame.filename.startswith(OUR_FILES)]
    if not theirs:
        return None
    trace.stack = traceback.StackSummary.from_list(theirs)
    return cut("".join(trace.format()), MAX_STACK_TRACE_BYTES)

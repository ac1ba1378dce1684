"""The result of a finished run: its value, as the type that the caller asked for, or its error.

A type is looked at before the run is started, so that a type which cannot be made from JSON starts
no run.
"""

from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

from grctl.client.errors import (
    ResultTypeError,
    WorkflowCancelledError,
    WorkflowFailedError,
    WorkflowTerminatedError,
    WorkflowTimedOutError,
)
from grctl.json.validating import validate_json
from grctl.models.info import RunInfo
from grctl.models.phases import RunPhase


class ResultType:
    """The type that a result is returned as.

    Args:
        return_type: Any type that pydantic validates. None: the JSON as it is.

    Raises:
        TypeError: pydantic cannot make a value of this type.
    """

    def __init__(self, return_type: Any = None) -> None:
        self._type = return_type
        self._adapter = None if return_type is None else _adapter(return_type)

    def make(self, info: RunInfo) -> Any:
        """Return the result of a run as this type. Raise the error of a run that did not complete.

        Raises:
            ResultTypeError: the result does not fit.
        """
        result = result_of(info)
        if self._adapter is None:
            return result
        try:
            return validate_json(self._adapter, result)
        except ValidationError as error:
            raise ResultTypeError(
                f"The result of {info.workflow_id!r} does not fit {self._type!r}: {error}"
            ) from error


def result_of(info: RunInfo) -> Any:
    """Return the result of a completed run. Raise the error of any other end."""
    name = info.workflow_id
    match info.phase:
        case RunPhase.COMPLETED:
            return info.result
        case RunPhase.CANCELLED:
            raise WorkflowCancelledError(f"{name} was cancelled. {info.message}".rstrip())
        case RunPhase.TERMINATED:
            raise WorkflowTerminatedError(f"{name} was terminated. {info.message}".rstrip())
        case RunPhase.TIMED_OUT:
            raise WorkflowTimedOutError(f"{name} timed out. {info.message}".rstrip())
        case _:
            error = info.error
            text = f"{error.type}: {error.message}" if error else info.message
            raise WorkflowFailedError(f"{name} failed: {text}", error)


def _adapter(return_type: Any) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(return_type)
    except PydanticUserError as error:
        raise TypeError(
            f"return_type must be a type that pydantic validates, not {return_type!r}:"
            f" {error.message}"
        ) from error

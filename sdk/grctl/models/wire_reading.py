"""Read the peer's messages, and replace a message that cannot be read or written.

1. If a message about an execution cannot be read or written, the execution ends with a result that
   says so. It is committed like any other. The connection stays open.
2. On the operator's side, the values of the store, the result, the answers and the results of
   recorded tasks become RawJson here.
3. No error here quotes a message: it may hold a payload, and errors are logged.
"""

from typing import Any

from pydantic import TypeAdapter, ValidationError

from grctl.json.raw_json import RawJson, Uncarriable, to_raw_json
from grctl.json.reading import UnreadableJsonError, read_json
from grctl.json.serialization import cut
from grctl.models.base import Model
from grctl.models.journal import UncarriableEntryError, carry_entry
from grctl.models.limits import MAX_MESSAGE_BYTES
from grctl.models.misfits import misfits_of
from grctl.models.reasons import RunReason
from grctl.models.run import RunError
from grctl.models.wire import (
    Declined,
    Drain,
    Execute,
    Execution,
    Failed,
    Goodbye,
    Hello,
    Outcome,
    RecordedOperations,
    RecordOperations,
    Refused,
    ReleaseExecution,
    Welcome,
    from_operator,
    from_worker,
)

Json = dict[str, Any]
FromOperatorMessage = Welcome | Execute | RecordedOperations | ReleaseExecution | Goodbye | Outcome


class UnreadableMessageError(ValueError):
    """A message cannot be read. The text says why, and does not quote the message."""


def read_from_worker(line: str) -> Hello | Outcome | RecordOperations | Declined | Drain:
    """Return the message of a worker.

    An outcome with a value that cannot be kept is read as a failure of its handler, and so is a
    record with such a value.

    Raises:
        UnreadableMessageError: the message cannot be read.
    """
    said = _parse(line)
    carrying = _CARRYING.get(str(said.get("kind")))
    if carrying is None:
        return _validate_text(line)
    what, with_raw_values = carrying
    try:
        return _validate(from_worker, with_raw_values(said))  # type: ignore[no-any-return]
    except UnreadableMessageError as error:
        execution = _execution(said, str(error))
        return _failure(execution, RunReason.BAD_OUTCOME, f"{what} cannot be kept: {error}")


def read_from_operator(line: str) -> FromOperatorMessage:
    """Return the message of an operator.

    An Execute that cannot be read is answered: the Outcome to send is returned then.

    Raises:
        UnreadableMessageError: the message cannot be read, and is not about an execution.
    """
    try:
        return from_operator.validate_json(line)
    except ValidationError as error:
        why = _text_of(error)
    said = _parse(line)
    if said.get("kind") != "execute":
        raise UnreadableMessageError(why)
    return _answer(_execution(said, why), said.get("payload"), why)


def stand_in(message: Model, error: Exception) -> Outcome | None:
    """Return the outcome to send instead of a message that cannot be written.

    It is None if the message is not about an execution.
    """
    why = f"A message about the execution cannot be written: {type(error).__name__}"
    match message:
        case Execute(execution=execution):
            return _failure(execution, RunReason.FAILED, why)
        case Outcome(execution=execution) | RecordOperations(execution=execution):
            return _failure(execution, RunReason.BAD_OUTCOME, why)
    return None


def too_much_recorded(execution: Execution, why: str) -> Outcome:
    """Return the outcome of an execution that recorded more than can be kept."""
    return _failure(execution, RunReason.BAD_OUTCOME, why)


def _parse(line: str) -> Json:
    try:
        said = read_json(line.encode(errors="replace"))
    except UnreadableJsonError as error:
        raise UnreadableMessageError(f"it is not JSON: {error}") from None
    if not isinstance(said, dict):
        raise UnreadableMessageError("it is not an object")
    return said


def _validate_text(line: str) -> Hello | Outcome | RecordOperations | Declined | Drain:
    try:
        return from_worker.validate_json(line)
    except ValidationError as error:
        raise UnreadableMessageError(_text_of(error)) from None


def _validate(adapter: TypeAdapter[Any], said: Json) -> Any:
    try:
        return adapter.validate_python(said)
    except ValidationError as error:
        raise UnreadableMessageError(_text_of(error)) from None


def _text_of(error: ValidationError) -> str:
    found = "; ".join(misfits_of(error, "message"))
    return cut(
        found, MAX_MESSAGE_BYTES // 2
    )  # a field's name or a kind may be as long as the message


def _outcome_with_raw_values(said: Json) -> Json:
    """Return an outcome whose values of users are RawJson.

    Raises:
        UnreadableMessageError: a value cannot be carried as RawJson.
    """
    if said.get("records") is not None:
        said = {**said, "records": _raw_entries(said["records"])}
    result = said.get("result")
    if not isinstance(result, dict):
        return said
    made = dict(result)
    put, directive, answers = (result.get(name) for name in ("put", "directive", "answers"))
    if isinstance(put, dict):
        made["put"] = {key: _raw(f"store[{key!r}]", value) for key, value in put.items()}
    if isinstance(answers, dict):
        made["answers"] = {key: _raw(f"answer {key!r}", value) for key, value in answers.items()}
    if isinstance(directive, dict) and directive.get("result") is not None:
        made["directive"] = {**directive, "result": _raw("the result", directive["result"])}
    return {**said, "result": made}


def _record_with_raw_values(said: Json) -> Json:
    """Return a record in which the results of tasks are RawJson.

    Raises:
        UnreadableMessageError: an entry cannot be kept in a journal.
    """
    return {**said, "entries": _raw_entries(said.get("entries", {}))}


def _raw_entries(entries: Any) -> Any:
    if not isinstance(entries, dict):
        return entries
    try:
        return {key: carry_entry(key, entry) for key, entry in entries.items()}
    except UncarriableEntryError as error:
        raise UnreadableMessageError(str(error)) from None


_CARRYING = {
    "outcome": ("The outcome", _outcome_with_raw_values),
    "record": ("The record", _record_with_raw_values),
}
"""Messages that carry values of users: what an error calls them, and how their values are taken."""


def _raw(what: str, value: Any) -> RawJson:
    raw = to_raw_json(value)
    if isinstance(raw, Uncarriable):
        raise UnreadableMessageError(f"{what} {raw.why}")
    return raw


def _execution(said: Json, why: str) -> Execution:
    """Return the execution that an unreadable message is about.

    Raises:
        UnreadableMessageError: the execution cannot be read either.
    """
    try:
        return Execution.model_validate(said.get("execution"))
    except ValidationError:
        raise UnreadableMessageError(why) from None


def _answer(execution: Execution, payload: Any, why: str) -> Outcome:
    """Return the outcome of an Execute that a worker cannot read: refused if the payload is bad."""
    if isinstance(given := to_raw_json(payload), Uncarriable):
        text = f"The worker cannot read it: the payload or input {given.why}."
        return Outcome(execution=execution, result=Refused(message=text))
    text = f"The worker cannot read what it is to execute: {why}"
    return _failure(execution, RunReason.FAILED, text)


def _failure(execution: Execution, reason: RunReason, why: str) -> Outcome:
    error = RunError(type=reason, message=cut(why, MAX_MESSAGE_BYTES))
    return Outcome(execution=execution, result=Failed(reason=reason, error=error))

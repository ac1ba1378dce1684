"""Reading: from API objects to what is kept of them.

1. An object is either read, or raises `UnreadableError`. No other error leaves this file, so
   receivers and caches need to expect no other.
2. Values of users (input, payload, store, result, answers, the results in a journal) are carried as
   raw JSON from here on. A payload
   or an input that cannot be carried does not make its object unreadable: in its turn the event is
   rejected, or the run fails.
3. If a part of a run's status cannot be read, or a value in it cannot be carried, the run is read
   without that part and marked `unreadable`: a commit could not keep what is missing
   (`identity.decide_broken`). A run whose status contradicts itself is marked too.

Pure: objects in, objects out.
"""

from datetime import datetime
from typing import Any, NamedTuple

from pydantic import ValidationError

from grctl.json.raw_json import Carried, RawJson, Uncarriable, to_raw_json
from grctl.models.base import MAX_BELIEVED_COUNT
from grctl.models.journal import UncarriableEntryError, carry_entry
from grctl.models.run import WorkflowRun
from grctl.models.salvage import contradiction, overcounted, salvage, what_is_broken
from grctl_operator.engine.observation import Key

MAX_REVISION_CHARS = 20  # digits of 64 bits
MAX_REASON_CHARS = 300  # it goes into a core Event

TEXT_OR_NONE = (str, type(None))
NUMBER_OR_NONE = (int, type(None))

Json = dict[str, Any]


class UnreadableError(Exception):
    """An object does not fit its definition, or has a value that cannot be carried."""


class Unreadable(NamedTuple):
    """The identity of an object that was passed over, and why it was."""

    kind: str
    key: Key
    uid: str
    version: str
    why: str


def identity_of(kind: str, item: Any, why: str) -> Unreadable | None:
    """Return the identity of an unreadable object; None if not even its uid can be read."""
    metadata = item.get("metadata") if isinstance(item, dict) else None
    if not isinstance(metadata, dict):
        return None
    fields = [metadata.get(name) for name in ("namespace", "name", "uid", "resourceVersion")]
    if not all(isinstance(field, str) for field in fields):
        return None
    namespace, name, uid, version = map(str, fields)
    return Unreadable(kind, Key(namespace, name), uid, version, why)


def slim_event(item: Any) -> Json:
    """Return what is needed of a WorkflowEvent, in the form of the object.

    Raises:
        UnreadableError: it does not fit its definition.
    """
    metadata, spec, status = _parts(item)
    return {
        "metadata": _slim_metadata(metadata),
        "spec": _slim_spec(spec),
        "status": _slim_status(status),
    }


def payload_of(spec: Json) -> Carried | None:
    """Return the payload of an event as it is carried; None if it has none."""
    payload = spec.get("payload")
    return None if payload is None else to_raw_json(payload)


def read_run(item: Json, bad_input: str | None = None) -> WorkflowRun:
    """Return a run in which the values of users are carried as raw JSON.

    Args:
        item: The object.
        bad_input: Why its input could not be kept, if it is left out.

    Raises:
        UnreadableError: it does not fit its definition.
    """
    try:
        run = WorkflowRun.model_validate(_carrying(item, bad_input))
    except Exception as error:  # noqa: BLE001  # see 1: a list may be a number
        return _salvaged(item, bad_input, error)
    told = contradiction(run)
    return run.model_copy(update={"unreadable": told}) if told else run


def _salvaged(item: Json, bad_input: str | None, error: Exception) -> WorkflowRun:
    """Return a run without the part of its status that cannot be read."""
    made, lost = salvage(item, _carrying_status)
    try:
        run = WorkflowRun.model_validate(_carrying(made, bad_input))
    except Exception:  # noqa: BLE001  # it is not the status alone
        raise UnreadableError(_shortened(error)) from error
    broken = what_is_broken(lost)
    return run.model_copy(update={"unreadable": broken and f"{broken} ({_shortened(error)})"})


def _carrying(item: Json, bad_input: str | None) -> Json:
    """Return an object with the values of users as raw JSON; other values stay as they are."""
    made = dict(item)
    spec, status = item.get("spec"), item.get("status")
    if isinstance(spec, dict) and isinstance(workflow := spec.get("workflow"), dict):
        given = Uncarriable(bad_input) if bad_input else workflow.get("input")
        made["spec"] = {**spec, "workflow": {**workflow, "input": _carry(given)}}
    if isinstance(status, dict):
        made["status"] = _carrying_status(status)
    return made


def _carrying_status(status: Json) -> Json:
    if name := overcounted(status):
        raise UnreadableError(f"status.{name} is beyond {MAX_BELIEVED_COUNT}")
    made = dict(status)
    if status.get("result") is not None:
        made["result"] = _sound("status.result", status["result"])
    for name in ("store", "answers"):
        if isinstance(values := status.get(name), dict):
            made[name] = {
                key: _sound(f"status.{name}[{key!r}]", value) for key, value in values.items()
            }
    if isinstance(journal := status.get("journal"), dict):
        made["journal"] = {**journal, "entries": _carrying_entries(journal.get("entries"))}
    return made


def _carrying_entries(entries: Any) -> Json:
    """Return the entries of a journal with their results as raw JSON."""
    if entries is None:
        return {}
    _check("status.journal.entries", entries, dict)
    try:
        return {key: carry_entry(key, entry) for key, entry in entries.items()}
    except UncarriableEntryError as error:
        raise UnreadableError(f"status.journal: {error}") from None


def _carry(value: Any) -> Carried | None:
    return None if value is None else to_raw_json(value)


def _sound(what: str, value: Any) -> RawJson:
    """Return a value of the status as raw JSON."""
    raw = to_raw_json(value)
    if isinstance(raw, Uncarriable):
        raise UnreadableError(f"{what} {raw.why}")
    return raw


def _parts(item: Any) -> tuple[Json, Json, Json]:
    """Return metadata, spec and status of an object."""
    _check("the object", item, dict)
    parts = (item.get("metadata"), item.get("spec"), item.get("status") or {})
    for name, part in zip(("metadata", "spec", "status"), parts, strict=True):
        _check(name, part, dict)
    return parts


def _slim_metadata(metadata: Json) -> Json:
    kept: Json = {"namespace": metadata.get("namespace", "")}
    for name in ("name", "uid", "resourceVersion", "creationTimestamp"):
        kept[name] = metadata.get(name)
    for name, value in kept.items():
        if not isinstance(value, str):  # the hot path writes no text for an error
            _check(f"metadata.{name}", value, str)
    check_revision(kept["resourceVersion"])
    _check_time("metadata.creationTimestamp", kept["creationTimestamp"])
    if "deletionTimestamp" in metadata:
        kept["deletionTimestamp"] = metadata["deletionTimestamp"]
    return kept


def _slim_spec(spec: Json) -> Json:
    kept = {name: spec.get(name) for name in ("workflowId", "eventName", "runUid")}
    _check("spec.workflowId", kept["workflowId"], str)
    _check("spec.eventName", kept["eventName"], str)
    _check("spec.runUid", kept["runUid"], TEXT_OR_NONE)
    return {**kept, "payload": payload_of(spec)}


def _slim_status(status: Json) -> Json:
    phase, place = status.get("phase"), status.get("place")
    _check("status.phase", phase, TEXT_OR_NONE)
    _check("status.place", place, NUMBER_OR_NONE)
    return {"phase": phase, "place": place}


def _check(what: str, value: Any, kind: Any) -> None:
    if not isinstance(value, kind) or isinstance(value, bool):
        found = "missing" if value is None else f"of type {type(value).__name__}"
        raise UnreadableError(f"{what} is {found}, which its definition does not allow")


def revision_of(item: Json) -> int:
    """Return the resourceVersion of an object or a list as a number.

    Raises:
        UnreadableError: it has none.
    """
    metadata = item.get("metadata")
    return check_revision(metadata.get("resourceVersion") if isinstance(metadata, dict) else None)


def check_revision(version: Any) -> int:
    """Return a resourceVersion as a number.

    Raises:
        UnreadableError: it is not one.
    """
    if not isinstance(version, str) or not version.isdecimal() or len(version) > MAX_REVISION_CHARS:
        raise UnreadableError("metadata.resourceVersion is not a number")
    return int(version)


def _check_time(what: str, value: str) -> None:
    try:
        aware = datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        aware = False
    if not aware:
        raise UnreadableError(f"{what} is not a time")


def _shortened(error: Exception) -> str:
    """Return an error in one line. One of pydantic names each field that does not fit."""
    text = " ".join(str(error).split())
    if isinstance(error, ValidationError):
        found = error.errors(include_url=False, include_input=False)
        text = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in found)
    return f"{text[:MAX_REASON_CHARS]}..." if len(text) > MAX_REASON_CHARS else text

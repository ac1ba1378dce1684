"""Objects that somebody else wrote and that cannot be read: each gets a stand-in. Pure.

1. One object hides no other: a list shows all, and says on the one what is wrong with it.
2. A stand-in has what can be read of its object: names, times, type and phase.
"""

from typing import Any

from pydantic import ValidationError

from grctl.models import EventPhase, RunPhase, WorkflowEvent, WorkflowRun
from grctl.models.base import NAME_LENGTH
from grctl.models.misfits import misfits_of
from grctl.models.salvage import contradiction

UNKNOWN = "?"

Json = dict[str, Any]


def run_from(item: Json) -> WorkflowRun:
    """Return the run of an API object, or its stand-in."""
    try:
        return _told(WorkflowRun.model_validate(item))
    except ValidationError as error:
        workflow = _part(_part(item, "spec"), "workflow")
        spec = {"workflow": {"type": _name(workflow.get("type"))}}
        status = _status(item, set(RunPhase), error)
        return WorkflowRun.model_validate({"metadata": item["metadata"], "spec": spec} | status)


def _told(run: WorkflowRun) -> WorkflowRun:
    """Return a run that says so in its message if its status contradicts itself."""
    told = contradiction(run)
    if told is None:
        return run
    status = run.status.model_copy(update={"message": f"Cannot be read: {told}."})
    return run.model_copy(update={"status": status})


def event_from(item: Json) -> WorkflowEvent:
    """Return the event of an API object, or its stand-in."""
    try:
        return WorkflowEvent.model_validate(item)
    except ValidationError as error:
        given = _part(item, "spec")
        spec = {key: _name(given.get(key)) for key in ("workflowId", "eventName")}
        status = _status(item, set(EventPhase), error)
        return WorkflowEvent.model_validate({"metadata": item["metadata"], "spec": spec} | status)


def problem_of(error: ValidationError) -> str:
    """Return what is wrong with an object: the first field that does not fit, and how many more."""
    first, *others = misfits_of(error, "the object")
    return f"{first} (and {len(others)} more)" if others else first


def _status(item: Json, phases: set[Any], error: ValidationError) -> Json:
    phase = _part(item, "status").get("phase")
    known = {"phase": phase} if isinstance(phase, str) and phase in phases else {}
    return {"status": {**known, "message": f"Cannot be read: {problem_of(error)}."}}


def _part(item: Json, key: str) -> Json:
    part = item.get(key)
    return part if isinstance(part, dict) else {}


def _name(value: Any) -> str:
    return value if isinstance(value, str) and 0 < len(value) <= NAME_LENGTH else UNKNOWN

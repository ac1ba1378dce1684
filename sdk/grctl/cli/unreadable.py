"""Objects that somebody wrote by hand and that cannot be read: each gets a stand-in. Pure.

1. One object does not hide the others: a list shows all, and one that cannot be read says why.
2. A stand-in has the readable part of its object: names, times, type and phase.
"""

from typing import Any

from grctl.client.errors import UnreadableObjectError
from grctl.client.reading import read_event, read_run
from grctl.models import EventPhase, RunPhase, WorkflowEvent, WorkflowRun
from grctl.models.base import NAME_LENGTH
from grctl.models.salvage import contradiction

UNKNOWN = "?"

Json = dict[str, Any]


def run_from(item: Json) -> WorkflowRun:
    """Return the run of an API object, or its stand-in."""
    try:
        return _with_contradiction(read_run(item))
    except UnreadableObjectError as error:
        workflow = _part(_part(item, "spec"), "workflow")
        spec = {"workflow": {"type": _name(workflow.get("type"))}}
        status = _status(item, set(RunPhase), error.problem)
        return WorkflowRun.model_validate({"metadata": item["metadata"], "spec": spec} | status)


def _with_contradiction(run: WorkflowRun) -> WorkflowRun:
    """Return a run whose message says in which way its status contradicts itself, if it does."""
    found = contradiction(run)
    if found is None:
        return run
    status = run.status.model_copy(update={"message": f"Cannot be read: {found}."})
    return run.model_copy(update={"status": status})


def event_from(item: Json) -> WorkflowEvent:
    """Return the event of an API object, or its stand-in."""
    try:
        return read_event(item)
    except UnreadableObjectError as error:
        given = _part(item, "spec")
        spec = {key: _name(given.get(key)) for key in ("workflowId", "eventName")}
        status = _status(item, set(EventPhase), error.problem)
        return WorkflowEvent.model_validate({"metadata": item["metadata"], "spec": spec} | status)


def _status(item: Json, phases: set[Any], problem: str) -> Json:
    phase = _part(item, "status").get("phase")
    known = {"phase": phase} if isinstance(phase, str) and phase in phases else {}
    return {"status": {**known, "message": f"Cannot be read: {problem}."}}


def _part(item: Json, key: str) -> Json:
    part = item.get(key)
    return part if isinstance(part, dict) else {}


def _name(value: Any) -> str:
    return value if isinstance(value, str) and 0 < len(value) <= NAME_LENGTH else UNKNOWN

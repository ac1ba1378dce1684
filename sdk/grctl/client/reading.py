"""Runs and events of the API server, read into the models.

The API server takes statuses that no operator writes. A broken field that is only for people is
left out. Any other broken field raises `UnreadableObjectError`, which names object and field.
Pure: no I/O.
"""

from typing import Any

from pydantic import ValidationError

from grctl.client.errors import UnreadableObjectError
from grctl.models.event import WorkflowEvent
from grctl.models.misfits import misfits_of
from grctl.models.run import WorkflowRun
from grctl.models.salvage import salvage, what_is_broken

Json = dict[str, Any]


def read_run(item: Json) -> WorkflowRun:
    """Return the run of an API object.

    Raises:
        UnreadableObjectError: a field that is not only for people is broken.
    """
    try:
        return WorkflowRun.model_validate(item)
    except ValidationError as error:
        run = _run_without_broken_fields(item)
        if run is None:
            raise _unreadable("run", item, error) from None
        return run


def read_event(item: Json) -> WorkflowEvent:
    """Return the event of an API object.

    Raises:
        UnreadableObjectError: a field is broken.
    """
    try:
        return WorkflowEvent.model_validate(item)
    except ValidationError as error:
        raise _unreadable("event", item, error) from None


def _run_without_broken_fields(item: Json) -> WorkflowRun | None:
    """Return the run without its broken fields, or None if one of them matters."""
    readable, lost = salvage(item, dict)
    if what_is_broken(lost):
        return None
    try:
        return WorkflowRun.model_validate(readable)
    except ValidationError:  # of the spec
        return None


def _unreadable(kind: str, item: Json, error: ValidationError) -> UnreadableObjectError:
    metadata = item["metadata"]
    name, namespace = metadata.get("name"), metadata.get("namespace")
    problem = _problem_of(error)
    return UnreadableObjectError(
        f"The {kind} {name!r} in namespace {namespace!r} cannot be read: {problem}. Somebody other"
        f" than the operator wrote that: put it right, or delete the {kind}.",
        problem,
    )


def _problem_of(error: ValidationError) -> str:
    """Return what is wrong: the first field that does not fit, and how many more there are."""
    first, *others = misfits_of(error, "the object")
    return f"{first} (and {len(others)} more)" if others else first

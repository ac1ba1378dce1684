"""Starting a run: its id is its object's name, and at most one run of an id is active.

1. The create carries a unique mark. It identifies the run as ours if the answer was lost.
2. A finished run of the id is replaced: exactly the version that was seen finished is deleted, and
   the new run is created once the old one is gone.
3. A start that loses a race to another start raises WorkflowAlreadyRunningError.
"""

import asyncio
import math
import uuid
from datetime import timedelta
from typing import Any

from grctl.arguments import check_optional_duration
from grctl.client.access import Access, Json
from grctl.client.errors import RunNotReleasedError, WorkflowAlreadyRunningError
from grctl.client.names import check_text
from grctl.client.reading import read_run
from grctl.json.serialization import check_size, to_json
from grctl.kube import RUNS, AlreadyExistsError, ConflictError, NotFoundError
from grctl.models.base import API_VERSION, LONGEST_DURATION, SHORTEST_DURATION
from grctl.models.limits import MAX_PAYLOAD_BYTES
from grctl.models.run import (
    FINALIZER,
    MAX_BACKOFF_LIMIT,
    MAX_KEPT_EVENTS,
    MAX_TTL_S,
    RunSpec,
    WorkflowRun,
    WorkflowSpec,
)

REQUEST_ANNOTATION = "grctl.dev/request"
"""The mark of the call that created the run."""
MAX_ROUNDS_PER_START = 5  # each finds another run of the id
RELEASE_TIMEOUT_S = 30.0  # for the operator to settle the events of a deleted run


def run_spec(
    workflow: WorkflowSpec,
    *,
    keep_events: int | None = None,
    ttl: timedelta | None = None,
    backoff_limit: int | None = None,
) -> RunSpec:
    """Return the spec of a run.

    Raises:
        TypeError: `ttl` is not a timedelta.
        ValueError: a number or `ttl` is out of range.
    """
    _check_count("keep_events", keep_events, "events", MAX_KEPT_EVENTS)
    _check_count("backoff_limit", backoff_limit, "retries", MAX_BACKOFF_LIMIT)
    check_optional_duration("ttl_after_finished", ttl)
    longest = timedelta(seconds=MAX_TTL_S)
    if ttl is not None and not timedelta(0) <= ttl <= longest:
        raise ValueError(
            f"ttl_after_finished must be a time from 0 to {longest.days} days, not {ttl}."
        )
    seconds = None if ttl is None else math.ceil(ttl / timedelta(seconds=1))
    return RunSpec(
        workflow=workflow,
        keep_events=keep_events,
        ttl_seconds_after_finished=seconds,
        backoff_limit=backoff_limit,
    )


def _check_count(name: str, number: Any, of: str, largest: int) -> None:
    if number is not None and not (type(number) is int and 0 <= number <= largest):
        raise ValueError(f"{name} must be a number of {of} from 0 to {largest}, not {number!r}.")


def workflow_spec(
    workflow_type: str, workflow_input: Any, timeout: timedelta | None
) -> WorkflowSpec:
    """Return `spec.workflow` of a run.

    Raises:
        NotJsonError: the input has no JSON; the message names the place in it, and the type.
        TooLargeError: the input is over 512 KiB of JSON.
        TypeError: the timeout is not a timedelta.
        ValueError: the type is empty, or the timeout is out of range.
    """
    check_text(workflow_type, "workflow_type")
    check_optional_duration("workflow_timeout", timeout)
    if timeout is not None and not SHORTEST_DURATION <= timeout <= LONGEST_DURATION:
        raise ValueError(
            f"workflow_timeout must be positive and at most {LONGEST_DURATION.days} days, not"
            f" {timeout}."
        )
    json = to_json(workflow_input, "workflow_input")
    check_size(json, MAX_PAYLOAD_BYTES, "workflow_input")
    whole = timeout and math.ceil(timeout / SHORTEST_DURATION) * SHORTEST_DURATION
    return WorkflowSpec(type=workflow_type, input=json, timeout=whole)


async def start_run(access: Access, workflow_id: str, spec: RunSpec) -> Json:
    """Create a run, in place of a finished one if there is one. Return the object.

    Raises:
        WorkflowAlreadyRunningError: a run of that id is active.
        RunNotReleasedError: an earlier run stays, as no operator releases it.
        UnreadableObjectError: an earlier run cannot be read.
    """
    request = uuid.uuid4().hex
    body = _body(workflow_id, spec, request)
    for _ in range(MAX_ROUNDS_PER_START):
        try:
            return await access.create(RUNS, body)
        except AlreadyExistsError:
            present = await access.read(RUNS, workflow_id)
        if present is not None and _request_of(present) == request:
            return present
        if present is not None:
            await _remove_finished(access, read_run(present))
    raise WorkflowAlreadyRunningError(
        f"Others start runs of {workflow_id!r} at the same time, and were first"
        f" {MAX_ROUNDS_PER_START} times."
    )


def _body(workflow_id: str, spec: RunSpec, request: str) -> Json:
    return {
        "apiVersion": API_VERSION,
        "kind": "WorkflowRun",
        "metadata": {
            "name": workflow_id,
            "finalizers": [FINALIZER],
            "annotations": {REQUEST_ANNOTATION: request},
        },
        "spec": spec.to_json(),
    }


def _request_of(run: Json) -> str | None:
    mark: str | None = run["metadata"].get("annotations", {}).get(REQUEST_ANNOTATION)
    return mark


async def _remove_finished(access: Access, run: WorkflowRun) -> None:
    """Delete a finished run of the id. The caller looks again afterwards.

    Raises:
        WorkflowAlreadyRunningError: the run is active.
    """
    if run.deleting:
        await _wait_until_gone(access, run)
        return
    if not run.status.phase.finished:
        raise _active_run_error(run)
    seen = {"uid": run.metadata.uid, "resourceVersion": run.metadata.resource_version}
    try:
        await access.delete(RUNS, run.metadata.name, seen)
    except (ConflictError, NotFoundError):
        return
    await _wait_until_gone(access, run)


async def _wait_until_gone(access: Access, run: WorkflowRun) -> None:
    """Wait until a deleted run is gone."""

    def is_gone(present: Json | None) -> bool | None:
        return True if present is None or present["metadata"]["uid"] != run.metadata.uid else None

    try:
        async with asyncio.timeout(RELEASE_TIMEOUT_S):
            await access.follow(RUNS, run.metadata.name, is_gone)
    except TimeoutError as error:
        raise RunNotReleasedError(
            f"The earlier run {run.metadata.name!r} ({run.status.phase}) is deleted, but after"
            f" {RELEASE_TIMEOUT_S:.0f} s it is still there: the operator, which settles its events"
            " first, has not let go of it. Is the operator running? Finalizers:"
            f" {run.metadata.finalizers}."
        ) from error


def _active_run_error(run: WorkflowRun) -> WorkflowAlreadyRunningError:
    name = run.metadata.name
    return WorkflowAlreadyRunningError(
        f"A run of {name!r} ({run.spec.workflow.type}) is active: {run.status.phase}. Go on with it"
        f" by client.get_workflow_handle(workflow_id={name!r}) or `grctl describe {name}`, end it"
        f" by its handle's terminate() or `grctl terminate {name}`, or take another id."
    )

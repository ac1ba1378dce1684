"""Retry: give a run that is held new attempts at its handler, by raising `spec.retry`.

1. The write carries the resourceVersion of the run that was found held. So it applies to that stall
   and to no later one, and two people who retry at once raise the counter once.
2. A counter above the one that the operator has seen is a retry that was asked for already.
"""

from typing import Any

from grctl.client.access import Access
from grctl.client.errors import RunNotHeldError
from grctl.kube import RUNS, ConflictError
from grctl.models.run import WorkflowRun

MAX_ROUNDS_PER_RETRY = 10
"""In each round, somebody else changes the run between its reading and the write."""


def next_retry(run: WorkflowRun) -> int | None:
    """Return the value of `spec.retry` that retries a held run; None if that is asked for already.

    Raises:
        RunNotHeldError: the run is not held; says what it does.
    """
    step, asked, seen = run.status.step, run.spec.retry or 0, run.status.observed_retry
    if run.status.phase.finished:
        raise RunNotHeldError(
            f"{run.metadata.name} has finished: {run.status.message or run.status.phase} Start it"
            " anew, under this id or another."
        )
    if step is None or step.stall is None:
        raise RunNotHeldError(
            f"{run.metadata.name} is not held, so there is nothing to retry:"
            f" {run.status.message or 'no operator has seen it yet.'}"
        )
    return None if asked > seen else seen + 1


def retry_patch(run: WorkflowRun, number: int) -> dict[str, Any]:
    """Return the patch that sets `spec.retry` of exactly this version of a run."""
    metadata = {"uid": run.metadata.uid, "resourceVersion": run.metadata.resource_version}
    return {"metadata": metadata, "spec": {"retry": number}}


async def patch_retry(access: Access, run: WorkflowRun, number: int) -> bool:
    """Set `spec.retry` of a run. Return False if the run is another version by now."""
    try:
        await access.merge(RUNS, run.metadata.name, retry_patch(run, number))
    except ConflictError:
        return False
    return True

"""The size of a run: whether it still fits into one object, and what happens if it does not.

1. An outcome, or what a handler recorded, that would make the run too large fails the run, with a
   message that names the size of each part. Store and result stay as they were before (`commit`).
2. Half a megabyte is left for what cannot be measured here (annotations, managed fields). If the
   API server refuses a status all the same, the run fails without store and history. That frees
   the room which the settling of its events needs.
3. Everything else in a status is cut to its limit: messages, stack traces, the tails of lists.
"""

from typing import Any

from grctl.json.serialization import in_kib, size_of
from grctl.models.limits import MAX_RUN_BYTES
from grctl.models.phases import RunPhase
from grctl.models.reasons import RunReason
from grctl.models.run import RunError, RunStatus, WorkflowRun
from grctl_operator.engine.draft import Draft
from grctl_operator.engine.situation import Situation

ELSEWHERE = "Keep large values elsewhere (an object store, a database) and pass references to them."


LESS_RECORDED = "Use @task(record=False) for large results, or a step that returns itself."


def oversize(run: WorkflowRun, status: RunStatus, store: dict[str, Any], result: Any) -> str | None:
    """Return why a run would be too large with this store and result; None if it fits."""
    return _oversize(run, status.model_copy(update={"store": store, "result": result}))


def oversize_journal(run: WorkflowRun, journal: dict[str, Any]) -> str | None:
    """Return why a run would be too large with this journal; None if it fits."""
    text = _oversize(run, run.status.model_copy(update={"journal": journal}))
    return text and f"{text} {LESS_RECORDED}"


def _oversize(run: WorkflowRun, full: RunStatus) -> str | None:
    parts = {
        "its input": size_of(run.spec.workflow.input),
        "its store": size_of(full.store),
        "its result": size_of(full.result),
        "what its handler recorded": size_of(full.journal) if full.journal else 0,
    }
    if sum(parts.values()) < MAX_RUN_BYTES / 2:  # the rest is cut, and far below the other half
        return None
    total = size_of(run.spec.to_json()) + size_of(full.to_json())
    if total <= MAX_RUN_BYTES:
        return None
    said = ", ".join(f"{part} {in_kib(size)}" for part, size in parts.items() if size)
    return (
        f"The run would be {in_kib(total)} of JSON ({said});"
        f" at most {in_kib(MAX_RUN_BYTES)} are kept."
    )


def fail_refused(situation: Situation, draft: Draft) -> None:
    """Fail a run whose status the API server refused as too large."""
    if situation.run.status.phase.finished or not situation.run.held:
        return
    text = (
        "The API server refused the run's status as too large, so what was under way is void, and"
        f" store and history were dropped. {ELSEWHERE}"
    )
    draft.change(store={}, history=(), answers={})
    error = RunError(type=RunReason.TOO_LARGE, message=text)
    draft.finish(RunPhase.FAILED, RunReason.TOO_LARGE, f"Failed: {text}", error=error)
    draft.commit()

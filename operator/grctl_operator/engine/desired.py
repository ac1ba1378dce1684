"""What people ask of a run through its spec: to be cancelled, terminated, or to end in time.

Rule 4: each is a commit, so an execution that was under way is void.
"""

from datetime import datetime

from grctl.models.phases import RunPhase
from grctl.models.reasons import RunReason
from grctl.models.run import HistoryEntry
from grctl_operator.engine.decision import Release
from grctl_operator.engine.dispatch import may_be_with_a_worker
from grctl_operator.engine.draft import Draft
from grctl_operator.engine.observation import SECOND
from grctl_operator.engine.wait import deadline_after, is_past


def obey_spec(draft: Draft) -> bool:
    """End the run if its spec or its age says so."""
    if not draft.run.held:
        return False
    if draft.run.spec.terminate:
        return _end(draft, RunPhase.TERMINATED, RunReason.TERMINATED, "Terminated by spec.")
    if _is_over_time(draft):
        text = f"It did not finish within {draft.run.spec.workflow.to_json()['timeout']}."
        return _end(draft, RunPhase.TIMED_OUT, RunReason.TIMED_OUT, text)
    if draft.run.spec.cancel and not draft.in_flight and not may_be_with_a_worker(draft):
        return _end(draft, RunPhase.CANCELLED, RunReason.CANCELLED, cancel_message(None))
    return False


def cancel_message(handler: str | None) -> str:
    """Say when the cancellation took effect."""
    return f"Cancelled by spec, after {handler}." if handler else "Cancelled by spec."


def run_deadline(draft: Draft) -> datetime | None:
    """Give the second after which the run is too old, by its own timeout."""
    timeout, created = draft.run.spec.workflow.timeout, draft.run.metadata.creation_timestamp
    return None if timeout is None or created is None else deadline_after(created, timeout)


def _is_over_time(draft: Draft) -> bool:
    deadline = run_deadline(draft)
    if deadline is None:
        return False
    if is_past(draft.now, deadline):
        return True
    draft.wake(deadline + SECOND)
    return False


def _end(draft: Draft, phase: RunPhase, reason: RunReason, text: str) -> bool:
    for held in draft.in_flight:
        draft.after.append(Release(held.execution.id, False, text))
    entry = HistoryEntry(
        commit=draft.run.status.commits + 1,
        at=draft.second,
        handler="",
        kind="spec",
        outcome=phase.value,
    )
    draft.record(entry)
    draft.finish(phase, reason, text)
    draft.commit()
    return True

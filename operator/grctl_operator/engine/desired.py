"""The desired state: a run is cancelled or terminated by its spec, or ends by its own timeout.

I4 (one commit): each end is a commit, so an execution that was under way is void.
"""

from datetime import datetime

from grctl.json.serialization import cut
from grctl.models.limits import MAX_MESSAGE_BYTES
from grctl.models.phases import RunPhase
from grctl.models.reasons import RunReason
from grctl.models.run import HistoryEntry
from grctl_operator.engine.decision import Release
from grctl_operator.engine.dispatch import may_be_with_a_worker
from grctl_operator.engine.draft import Draft
from grctl_operator.engine.observation import SECOND
from grctl_operator.engine.situation import Situation
from grctl_operator.engine.wait import deadline_after, is_past


def obey_spec(situation: Situation, draft: Draft) -> bool:
    """End the run if its spec or its age says so."""
    if situation.run.spec.terminate:
        return _end(
            situation, draft, RunPhase.TERMINATED, RunReason.TERMINATED, "Terminated by spec."
        )
    if is_over_time(situation):
        text = f"It did not finish within {situation.run.spec.workflow.to_json()['timeout']}."
        return _end(situation, draft, RunPhase.TIMED_OUT, RunReason.TIMED_OUT, text)
    if deadline := run_deadline(situation):
        draft.wake(deadline + SECOND)
    is_idle = not situation.in_flight
    if situation.run.spec.cancel and is_idle and not may_be_with_a_worker(situation, draft):
        text = cancel_message(situation.run.spec.cancel_reason)
        return _end(situation, draft, RunPhase.CANCELLED, RunReason.CANCELLED, text)
    return False


def cancel_message(reason: str | None, handler: str | None = None) -> str:
    """Return the message that says when a cancellation took effect, and why it was asked for.

    Args:
        reason: The reason that the spec has; None if it has none.
        handler: The handler after which it took effect; None if none was under way.
    """
    when = f"Cancelled by spec, after {handler}" if handler else "Cancelled by spec"
    why = (reason or "").strip()
    return cut(f"{when}: {why}", MAX_MESSAGE_BYTES) if why else f"{when}."


def run_deadline(situation: Situation) -> datetime | None:
    """Return the second at which the run's own timeout ends."""
    run = situation.run
    timeout, created = run.spec.workflow.timeout, run.metadata.creation_timestamp
    return None if timeout is None or created is None else deadline_after(created, timeout)


def is_over_time(situation: Situation) -> bool:
    """Return whether the run's own timeout is over."""
    deadline = run_deadline(situation)
    return deadline is not None and is_past(situation.now, deadline)


def _end(situation: Situation, draft: Draft, phase: RunPhase, reason: RunReason, text: str) -> bool:
    for held in situation.in_flight:
        draft.after.append(Release(held.execution.id, False, text))
    entry = HistoryEntry(
        commit=situation.run.status.commits + 1,
        at=situation.second,
        handler="",
        kind="spec",
        outcome=phase.value,
    )
    draft.record(entry)
    draft.finish(phase, reason, text)
    draft.commit()
    return True

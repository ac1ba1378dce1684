"""The retry of a handler whose worker was lost: a further attempt, its back-off, and giving up.

I4 (one commit). Only the operator knows of a further attempt, so it is written before it is
dispatched.

When a worker's process ends, all its executions are lost, and which of them ended it is not known.
So from its second attempt on, a handler runs alone: on a worker that has nothing else to do. Only a
crash of a worker on which nothing else ran counts towards `spec.backoffLimit`.
"""

from datetime import datetime, timedelta

from grctl.models.phases import EventPhase, RunPhase
from grctl.models.reasons import EventReason, RunReason
from grctl.models.run import RunError, Step
from grctl_operator.engine.chain import chain_of
from grctl_operator.engine.decision import Release
from grctl_operator.engine.draft import Draft
from grctl_operator.engine.due import Due, due_handler
from grctl_operator.engine.observation import LONG_AGO, SECOND, Held, over_at, round_up
from grctl_operator.engine.recording import is_recorded
from grctl_operator.engine.situation import Situation
from grctl_operator.engine.versions import at_work

BACKOFF_LIMIT = 4
"""Retries after crashes if `spec.backoffLimit` is not set."""
LONGEST_BACK_OFF = timedelta(minutes=5)
"""As for a container that crashes: a handler that is lost again and again costs little."""
MAX_BACK_OFF_DOUBLINGS = 20


def retry_lost(situation: Situation, draft: Draft) -> bool:
    """Write a further attempt for an execution whose worker was lost, or fail the run.

    Only crashes that its handler is known to have caused fail a run.
    """
    lost = [
        held
        for held in situation.executions.held
        if held.lost
        and held.outcome is None
        and situation.is_current(held.execution)
        and not situation.is_withdrawn(held)
    ]
    due = due_handler(situation, draft)
    if not lost:
        return False
    latest = max(lost, key=lambda held: held.execution.attempt)
    if at_work(situation) or due is None or not _is_due(due, latest):
        for held in lost:
            release = _release(held)
            (draft.before if is_recorded(situation, held) else draft.after).append(release)
        return False
    draft.after += map(_release, lost)
    crashes = due.crashes + any(held.crashed for held in lost if _is_due(due, held))
    if latest.crashed and crashes > backoff_limit(situation):
        _give_up(draft, due, latest, crashes)
    else:
        _try_again(situation, draft, due, latest, crashes)
    return True


def _release(lost: Held) -> Release:
    return Release(lost.execution.id, False, "its worker was lost")


def backoff_limit(situation: Situation) -> int:
    """Return how often a handler that crashed its worker's process is tried again."""
    limit = situation.run.spec.backoff_limit
    return BACKOFF_LIMIT if limit is None else limit


def _is_due(due: Due, held: Held) -> bool:
    """Return whether a lost execution is the last attempt at the handler that is due."""
    execution = held.execution
    same_event = execution.event_uid == (due.event.uid if due.event else None)
    return same_event and execution.attempt >= due.attempt


def _try_again(situation: Situation, draft: Draft, due: Due, lost: Held, crashes: int) -> None:
    step = Step(
        name=due.name,
        kind=due.kind,
        attempt=lost.execution.attempt + 1,
        crashes=crashes or None,
        chain=chain_of(draft.status.step, due.kind),
        event=due.event.name if due.event else None,
        event_uid=due.event.uid if due.event else None,
        since=round_up(situation.now),  # the back-off begins here and must not become shorter
    )
    draft.write_first(step=step)
    text = f"Worker {lost.worker} was lost in attempt {lost.execution.attempt} of {due.name}."
    if lost.crashed:
        text += " Its process ended, and nothing else ran there."
    text += _blockage_text(situation, lost)
    draft.announce(RunReason.WORKER_LOST, text, warning=True)


def _blockage_text(situation: Situation, lost: Held) -> str:
    """Return what blocked the event loop of a worker when it was lost, as a sentence."""
    named = (each.blocked for each in situation.executions.workers if each.name == lost.worker)
    found = next((each for each in named if each is not None), None)
    if found is None:
        return ""
    by = f" by {found.handler}" if found.handler else ""
    return f" Its event loop was blocked{by} since {found.since:%H:%M:%SZ} ({found.position})."


def _give_up(draft: Draft, due: Due, lost: Held, crashes: int) -> None:
    times = f"{crashes} times" if crashes > 1 else "once"
    text = (
        f"{due.name} ended the process of its worker {times} while nothing else ran there,"
        f" last that of {lost.worker}."
    )
    if due.event:
        draft.consume(due.event, EventPhase.FAILED, EventReason.WORKER_LOST, text)
    error = RunError(type=RunReason.WORKER_LOST.value, message=text)
    draft.finish(RunPhase.FAILED, RunReason.WORKER_LOST, f"Failed: {text}", error=error)
    draft.commit()


def back_off_end(due: Due, now: datetime) -> datetime:
    """Return when an attempt may begin: the second at once, later ones after 1, 2, 4, ... s."""
    if due.attempt <= 2:
        return LONG_AGO
    doubled: timedelta = SECOND * 2 ** min(due.attempt - 3, MAX_BACK_OFF_DOUBLINGS)
    return over_at(due.since, min(doubled, LONGEST_BACK_OFF), now)

"""The retry of a handler whose worker was lost: a further attempt, its back-off, and the hold.

I4 (one commit). Only the operator knows of a further attempt, so it is written before it is
dispatched.

When a worker's process ends, all its executions are lost, and which of them ended it is not known.
So from its second attempt on, a handler runs alone: on a worker that has nothing else to do. Only a
crash of a worker on which nothing else ran counts towards `spec.backoffLimit`. More crashes do not
fail the run, which did nothing wrong: its handler is held (see `stall`).
"""

from datetime import datetime, timedelta

from grctl.models.reasons import RunReason
from grctl_operator.engine.decision import Release
from grctl_operator.engine.draft import Draft
from grctl_operator.engine.due import Due, due_handler, step_of
from grctl_operator.engine.observation import LONG_AGO, SECOND, Held, is_ahead, over_at, round_up
from grctl_operator.engine.recording import release_once_recorded
from grctl_operator.engine.situation import Situation
from grctl_operator.engine.stall import announce_stall, make_stall
from grctl_operator.engine.task_message import count_times
from grctl_operator.engine.versions import at_work

BACKOFF_LIMIT = 4
"""Retries after crashes if `spec.backoffLimit` is not set."""
LONGEST_BACK_OFF = timedelta(minutes=5)
"""As for a container that crashes: a handler that is lost again and again costs little."""
MAX_BACK_OFF_DOUBLINGS = 20
LOST_ATTEMPT = "its worker was lost"


def retry_lost(situation: Situation, draft: Draft) -> bool:
    """Write a further attempt for an execution whose worker was lost, or hold the handler.

    A handler is held only for crashes that it is known to have caused.
    """
    lost = _lost_attempts(situation)
    due = due_handler(situation, draft)
    if not lost:
        return False
    latest = max(lost, key=lambda held: held.execution.attempt)
    if at_work(situation) or due is None or not due.is_latest(latest.execution):
        for held in lost:
            release_once_recorded(situation, draft, held, LOST_ATTEMPT)
        return False
    draft.after += [Release(held.execution.id, False, LOST_ATTEMPT) for held in lost]
    crashes = due.crashes + any(held.crashed for held in lost if due.is_latest(held.execution))
    if latest.crashed and crashes > backoff_limit(situation):
        _hold(situation, draft, due, latest, crashes)
    else:
        _try_again(situation, draft, due, latest, crashes)
    return True


def _lost_attempts(situation: Situation) -> list[Held]:
    return [
        held
        for held in situation.executions.held
        if held.lost
        and held.outcome is None
        and situation.is_current(held.execution)
        and not situation.is_withdrawn(held)
    ]


def backoff_limit(situation: Situation) -> int:
    """Return how often a handler that crashed its worker's process is tried again."""
    limit = situation.run.spec.backoff_limit
    return BACKOFF_LIMIT if limit is None else limit


def _try_again(situation: Situation, draft: Draft, due: Due, lost: Held, crashes: int) -> None:
    step = step_of(
        draft,
        due,
        attempt=lost.execution.attempt + 1,
        crashes=crashes,
        not_before=None,  # it had begun
        last_error=None,
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


def _hold(situation: Situation, draft: Draft, due: Due, lost: Held, crashes: int) -> None:
    text = (
        f"{due.name} ended the process of its worker {count_times(crashes)} while nothing else ran"
        f" there, last that of {lost.worker}"
    )
    stall = make_stall(situation, RunReason.WORKER_LOST, text, "Mend the cause")
    attempt = max(lost.execution.attempt, due.attempt)
    held = {"attempt": attempt, "crashes": crashes, "not_before": None, "stall": stall}
    draft.write_first(step=step_of(draft, due, since=round_up(situation.now), **held))
    announce_stall(draft, due, stall)


def begin_time(due: Due, now: datetime) -> datetime:
    """Return when an attempt may begin: after its back-off, and not before what `step` says.

    The moment of a delayed step is absolute: if the clock goes back, the step waits longer, and is
    never early. A retry waits for a length of time, so there a clock that went back counts as over.
    """
    begins = due.not_before or LONG_AGO
    if due.attempt > 1 and is_ahead(due.since, now):
        begins = LONG_AGO
    return max(back_off_end(due, now), begins)


def back_off_end(due: Due, now: datetime) -> datetime:
    """Return when the back-off is over: after one lost attempt at once, then 1, 2, 4, ... s."""
    if due.lost_or_misfit <= 1:
        return LONG_AGO
    doubled: timedelta = SECOND * 2 ** min(due.lost_or_misfit - 2, MAX_BACK_OFF_DOUBLINGS)
    return over_at(due.since, min(doubled, LONGEST_BACK_OFF), now)

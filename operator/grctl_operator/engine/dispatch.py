"""Giving the handler that is due to a worker, and once more when the worker was lost.

Rules 4 and 6, "Three writes an event": what an API object already says (a new run, an arrived
event, a committed step) is dispatched at once, without a write. A further attempt is known to us
only, so it is written first.

A process that ends takes every execution on it along, and nobody knows which of them ended it. So
from its second attempt on a handler runs alone: on a worker that has nothing else to do. Only a
crash of a worker on which nothing else ran counts towards `spec.backoffLimit`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from grctl.json.raw_json import Uncarriable
from grctl.models.phases import EventPhase, HandlerKind, RunPhase
from grctl.models.reasons import EventReason, RunReason
from grctl.models.run import RunError, Step
from grctl_operator.engine.chain import chain_of, in_turn
from grctl_operator.engine.decision import (
    Announce,
    AwaitClearWorker,
    AwaitWorker,
    Dispatch,
    Release,
)
from grctl_operator.engine.draft import SHOWN_AFTER, Draft
from grctl_operator.engine.inbox import has_begun, is_for_another_run, next_event, unconsumed
from grctl_operator.engine.names import is_written, note_names
from grctl_operator.engine.observation import (
    LONG_AGO,
    SECOND,
    Event,
    Held,
    is_ahead,
    over_at,
    round_up,
    whole_second,
)
from grctl_operator.engine.situation import Situation
from grctl_operator.engine.telling import TOLD_AFTER, TOLD_OF
from grctl_operator.engine.versions import at_work, refused_by

BACKOFF_LIMIT = 4
"""Retries after crashes, where `spec.backoffLimit` says nothing."""
RETURNED = timedelta(seconds=2)
"""Workers that kept running are back with what they hold this long after an operator's start.

Where the operator before us left word of how many there were, no longer than until these are back.
Should another come in their place, something is executed twice, and committed once (rule 4).
"""
LONGEST_BACK_OFF = timedelta(minutes=5)
"""As a container's that crashes: what is lost again and again, by whatever cause, costs little."""
MOST_DOUBLINGS = 20


@dataclass(frozen=True, slots=True)
class Due:
    """The handler that is next."""

    kind: HandlerKind
    name: str
    since: datetime
    attempt: int = 1
    event: Event | None = None
    crashes: int = 0
    """How many attempts are known to have ended their worker's process."""

    @property
    def runs_alone(self) -> bool:
        """Whether it may be what ended the process of a worker: nothing else runs beside it."""
        return self.attempt > 1


def due_handler(situation: Situation, draft: Draft) -> Due | None:
    """Say which handler is next, by what is committed."""
    status = draft.status
    if status.wait is not None:
        event = next_event(situation, draft)
        return _due_event(draft, event) if event else None
    if status.step is not None and status.step.kind is not HandlerKind.START:
        step = status.step
        return Due(step.kind, step.name, step.since, step.attempt, crashes=step.crashes or 0)
    if status.step is None or status.step.attempt == 1:
        return Due(HandlerKind.START, "start", _created(situation))
    step = status.step
    return Due(HandlerKind.START, "start", step.since, step.attempt, crashes=step.crashes or 0)


def _due_event(draft: Draft, event: Event) -> Due:
    step = draft.status.step
    if step is not None and step.event_uid == event.uid and step.attempt > 1:
        crashes = step.crashes or 0
        return Due(HandlerKind.EVENT, event.event_name, step.since, step.attempt, event, crashes)
    wait = draft.status.wait
    since = max(event.created, wait.since) if wait else event.created
    return Due(HandlerKind.EVENT, event.event_name, since, 1, event)


def _created(situation: Situation) -> datetime:
    return situation.run.metadata.creation_timestamp or situation.second


def dispatch_due(situation: Situation, draft: Draft) -> None:
    """Dispatch what is due, if it may be and a worker can take it."""
    due = due_handler(situation, draft)
    if due is None or at_work(situation):
        return
    if due.event and not _may_consume(situation, draft, due.event):
        return
    if due.kind is HandlerKind.START and isinstance(situation.run.spec.workflow.input, Uncarriable):
        return
    not_before = max(
        backed_off(due, situation.now),
        returned(situation, due),
        in_turn(draft.status.step, due.kind, situation.now),
    )
    if situation.now < not_before:
        draft.wake(not_before)
        return
    _dispatch(situation, draft, due)


def _may_consume(situation: Situation, draft: Draft, event: Event) -> bool:
    """Say whether an event may go to a handler now; where only a list can tell, ask for one."""
    if is_for_another_run(situation, event) or event.misfit:
        return False
    if not situation.trusts(event):
        draft.read_events()
        return False
    return situation.outbox_room > 0


def _dispatch(situation: Situation, draft: Draft, due: Due) -> None:
    if not takes(situation, due):
        _await_worker(situation, draft, due)
        return
    if due.event and not is_written(situation, due.name):
        note_names(situation, draft, due.name)
        draft.write_first()
        return
    status = situation.run.status
    dispatch = Dispatch(
        due.kind,
        due.name,
        due.attempt,
        status.commits,
        status.last_execution,
        due.event,
        alone=due.runs_alone,
        but=refused_by(situation),
    )
    draft.before.append(dispatch)
    draft.wake(situation.now + SHOWN_AFTER)  # if it still runs then, people are to see it


def takes(situation: Situation, due: Due) -> bool:
    """Return whether a worker takes now what is due."""
    refused = refused_by(situation)
    able = situation.executions.connected_with(due.kind, due.name)
    able = tuple(worker for worker in able if worker.catalogue not in refused)
    return any(worker.clear if due.runs_alone else worker.free > 0 for worker in able)


def _await_worker(situation: Situation, draft: Draft, due: Due) -> None:
    if due.runs_alone:
        draft.before.append(AwaitClearWorker(due.kind, due.name, refused_by(situation)))
    reason, message = missing_worker(situation, due)
    draft.before.append(AwaitWorker(room=reason is RunReason.WORKERS_BUSY))
    if reason is RunReason.WORKERS_BUSY:
        return
    since = _missing_since(situation, due)
    _tell_in_time(situation, draft, Announce(reason, message, warning=True, since=since), since)
    for event in islice(unconsumed(situation, draft), TOLD_OF):
        waits_since = max(since, event.created)
        said = Announce(
            reason, f"{message} The event waits.", event, warning=True, since=waits_since
        )
        _tell_in_time(situation, draft, said, waits_since)


def await_timeout_step(situation: Situation, draft: Draft) -> None:
    """Tell that no worker has the step that a wait times out to: now, not when its time is over."""
    wait, name = draft.status.wait, missing_timeout_step(situation, draft)
    if wait is None or name is None:
        return
    if not any(isinstance(effect, AwaitWorker) for effect in draft.before):
        draft.before.append(AwaitWorker())
    since = _missing_since(situation, Due(HandlerKind.STEP, name, wait.since))
    text = (
        f'No connected worker of {situation.run.spec.workflow.type} has the step "{name}", which is'
        f" due at {wait.deadline:%Y-%m-%d %H:%M:%SZ} if no event comes before. Deploy the version"
        " that has it."
    )
    told = Announce(RunReason.NO_TIMEOUT_STEP, text, warning=True, since=since)
    _tell_in_time(situation, draft, told, since)


def missing_timeout_step(situation: Situation, draft: Draft) -> str | None:
    """Return the step that the wait times out to if connected workers have others, but not it."""
    wait, workers = draft.status.wait, situation.executions.workers
    if wait is None or wait.deadline is None or wait.timeout_step is None:
        return None
    unserved = not any(worker.connected for worker in workers)  # then nobody knows
    has_it = situation.executions.connected_with(HandlerKind.STEP, wait.timeout_step)
    return None if unserved or has_it else wait.timeout_step


def _tell_in_time(
    situation: Situation, draft: Draft, announcement: Announce, since: datetime
) -> None:
    told_from = max(
        over_at(since, TOLD_AFTER, situation.now), situation.executions.accepting_since + TOLD_AFTER
    )
    if situation.now < told_from:
        draft.wake(told_from)
    else:
        draft.before.append(announcement)


def _missing_since(situation: Situation, due: Due) -> datetime:
    """Say since when a handler is due and no worker has it, as far as workers are remembered."""
    seen = situation.executions.seen_with(due.kind, due.name, LONG_AGO)
    return max(due.since, seen.seen) if seen else due.since


def missing_worker(situation: Situation, due: Due) -> tuple[RunReason, str]:
    """Say why nobody takes what is due."""
    workflow = situation.run.spec.workflow.type
    named = due.kind is not HandlerKind.START
    what = f'{due.kind} handler "{due.name}"' if named else "start handler"
    if situation.executions.connected_with(due.kind, due.name):
        return RunReason.WORKERS_BUSY, (
            f"All workers of {workflow} are at their capacity; the {what} is next."
        )
    if any(worker.connected for worker in situation.executions.workers):
        text = f"No connected worker of {workflow} has the {what}. Deploy the version that has it"
        return RunReason.NO_HANDLER, f"{text}{_way_out(situation, due)}."
    served = ", ".join(f'"{other}"' for other in situation.executions.other_types)
    return RunReason.NO_WORKER, (
        f'No worker serves workflow type "{workflow}" in namespace'
        f' "{situation.run.metadata.namespace}";'
        f" {f'those connected serve {served}' if served else 'none is connected there'}."
    )


def _way_out(situation: Situation, due: Due) -> str:
    """Return what else a person can do where the version that has a handler will not come back."""
    if due.event is None:
        return ""
    text = f", or delete the WorkflowEvent {due.event.name} to withdraw it"
    began = has_begun(situation, due.event)
    return f"{text}; its handler began on a worker that was lost" if began else text


def backed_off(due: Due, now: datetime) -> datetime:
    """Return when an attempt may begin: the second at once, then after 1, 2, 4 s and so on."""
    if due.attempt <= 2:
        return LONG_AGO
    doubled: timedelta = SECOND * 2 ** min(due.attempt - 3, MOST_DOUBLINGS)
    return over_at(due.since, min(doubled, LONGEST_BACK_OFF), now)


def returned(situation: Situation, due: Due) -> datetime:
    """Say until when an earlier operator's dispatch of the same may still come back to us."""
    accepting = situation.executions.accepting_since
    began_with_us = due.since >= whole_second(accepting) and not is_ahead(due.since, situation.now)
    if situation.executions.all_back or began_with_us:
        return LONG_AGO
    return accepting + RETURNED


def may_be_with_a_worker(situation: Situation, draft: Draft) -> bool:
    """Say whether what is due may have been dispatched by the operator before us; wake later."""
    due = due_handler(situation, draft)
    if due is None or situation.now >= (until := returned(situation, due)):
        return False
    draft.wake(until)
    return True


def retry_lost(situation: Situation, draft: Draft) -> bool:
    """Write a further attempt for an execution whose worker was lost, or fail the run.

    The run fails only by crashes that its handler is known to have caused.
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
    gone = tuple(Release(held.execution.id, False, "its worker was lost") for held in lost)
    latest = max(lost, key=lambda held: held.execution.attempt)
    if at_work(situation) or due is None or not _is_due(due, latest):
        draft.before += gone
        return False
    draft.after += gone
    crashes = due.crashes + any(held.crashed for held in lost if _is_due(due, held))
    if latest.crashed and crashes > backoff_limit(situation):
        _give_up(draft, due, latest, crashes)
    else:
        _try_again(situation, draft, due, latest, crashes)
    return True


def backoff_limit(situation: Situation) -> int:
    """Return how often a handler is tried again that ended its worker's process."""
    limit = situation.run.spec.backoff_limit
    return BACKOFF_LIMIT if limit is None else limit


def _is_due(due: Due, held: Held) -> bool:
    """Say whether what was lost is what is due, and its next attempt not yet written."""
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
        since=round_up(situation.now),  # the back-off counts from here, and must not be shorter
    )
    draft.write_first(step=step)
    text = f"Worker {lost.worker} was lost in attempt {lost.execution.attempt} of {due.name}."
    if lost.crashed:
        text += " Its process ended, and nothing else ran there."
    text += _blocked(situation, lost)
    draft.announce(RunReason.WORKER_LOST, text, warning=True)


def _blocked(situation: Situation, lost: Held) -> str:
    """Name what blocked the event loop of a worker when it was lost."""
    named = (each.blocked for each in situation.executions.workers if each.name == lost.worker)
    found = next((each for each in named if each is not None), None)
    if found is None:
        return ""
    by = f" by {found.handler}" if found.handler else ""
    return f" Its event loop was blocked{by} since {found.since:%H:%M:%SZ} ({found.place})."


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

"""The dispatch of the handler that is due, and its retry after its worker was lost.

I4 (one commit), I6 (level-triggered). What an API object already says (a new run, an event that
arrived, a committed step) is dispatched at once, without a write. Only the operator knows of a
further attempt, so that is written first.

When a worker's process ends, all its executions are lost, and which of them ended it is not known.
So from its second attempt on, a handler runs alone: on a worker that has nothing else to do. Only a
crash of a worker on which nothing else ran counts towards `spec.backoffLimit`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from grctl.json.raw_json import Uncarriable
from grctl.models.phases import EventPhase, HandlerKind, RunPhase
from grctl.models.reasons import EventReason, RunReason
from grctl.models.run import RunError, Step
from grctl_operator.engine.chain import chain_of, slowed_until
from grctl_operator.engine.decision import (
    Announce,
    AwaitClearWorker,
    AwaitWorker,
    Dispatch,
    Release,
)
from grctl_operator.engine.draft import Draft
from grctl_operator.engine.inbox import has_begun, is_for_another_run, next_event, unconsumed_events
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
from grctl_operator.engine.telling import MAX_ANNOUNCED_EVENTS, TOLD_AFTER
from grctl_operator.engine.urgency import SHOWN_AFTER
from grctl_operator.engine.versions import at_work, refused_by

BACKOFF_LIMIT = 4
"""Retries after crashes if `spec.backoffLimit` is not set."""
RETURN_TIME = timedelta(seconds=2)
"""Workers that kept running have reconnected, with their executions, so long after a start.

If the operator before left the number of its workers, the wait ends once as many are connected. If
other workers came instead, a handler may run twice; its outcome commits once: I4 (one commit).
"""
LONGEST_BACK_OFF = timedelta(minutes=5)
"""As for a container that crashes: a handler that is lost again and again costs little."""
MAX_BACK_OFF_DOUBLINGS = 20


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
        """Whether nothing else may run beside it: it may have ended the process of a worker."""
        return self.attempt > 1


def due_handler(situation: Situation, draft: Draft) -> Due | None:
    """Return the handler that is next according to the drafted status."""
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
    """Dispatch the handler that is due, if it may begin and a worker can take it."""
    due = due_handler(situation, draft)
    if due is None or at_work(situation):
        return
    if due.event and not _may_consume(situation, draft, due.event):
        return
    if due.kind is HandlerKind.START and isinstance(situation.run.spec.workflow.input, Uncarriable):
        return
    not_before = max(
        back_off_end(due, situation.now),
        return_deadline(situation, due),
        slowed_until(draft.status.step, due.kind, situation.now),
    )
    if situation.now < not_before:
        draft.wake(not_before)
        return
    _dispatch(situation, draft, due)


def _may_consume(situation: Situation, draft: Draft, event: Event) -> bool:
    """Return whether an event may go to a handler now; if in doubt, ask for a list."""
    if is_for_another_run(situation, event) or event.misfit:
        return False
    if not situation.trusts(event):
        draft.read_events()
        return False
    return situation.outbox_room > 0


def _dispatch(situation: Situation, draft: Draft, due: Due) -> None:
    if not has_taker(situation, due):
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
    draft.wake(situation.now + SHOWN_AFTER)  # if it still runs then, the status shows it


def has_taker(situation: Situation, due: Due) -> bool:
    """Return whether a worker can take the handler that is due now."""
    refused = refused_by(situation)
    able = situation.executions.find_connected(due.kind, due.name)
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
    for event in islice(unconsumed_events(situation, draft), MAX_ANNOUNCED_EVENTS):
        waits_since = max(since, event.created)
        said = Announce(
            reason, f"{message} The event waits.", event, warning=True, since=waits_since
        )
        _tell_in_time(situation, draft, said, waits_since)


def await_timeout_step(situation: Situation, draft: Draft) -> None:
    """Announce that no worker has the timeout step of the present wait, before the step is due."""
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
    """Return the timeout step of the wait if workers are connected and none of them has it."""
    wait, workers = draft.status.wait, situation.executions.workers
    if wait is None or wait.deadline is None or wait.timeout_step is None:
        return None
    unserved = not any(worker.connected for worker in workers)  # then the step is not known
    has_it = situation.executions.find_connected(HandlerKind.STEP, wait.timeout_step)
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
    """Return since when a handler is due and no remembered worker has it."""
    seen = situation.executions.find_last_seen(due.kind, due.name, LONG_AGO)
    return max(due.since, seen.seen) if seen else due.since


def missing_worker(situation: Situation, due: Due) -> tuple[RunReason, str]:
    """Return why no worker takes the handler that is due: a reason and its message."""
    workflow = situation.run.spec.workflow.type
    named = due.kind is not HandlerKind.START
    what = f'{due.kind} handler "{due.name}"' if named else "start handler"
    if situation.executions.find_connected(due.kind, due.name):
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
    """Return what a person can do if the version that has the handler will not come back."""
    if due.event is None:
        return ""
    text = f", or delete the WorkflowEvent {due.event.name} to withdraw it"
    began = has_begun(situation, due.event)
    return f"{text}; its handler began on a worker that was lost" if began else text


def back_off_end(due: Due, now: datetime) -> datetime:
    """Return when an attempt may begin: the second at once, later ones after 1, 2, 4, ... s."""
    if due.attempt <= 2:
        return LONG_AGO
    doubled: timedelta = SECOND * 2 ** min(due.attempt - 3, MAX_BACK_OFF_DOUBLINGS)
    return over_at(due.since, min(doubled, LONGEST_BACK_OFF), now)


def return_deadline(situation: Situation, due: Due) -> datetime:
    """Return until when a worker may still reconnect with an earlier operator's dispatch of it."""
    accepting = situation.executions.accepting_since
    began_with_us = due.since >= whole_second(accepting) and not is_ahead(due.since, situation.now)
    if situation.executions.all_back or began_with_us:
        return LONG_AGO
    return accepting + RETURN_TIME


def may_be_with_a_worker(situation: Situation, draft: Draft) -> bool:
    """Return whether the operator before may have dispatched what is due; if so, wake later."""
    due = due_handler(situation, draft)
    if due is None or situation.now >= (until := return_deadline(situation, due)):
        return False
    draft.wake(until)
    return True


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

"""The dispatch of the handler that is due, and what is said if no worker can take it.

I4 (one commit), I6 (level-triggered). What an API object already says (a new run, an event that
arrived, a committed step) is dispatched at once, without a write. Only the operator knows of a
further attempt, so that is written first (see `retry`, `handler_retry`).
"""

from datetime import datetime, timedelta
from itertools import islice

from grctl.json.raw_json import Uncarriable
from grctl.models.phases import HandlerKind
from grctl.models.reasons import RunReason
from grctl_operator.engine.announcements import ANNOUNCED_AFTER, MAX_ANNOUNCED_EVENTS
from grctl_operator.engine.chain import slowed_until
from grctl_operator.engine.choice import names_of, taken_events
from grctl_operator.engine.decision import (
    Announce,
    AwaitClearWorker,
    AwaitWorker,
    Dispatch,
)
from grctl_operator.engine.draft import Draft
from grctl_operator.engine.due import Due, due_handler
from grctl_operator.engine.inbox import has_begun, is_for_another_run
from grctl_operator.engine.names import is_written, note_names
from grctl_operator.engine.observation import (
    LONG_AGO,
    Event,
    is_ahead,
    over_at,
    shown_moment,
    whole_second,
)
from grctl_operator.engine.retry import begin_time
from grctl_operator.engine.situation import Situation
from grctl_operator.engine.urgency import SHOWN_AFTER
from grctl_operator.engine.versions import at_work, refused_by

RETURN_TIME = timedelta(seconds=2)
"""Workers that kept running have reconnected, with their executions, so long after a start.

If the operator before left the number of its workers, the wait ends once as many are connected. If
other workers came instead, a handler may run twice; its outcome commits once: I4 (one commit).
"""


def dispatch_due(situation: Situation, draft: Draft) -> None:
    """Dispatch the handler that is due, if it may begin and a worker can take it."""
    due = due_handler(situation, draft)
    if due is None or due.stall or at_work(situation):
        return
    if due.event and not _may_consume(situation, draft, due.event):
        return
    if due.kind is HandlerKind.START and isinstance(situation.run.spec.workflow.input, Uncarriable):
        return
    not_before = max(
        begin_time(due, situation.now),
        return_deadline(situation, due),
        slowed_until(draft.status.step, due.kind, situation.now),
    )
    if situation.now < not_before:
        draft.wake(not_before)
        return
    _dispatch(situation, draft, due)


def _may_consume(situation: Situation, draft: Draft, event: Event) -> bool:
    """Return whether an event may go to a handler now; if in doubt, ask for a list."""
    if is_for_another_run(situation, event) or event.uncarriable:
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
    _announce_in_time(situation, draft, Announce(reason, message, warning=True, since=since), since)
    taken = taken_events(names_of(draft.status.wait), situation.events, draft.consumed_uids)
    for event in islice(taken, MAX_ANNOUNCED_EVENTS):
        waits_since = max(since, event.created)
        said = Announce(
            reason, f"{message} The event waits.", event, warning=True, since=waits_since
        )
        _announce_in_time(situation, draft, said, waits_since)


def await_timeout_step(situation: Situation, draft: Draft) -> None:
    """Announce that no worker has the timeout step of the present wait, before the step is due."""
    wait, name = draft.status.wait, missing_timeout_step(situation, draft)
    if wait is None or wait.deadline is None or name is None:
        return
    draft.await_worker()
    since = _missing_since(situation, Due(HandlerKind.STEP, name, wait.since))
    text = (
        f'No connected worker of {situation.run.spec.workflow.type} has the step "{name}", which is'
        f" due at {shown_moment(wait.deadline)} if no event comes before. Deploy the version"
        " that has it."
    )
    told = Announce(RunReason.NO_TIMEOUT_STEP, text, warning=True, since=since)
    _announce_in_time(situation, draft, told, since)


def missing_timeout_step(situation: Situation, draft: Draft) -> str | None:
    """Return the timeout step of the wait if workers are connected and none of them has it."""
    wait, workers = draft.status.wait, situation.executions.workers
    if wait is None or wait.deadline is None or wait.timeout_step is None:
        return None
    unserved = not any(worker.connected for worker in workers)  # then the step is not known
    has_it = situation.executions.find_connected(HandlerKind.STEP, wait.timeout_step)
    return None if unserved or has_it else wait.timeout_step


def _announce_in_time(
    situation: Situation, draft: Draft, announcement: Announce, since: datetime
) -> None:
    told_from = max(
        over_at(since, ANNOUNCED_AFTER, situation.now),
        situation.executions.accepting_since + ANNOUNCED_AFTER,
    )
    if situation.now < told_from:
        draft.wake(told_from)
    else:
        draft.before.append(announcement)


def _missing_since(situation: Situation, due: Due) -> datetime:
    """Return since when a handler is due and no remembered worker has it."""
    since = max(due.since, due.not_before or due.since)
    seen = situation.executions.find_last_seen(due.kind, due.name, LONG_AGO)
    return max(since, seen.seen) if seen else since


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

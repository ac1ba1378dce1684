"""The texts of `status.message`: what a run does, or what it waits for, in every state.

Each text has a reason for the conditions. A text changes only with what it describes, because each
change that lasts is a write.
"""

from collections.abc import Sequence
from datetime import datetime

from grctl.json.serialization import cut
from grctl.models.limits import MAX_MESSAGE_BYTES
from grctl.models.phases import HandlerKind
from grctl.models.reasons import RunReason
from grctl.models.run import Step
from grctl_operator.engine.chain import SLOWED, is_slowed
from grctl_operator.engine.dispatch import has_taker, missing_worker
from grctl_operator.engine.draft import Draft
from grctl_operator.engine.due import Due
from grctl_operator.engine.journal import entries_for
from grctl_operator.engine.observation import Blockage, shown_moment
from grctl_operator.engine.retry import backoff_limit, begin_time
from grctl_operator.engine.situation import Situation
from grctl_operator.engine.task_message import count_times, tasks_clause


def running_text(situation: Situation, draft: Draft, step: Step) -> str:
    """Return which handler runs on which worker, which of its tasks failed, and what follows."""
    attempt = _attempt(situation, step.attempt, step.crashes)
    text = f"Runs {_handler(step.kind, step.name)} on worker {step.worker}{attempt}"
    blocked = blockage(situation, step.worker)
    if blocked is not None:
        text += _blockage_clause(situation, blocked)
    elif _is_away(situation, step.worker):
        text += ", which is disconnected and may come back"
    if situation.run.spec.cancel:
        text += ". Cancellation is asked for: the run ends after that"
    tasks = tasks_clause(entries_for(draft.status, step.event_uid))
    return cut(f"{text}: {tasks}." if tasks else f"{text}.", MAX_MESSAGE_BYTES)


def due_text(situation: Situation, draft: Draft, due: Due, *, committed: bool) -> tuple[str, str]:
    """Return what is next, and why it has not begun: a reason and its message."""
    if due.stall:
        return due.stall.reason, due.stall.message
    handler, begins = _handler(due.kind, due.name), begin_time(due, situation.now)
    if situation.now < begins:
        return _pause_text(situation, due, begins)
    if due.event and situation.outbox_room <= 0:
        count = len(situation.unconfirmed_entries)
        return RunReason.SETTLING, f"Goes on with {handler} when {count} events are settled."
    attempt = _attempt(situation, due.attempt, due.crashes)
    if committed or has_taker(situation, due):
        going_on = RunReason.STARTING if due.kind is HandlerKind.START else RunReason.RUNNING
        slowed = f" {SLOWED}" if is_slowed(draft.status.step, due.kind) else ""
        return going_on, f"Goes on with {handler}{attempt}.{slowed}"
    if due.runs_alone and situation.executions.find_connected(due.kind, due.name):
        return RunReason.WORKER_LOST, (
            f"Goes on with {handler}{attempt} when a worker has nothing else to do: its worker was"
            " lost, and it may be why."
        )
    return missing_worker(situation, due)


def _pause_text(situation: Situation, due: Due, begins: datetime) -> tuple[str, str]:
    """Return why a handler begins later: a delay that was asked for, a retry, or a back-off."""
    attempt = _attempt(situation, due.attempt, due.crashes, begins)
    text = f"Goes on with {_handler(due.kind, due.name)}{attempt}"
    if due.attempt == 1:
        return RunReason.DELAYED, f"Goes on with {due.kind} {due.name} at {shown_moment(begins)}."
    if due.not_before == begins:
        times = count_times(due.failures)
        return RunReason.RETRYING, f"{text}: it failed {times} ({due.last_error})."
    if due.lost_or_misfit > due.misfits:
        return RunReason.WORKER_LOST, f"{text}: its worker was lost."
    return RunReason.NON_DETERMINISTIC, (
        f"{text}: it ran code that does not fit what is recorded ({due.last_error})."
    )


def deleting_text(situation: Situation) -> str:
    """Return what keeps a run that is being deleted."""
    if situation.run.held:
        return "Is being deleted: its events are settled first."
    return f"Is being deleted: waits for {_listed(situation.run.metadata.finalizers)}."


def _handler(kind: HandlerKind, name: str) -> str:
    return "the start handler" if kind is HandlerKind.START else f"{kind} handler {name}"


def _attempt(
    situation: Situation, number: int, crashes: int | None, at: datetime | None = None
) -> str:
    if number == 1:
        return ""
    most = backoff_limit(situation) + 1
    crashed = f", after {crashes} of {most} crashes" if crashes else ""
    when = f", at {at:%H:%M:%SZ}" if at else ""
    return f" (attempt {number}{crashed}{when})"


def _is_away(situation: Situation, worker: str | None) -> bool:
    known = [each for each in situation.executions.workers if each.name == worker]
    return bool(known) and not any(each.connected for each in known)


def blockage(situation: Situation, worker: str | None) -> Blockage | None:
    """Return what blocks the event loop of a worker."""
    named = [each for each in situation.executions.workers if each.name == worker]
    if any(each.connected and each.blocked is None for each in named):
        return None  # this process goes on, or another process of the same name
    return next((each.blocked for each in named if each.blocked is not None), None)


def _blockage_clause(situation: Situation, blocked: Blockage) -> str:
    since = f"since {blocked.since:%H:%M:%SZ} ({blocked.position})"
    if is_own_blockage(situation, blocked):
        return f", and has blocked that worker's event loop {since}: nothing else runs there"
    by = f" by {blocked.handler}" if blocked.handler else ""
    return f", whose event loop has been blocked{by} {since}"


def is_own_blockage(situation: Situation, blocked: Blockage) -> bool:
    """Return whether a handler of this run blocks the event loop."""
    return any(each.execution.id == blocked.execution for each in situation.executions.held)


def _listed(finalizers: Sequence[str]) -> str:
    named = ", ".join(finalizers)
    return f"the finalizers of others ({named})" if named else "the API server"

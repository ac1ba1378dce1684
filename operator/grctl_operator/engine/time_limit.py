"""The time limit of a handler whose worker cannot keep it: its code blocks the event loop.

1. A worker ends an attempt that takes longer than the handler's `timeout`. Code that blocks the
   loop of the worker keeps it from doing so. Then the operator treats the attempt as failed, as the
   worker would have done: it is tried again, held, or fails the run.
2. Only an execution that blocks the loop itself is treated so. One that waits behind another has
   not used its time.
3. An execution that was handed over ahead begins after the one before it. So its time is counted
   from the commit before it, if that is later. It is never ended early.
4. The worker is told that the execution is void. Its code goes on until it returns: nothing can
   end a thread from outside.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from grctl.models.base import write_duration
from grctl.models.phases import HandlerKind
from grctl.models.reasons import RunReason
from grctl.models.run import RunError, WorkflowRun
from grctl.models.wire import Failed, OfferedHandler, Outcome
from grctl_operator.engine.draft import Draft
from grctl_operator.engine.observation import Blockage, Executions, Held, is_ahead
from grctl_operator.engine.situation import Situation

TIME_LIMIT_GRACE = timedelta(seconds=5)
"""The worker ends the attempt itself if its loop runs again within this time."""


def end_overdue(run: WorkflowRun, executions: Executions, now: datetime) -> Executions:
    """Return the executions, of which those that blocked their worker for too long have failed."""
    if not any(worker.blocked for worker in executions.workers):
        return executions
    held = tuple(_ended_if_overdue(run, executions, each, now) for each in executions.held)
    return replace(executions, held=held)


def await_time_limits(situation: Situation, draft: Draft) -> None:
    """Look again when an execution that blocks its worker will have taken too long."""
    executions, now = situation.executions, situation.now
    if not any(worker.blocked for worker in executions.workers):
        return
    for held in situation.in_flight:
        due = _time_limit(situation.run, executions, held, now)
        if due is not None and now < due:
            draft.wake(due)


def _ended_if_overdue(run: WorkflowRun, executions: Executions, held: Held, now: datetime) -> Held:
    due, blocked = _time_limit(run, executions, held, now), _blockage_by(executions, held)
    handler = _offered(held)
    if due is None or blocked is None or handler is None or now < due:
        return held
    return replace(held, outcome=_timed_out(held, handler, blocked))


def _time_limit(
    run: WorkflowRun, executions: Executions, held: Held, now: datetime
) -> datetime | None:
    """Return when the operator ends an execution; None if it does not."""
    handler = _offered(held)
    if handler is None or handler.timeout_s is None or held.outcome is not None or held.lost:
        return None
    if held.execution.commits != run.status.commits or _blockage_by(executions, held) is None:
        return None
    return _began_by(run, held, now) + timedelta(seconds=handler.timeout_s) + TIME_LIMIT_GRACE


def _began_by(run: WorkflowRun, held: Held, now: datetime) -> datetime:
    """Return a moment by which an execution had begun."""
    wait = run.status.wait
    if held.execution.handler_kind is not HandlerKind.EVENT or wait is None:
        return held.since
    return held.since if is_ahead(wait.since, now) else max(held.since, wait.since)


def _offered(held: Held) -> OfferedHandler | None:
    """Return the handler of an execution as its worker announced it."""
    execution, catalogue = held.execution, held.catalogue
    if catalogue is None:
        return None
    return catalogue.find(execution.handler_kind, execution.handler_name)


def _blockage_by(executions: Executions, held: Held) -> Blockage | None:
    found = (worker.blocked for worker in executions.workers if worker.blocked)
    return next((each for each in found if each.execution == held.execution.id), None)


def _timed_out(held: Held, handler: OfferedHandler, blocked: Blockage) -> Outcome:
    limit = write_duration(timedelta(seconds=handler.timeout_s or 0))
    text = (
        f"{held.execution.handler_name} took longer than its timeout, {limit}: it has blocked the"
        f" event loop of worker {held.worker} since {blocked.since:%H:%M:%SZ} ({blocked.position})."
    )
    reason = RunReason.HANDLER_TIMED_OUT.value
    result = Failed(
        reason=reason,
        error=RunError(type=reason, message=text),
        policy=handler.retry_policy,
        on_failure=handler.on_failure or "fail",
    )
    return Outcome(execution=held.execution, result=result)

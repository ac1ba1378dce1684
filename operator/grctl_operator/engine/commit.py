"""Making an outcome true: once, and only if the run is still as it was when the handler started.

Rule 4. The fence is the run's uid, its `commits` and `lastExecution`; the write carries the
resourceVersion (rule 5). What does not pass the fence is void, and its worker is told so.
"""

from grctl.models.directive import Complete, NextStep, WaitForEvent
from grctl.models.phases import EventPhase, HandlerKind, RunPhase
from grctl.models.reasons import EventReason, RunReason
from grctl.models.run import HistoryEntry, RunError, Step
from grctl.models.wire import Failed, Outcome, Refused, Succeeded
from grctl_operator.engine.decision import Release
from grctl_operator.engine.desired import cancel_message
from grctl_operator.engine.draft import Draft
from grctl_operator.engine.observation import Event
from grctl_operator.engine.wait import begin_wait


def release_void(draft: Draft) -> bool:
    """Let workers forget executions that cannot be committed any more."""
    for held in draft.executions.held:
        if draft.run.status.last_execution == held.execution.id:
            draft.before.append(Release(held.execution.id, committed=True))
        elif not draft.is_current(held.execution):
            draft.before.append(Release(held.execution.id, False, "the run went on without it"))
        elif draft.is_withdrawn(held):
            draft.before.append(Release(held.execution.id, False, "the event was withdrawn"))
    return False


def commit_outcome(draft: Draft) -> bool:
    """Commit the outcome of a current execution."""
    for held in draft.executions.held:
        if held.outcome is None or not draft.is_current(held.execution) or not draft.run.held:
            continue
        event = draft.events.find(held.execution.event_uid)
        if held.execution.event_uid is None or (event and draft.trusts(event)):
            _commit(draft, held.outcome, event)
            return True
        if not draft.is_withdrawn(held):
            draft.read_events()
    return False


def _commit(draft: Draft, outcome: Outcome, event: Event | None) -> None:
    draft.change(started_at=draft.status.started_at or draft.second)
    match outcome.result:
        case Succeeded() as result:
            _succeed(draft, outcome, result, event)
        case Failed() as result:
            _fail(draft, result, event)
        case Refused() as result:
            _refuse(draft, result, event)
    draft.record(_entry(draft, outcome))
    draft.commit(outcome.execution)
    draft.after.append(Release(outcome.execution.id, committed=True))


def _succeed(draft: Draft, outcome: Outcome, result: Succeeded, event: Event | None) -> None:
    if event:
        draft.consume(event, EventPhase.PROCESSED, EventReason.HANDLED)
    kept = {key: value for key, value in draft.status.store.items() if key not in result.delete}
    draft.change(store=kept | result.put)
    if draft.run.spec.cancel and not isinstance(result.directive, Complete):
        text = cancel_message(outcome.execution.handler_name)
        draft.finish(RunPhase.CANCELLED, RunReason.CANCELLED, text)
        return
    _follow(draft, result)


def _follow(draft: Draft, result: Succeeded) -> None:
    match result.directive:
        case WaitForEvent() as directive:
            wait = begin_wait(directive, draft.now)
            draft.change(phase=RunPhase.WAIT_EVENT, step=None, wait=wait)
        case NextStep(step=name):
            due = Step(name=name, kind=HandlerKind.STEP, since=draft.second)
            draft.change(phase=RunPhase.RUNNING, step=due, wait=None)
        case Complete(result=value):
            draft.finish(RunPhase.COMPLETED, RunReason.COMPLETED, "Completed.", result=value)


def _fail(draft: Draft, result: Failed, event: Event | None) -> None:
    message = f"{result.error.type}: {result.error.message}"
    if event:
        draft.consume(event, EventPhase.FAILED, EventReason.HANDLER_FAILED, message)
    draft.finish(RunPhase.FAILED, result.reason, f"Failed: {message}", error=result.error)


def _refuse(draft: Draft, result: Refused, event: Event | None) -> None:
    """Reject an event whose payload does not bind; the wait goes on as it was (rule 8)."""
    if event is None:
        error = RunError(type=RunReason.BAD_INPUT, message=result.message)
        _fail(draft, Failed(reason=RunReason.BAD_INPUT, error=error), None)
        return
    draft.consume(event, EventPhase.REJECTED, EventReason.BAD_PAYLOAD, result.message)
    draft.change(phase=RunPhase.WAIT_EVENT, step=None)


def _entry(draft: Draft, outcome: Outcome) -> HistoryEntry:
    execution = outcome.execution
    return HistoryEntry(
        commit=draft.run.status.commits + 1,
        at=draft.second,
        handler=execution.handler_name,
        kind=execution.handler_kind.value,
        event=execution.event,
        outcome=_said(outcome),
    )


def _said(outcome: Outcome) -> str:
    match outcome.result:
        case Succeeded(directive=NextStep(step=name)):
            return f"step {name} is next"
        case Succeeded(directive=WaitForEvent()):
            return "waits for an event"
        case Succeeded():
            return "completed"
        case Failed():
            return "failed"
        case Refused():
            return "refused the payload"

"""The commit of outcomes: once, and only if the run is still as it was when the handler started.

I4 (one commit): the fence is the run's uid, its `commits` and its `lastExecution`. The write
carries the resourceVersion: I5 (guarded writes). An outcome that does not pass the fence is void,
and its worker is told so. Outcomes that were built on each other are committed in order, in one
write.
"""

from datetime import datetime, timedelta
from typing import Any

from grctl.json.serialization import cut
from grctl.models.base import NAME_LENGTH, write_duration
from grctl.models.directive import Complete, Fail, NextStep, WaitForEvent
from grctl.models.limits import (
    MAX_MESSAGE_BYTES,
    MAX_SHOWN_NAMES,
    MAX_STACK_TRACE_BYTES,
    MAX_TASKS_TEXT_BYTES,
)
from grctl.models.phases import EventPhase, HandlerKind, RunPhase
from grctl.models.reasons import EventReason, RunReason
from grctl.models.run import HistoryEntry, RunError, Step
from grctl.models.wire import Execution, Failed, Outcome, Refused, Succeeded
from grctl_operator.engine.answers import answers_after
from grctl_operator.engine.chain import next_in_chain, note_long_chain
from grctl_operator.engine.choice import names_of, taken_events
from grctl_operator.engine.decision import Release
from grctl_operator.engine.desired import cancel_message
from grctl_operator.engine.draft import Draft
from grctl_operator.engine.handler_retry import is_uncommitted
from grctl_operator.engine.handling import handling_of
from grctl_operator.engine.inbox import next_event
from grctl_operator.engine.observation import Event, Held
from grctl_operator.engine.situation import Situation, follows
from grctl_operator.engine.size import ELSEWHERE, oversize
from grctl_operator.engine.task_message import name_of_task
from grctl_operator.engine.versions import is_open
from grctl_operator.engine.wait import begin_wait, deadline_after

MAX_SHOWN_OUTCOME_BYTES = 200
"""Of the type of an error in the history; the error itself is in `status.error`."""
RUN_GONE = "the run that it was given for is gone"
WENT_ON = "the run went on without it"
UNKNOWN_FATE = "the run has gone on; whether with this outcome or with another is not known here"


def release_void(situation: Situation, draft: Draft) -> None:
    """Release executions that cannot be committed any more: their workers forget them.

    Void ones go first: an execution that was handed over ahead begins its first task once the
    execution that it was built on is released as committed.
    """
    idle = [held for held in situation.executions.held if not situation.is_in_flight(held)]
    committed = _committed_before(situation) if idle else {}
    for held in idle:
        why = _why_released(situation, held, committed)
        if why is not None:
            draft.before.append(Release(held.execution.id, False, why))
    draft.before += [
        Release(held.execution.id, committed=True)
        for held in idle
        if held.execution.id in committed
    ]


def _why_released(situation: Situation, held: Held, committed: dict[str, int]) -> str | None:
    """Return why an execution is void; None if it is committed, or may still count."""
    if held.execution.id in committed:
        return None
    if not situation.is_current(held.execution):
        return _why_void(situation, held, committed)
    if situation.is_withdrawn(held):
        return "the event was withdrawn"
    if situation.is_late(held):
        return "the deadline came before it"
    if situation.is_out_of_turn(held):
        return "the run waits for another event"
    call = situation.contradicted_call(held)
    return f"another attempt recorded {name_of_task(call)} first" if call else None


def _committed_before(situation: Situation) -> dict[str, int]:
    """Return the executions that workers hold and whose outcomes are committed: id to `commits`.

    One write may commit several outcomes, and `lastExecution` names only the last of them. An
    execution commits after the one that it was built on, or never: I4 (one commit). So the
    executions that the last one was built on are committed too.
    """
    uid = situation.run.metadata.uid
    held = {each.execution.id: each.execution for each in situation.executions.held}
    found: dict[str, int] = {}
    link = held.get(situation.run.status.last_execution or "")
    while link and link.run_uid == uid and link.id not in found:
        found[link.id] = link.commits
        link = held.get(link.base or "")
    return found


def _why_void(situation: Situation, held: Held, committed: dict[str, int]) -> str:
    """Return why an execution is void, or that its fate is not known.

    An operator that took over may not know the executions between this one and the last.
    """
    execution, status = held.execution, situation.run.status
    if execution.run_uid != situation.run.metadata.uid:
        return RUN_GONE
    is_older = execution.commits < min(committed.values(), default=status.commits)
    follows_last = execution.base == status.last_execution
    return UNKNOWN_FATE if is_older and not follows_last else WENT_ON


def commit_outcomes(situation: Situation, draft: Draft) -> bool:
    """Commit the outcomes that have come, each after the one that it was built on."""
    committed: list[Execution] = []
    while outcome := _next_outcome(situation, draft, committed):
        _add_outcome(situation, draft, outcome, len(committed))
        committed.append(outcome.execution)
    if not committed:
        return False
    if situation.run.spec.cancel and not draft.status.phase.finished:
        _cancel(situation, draft, committed[-1].handler_name)
    draft.commit(committed[-1], outcomes=len(committed))
    draft.after += _void_behind(situation, draft, committed)  # before those they were built on
    draft.after += [Release(each.id, committed=True) for each in committed]
    return True


def _void_behind(situation: Situation, draft: Draft, committed: list[Execution]) -> list[Release]:
    """Return the releases of executions behind the committed ones that are void by this commit.

    One goes on if its event is the next that the run takes: the wait may choose another one.
    """
    first = next_event(situation, draft) if draft.status.wait is not None else None
    known, last, void = {each.id for each in committed}, committed[-1], dict[str | None, Release]()
    for execution in (held.execution for held in situation.in_flight):
        goes_on = execution.base == last.id and first and first.uid == execution.event_uid
        built_on_it = execution.base in known and execution.id not in known
        if execution.base in void or (built_on_it and not goes_on):
            void[execution.id] = Release(execution.id, False, WENT_ON)
    return list(void.values())


def _next_outcome(situation: Situation, draft: Draft, committed: list[Execution]) -> Outcome | None:
    if committed and draft.status.wait is None:
        return None  # the run finished or goes on with a step: executions of events are void
    for held in situation.in_flight:
        execution = held.execution
        behind = follows(execution, committed[-1]) if committed else situation.is_current(execution)
        if held.outcome is None or not behind or is_open(situation, held):
            continue
        if is_uncommitted(situation, held):
            continue
        if _may_commit(situation, draft, execution):
            return held.outcome
    return None


def _may_commit(situation: Situation, draft: Draft, execution: Execution) -> bool:
    """Return whether the event of an outcome is to be consumed; if in doubt, ask for a list.

    It must be the event that ends the wait as it now is: an outcome before it may have begun a wait
    that takes another one: I2 (one order).
    """
    if execution.event_uid is None:
        return True
    event, first = situation.events.find(execution.event_uid), next_event(situation, draft)
    if event is None or not situation.trusts(event) or (first and not situation.trusts(first)):
        draft.read_events()
        return False
    return first is not None and first.uid == event.uid


def _add_outcome(situation: Situation, draft: Draft, outcome: Outcome, earlier_count: int) -> None:
    """Add an outcome to the commit, after `earlier_count` other outcomes."""
    event = situation.events.find(outcome.execution.event_uid)
    draft.change(started_at=draft.status.started_at or situation.second, journal=None)
    commit = situation.run.status.commits + earlier_count + 1
    draft.handling = handling_of(situation, outcome, commit) if event else None
    match outcome.result:
        case Succeeded() as result:
            _succeed_if_it_fits(situation, draft, outcome.execution, result, event)
        case Failed() as result:
            _fail(draft, result, event)
        case Refused() as result:
            _refuse(draft, result, event)
    draft.handling = None
    draft.record(_entry(situation, outcome, earlier_count))


def _succeed_if_it_fits(
    situation: Situation, draft: Draft, execution: Execution, result: Succeeded, event: Event | None
) -> None:
    store = _store_after(draft, result)
    value = result.directive.result if isinstance(result.directive, Complete) else None
    text = _overlong(result) or _oversize(situation, draft, store, value)
    if text is None:
        draft.change(store=store, answers=answers_after(draft, result))
        _succeed(situation, draft, execution, result, event)
        return
    message = f"{execution.handler_name} gave too much. {text}"
    error = RunError(type=RunReason.BAD_OUTCOME, message=message)
    _fail(draft, Failed(reason=RunReason.BAD_OUTCOME, error=error), event)


def _store_after(draft: Draft, result: Succeeded) -> dict[str, Any]:
    """Return the store with an outcome applied: the same object if the outcome changes nothing."""
    if not result.put and not result.delete:
        return draft.status.store
    kept = {key: value for key, value in draft.status.store.items() if key not in result.delete}
    return kept | result.put


def _oversize(situation: Situation, draft: Draft, store: dict[str, Any], value: Any) -> str | None:
    text = oversize(situation.run, draft.status, store, value)
    return text and f"{text} {ELSEWHERE}"


def _overlong(result: Succeeded) -> str | None:
    """Return what is too long in a directive: the name of a step or of an event, or a list."""
    match result.directive:
        case NextStep(step=name) | WaitForEvent(timeout_step=str(name)) if len(name) > NAME_LENGTH:
            return f"The name of the next step has {len(name)} characters, at most {NAME_LENGTH}."
        case WaitForEvent(events=tuple(names)):
            return _overlong_names(names)
    return None


def _overlong_names(names: tuple[str, ...]) -> str | None:
    if len(names) > MAX_SHOWN_NAMES:
        return f"The wait names {len(names)} events, at most {MAX_SHOWN_NAMES}."
    longest = max(map(len, names), default=0)
    if longest > NAME_LENGTH:
        return f"An event that it waits for has {longest} characters, at most {NAME_LENGTH}."
    return None


def _succeed(
    situation: Situation, draft: Draft, execution: Execution, result: Succeeded, event: Event | None
) -> None:
    if event:
        draft.consume(event, EventPhase.PROCESSED, EventReason.HANDLED)
    _apply_directive(situation, draft, execution.handler_kind, result)


def _cancel(situation: Situation, draft: Draft, handler: str) -> None:
    text = cancel_message(situation.run.spec.cancel_reason, handler)
    draft.finish(RunPhase.CANCELLED, RunReason.CANCELLED, text)


def _apply_directive(
    situation: Situation, draft: Draft, kind: HandlerKind, result: Succeeded
) -> None:
    match result.directive:
        case WaitForEvent() as directive:
            wait = begin_wait(directive, _wait_begins(situation, draft, directive))
            draft.change(phase=RunPhase.WAIT_EVENT, step=None, wait=wait)
        case NextStep() as directive:
            chain = next_in_chain(situation, kind)
            note_long_chain(draft, chain)
            due = _next_step(situation, directive, chain)
            draft.change(phase=RunPhase.RUNNING, step=due, wait=None)
        case Fail(error=details):
            error = _cut(RunError(**dict(details)))
            text = f"Failed: {error.type}: {error.message}"
            draft.finish(RunPhase.FAILED, RunReason.FAILED, text, error=error)
        case Complete(result=value):
            draft.finish(RunPhase.COMPLETED, RunReason.COMPLETED, "Completed.", result=value)


def _wait_begins(situation: Situation, draft: Draft, directive: WaitForEvent) -> datetime:
    """Return when a wait begins: not before the creation of an event that it takes at once."""
    taken = taken_events(names_of(directive), situation.events, draft.consumed_uids)
    head = next(taken, None)
    return max(situation.now, head.created) if head else situation.now


def _next_step(situation: Situation, directive: NextStep, chain: int | None) -> Step:
    """Return the step that is next. It begins after a delay at a whole second, rounded up."""
    delay = directive.after
    begins = deadline_after(situation.now, delay) if delay and delay > timedelta(0) else None
    return Step(
        name=directive.step,
        kind=HandlerKind.STEP,
        chain=chain,
        not_before=begins,
        since=situation.second,
    )


def _fail(draft: Draft, result: Failed, event: Event | None) -> None:
    error = _cut(result.error)
    message = f"{error.type}: {error.message}"
    if event:
        draft.consume(event, EventPhase.FAILED, EventReason.HANDLER_FAILED, message)
    draft.finish(RunPhase.FAILED, result.reason, f"Failed: {message}", error=error)


def _cut(error: RunError) -> RunError:
    """Cut an error to the size that a status may hold."""
    trace = error.stack_trace and cut(error.stack_trace, MAX_STACK_TRACE_BYTES)
    texts = {
        "type": cut(error.type, MAX_MESSAGE_BYTES),
        "message": cut(error.message, MAX_MESSAGE_BYTES),
    }
    return error.model_copy(update={**texts, "stack_trace": trace})


def _refuse(draft: Draft, result: Refused, event: Event | None) -> None:
    """Reject an event whose payload does not bind. The wait goes on: I8 (bad input)."""
    if event is None:
        error = RunError(type=RunReason.BAD_INPUT, message=result.message)
        _fail(draft, Failed(reason=RunReason.BAD_INPUT, error=error), None)
        return
    draft.consume(event, EventPhase.REJECTED, EventReason.BAD_PAYLOAD, result.message)
    draft.change(phase=RunPhase.WAIT_EVENT, step=None)


def _entry(situation: Situation, outcome: Outcome, earlier_count: int) -> HistoryEntry:
    execution, result = outcome.execution, outcome.result
    tasks = result.tasks if isinstance(result, Succeeded | Failed) else None
    return HistoryEntry(
        commit=situation.run.status.commits + earlier_count + 1,
        at=situation.second,
        handler=execution.handler_name,
        kind=execution.handler_kind.value,
        event=execution.event,
        outcome=_text_of(outcome),
        tasks=tasks and cut(tasks, MAX_TASKS_TEXT_BYTES),
    )


def _text_of(outcome: Outcome) -> str:
    match outcome.result:
        case Succeeded(directive=NextStep(step=name, after=after)):
            return f"step {name} is next" + (f", after {write_duration(after)}" if after else "")
        case Succeeded(directive=WaitForEvent()):
            return "waits for an event"
        case Succeeded(directive=Fail(error=error)):
            return cut(f"failed: {error.type}", MAX_SHOWN_OUTCOME_BYTES)
        case Succeeded():
            return "completed"
        case Failed():
            return "failed"
        case Refused():
            return "refused the payload"

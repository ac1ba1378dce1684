"""The part of a status that people read: phase, message, step, inbox and conditions.

It is derived from what is committed and from what is in flight. Nothing depends on it.
"""

from collections.abc import Iterator, Sequence
from itertools import chain, islice

from grctl.json.serialization import cut
from grctl.models.base import NAME_LENGTH
from grctl.models.limits import MAX_MESSAGE_BYTES
from grctl.models.meta import Condition, ConditionStatus
from grctl.models.phases import HandlerKind, RunPhase
from grctl.models.reasons import RunReason
from grctl.models.run import InboxEntry, Step
from grctl_operator.engine import message
from grctl_operator.engine.choice import is_taken, names_of, taken_events
from grctl_operator.engine.decision import Announce
from grctl_operator.engine.dispatch import return_deadline
from grctl_operator.engine.draft import Draft
from grctl_operator.engine.due import Due, due_handler, step_of
from grctl_operator.engine.identity import is_restored
from grctl_operator.engine.names import are_noted, note_names
from grctl_operator.engine.observation import Blockage, Event, Held, whole_second
from grctl_operator.engine.situation import Situation
from grctl_operator.engine.versions import at_work
from grctl_operator.engine.wait_message import later_clause, waiting_text

MAX_SHOWN_INBOX_ENTRIES = 10
NEEDS_A_PERSON = frozenset({RunPhase.FAILED, RunPhase.TIMED_OUT})


def display(situation: Situation, draft: Draft) -> None:
    """Bring the readable part of the status up to date."""
    _show_inbox(situation, draft)
    reason = _show_progress(situation, draft)
    draft.change(
        observed_generation=situation.run.metadata.generation,
        for_uid=draft.status.for_uid or situation.run.metadata.uid,
    )
    draft.change(conditions=_conditions(situation, draft, reason))
    _show_what_workers_have(situation, draft, reason)


def _show_what_workers_have(situation: Situation, draft: Draft, reason: str) -> None:
    """Bring up to date what the status says of the workers' catalogues.

    A deployment of a new version changes the catalogues for all runs of a type at once. So this is
    written together with another change, or else in the background.
    """
    if draft.status.phase.finished or situation.run.deleting or is_restored(situation):
        return
    waits = reason == RunReason.WAITING_FOR_EVENT
    if are_noted(situation) and not (
        waits and _waiting_text(situation, draft) != draft.status.message
    ):
        return
    nothing_else = draft.status == situation.run.status
    note_names(situation, draft)
    if waits:
        draft.change(message=_waiting_text(situation, draft))
        draft.change(conditions=_conditions(situation, draft, reason))
    draft.background = nothing_else and draft.status != situation.run.status


def _waiting_text(situation: Situation, draft: Draft) -> str:
    return cut(waiting_text(situation, draft), MAX_MESSAGE_BYTES)


def _show_inbox(situation: Situation, draft: Draft) -> None:
    consumed = {entry.uid for entry in draft.status.settled}
    handled = {held.execution.event_uid for held in _not_released(draft, situation.in_flight)}
    hidden = consumed | handled
    shown = islice(
        (event for event in _taken_first(situation, draft) if event.uid not in hidden),
        MAX_SHOWN_INBOX_ENTRIES,
    )
    known = {entry.name: entry for entry in situation.run.status.inbox}
    entries = tuple(_as_shown(event, known.get(event.name)) for event in shown)
    length = len(situation.events) - sum(1 for uid in hidden if situation.events.find(uid))
    draft.change(inbox=entries, inbox_length=length)


def _taken_first(situation: Situation, draft: Draft) -> Iterator[Event]:
    """Return the events in the order in which people ask for them: first those that come next."""
    names = names_of(draft.status.wait)
    if names is None:
        return iter(situation.events)
    others = (event for event in situation.events if not is_taken(names, event.event_name))
    return chain(taken_events(names, situation.events, ()), others)


def _as_shown(event: Event, known: InboxEntry | None) -> InboxEntry:
    """Return an event's entry. Most are shown already; a comparison is cheaper than a new entry."""
    if known and (known.event_name, known.since) == (event.event_name, event.created):
        return known
    return InboxEntry(name=event.name, event_name=event.event_name, since=event.created)


def _show_progress(situation: Situation, draft: Draft) -> str:
    status = draft.status
    if is_restored(situation):
        return RunReason.RESTORED
    if situation.run.deleting:
        draft.change(message=message.deleting_text(situation))
        return _reason_of_end(situation, draft) if status.phase.finished else RunReason.DELETING
    if status.phase.finished:
        return _reason_of_end(situation, draft)
    committed = status.commits != situation.run.status.commits
    working = [] if committed else _not_released(draft, at_work(situation))
    if working:
        return _show_running(situation, draft, working[0])
    return _show_idle(situation, draft, committed=committed)


def _not_released(draft: Draft, held: Sequence[Held]) -> Sequence[Held]:
    """Return the executions that this decision does not release, after a failure for example."""
    released = draft.released if held else ()
    return [each for each in held if each.execution.id not in released]


def _reason_of_end(situation: Situation, draft: Draft) -> str:
    """Return why the run ended, from the condition that was written with the end."""
    failed = draft.status.phase is RunPhase.FAILED
    otherwise = RunReason.HANDLER_FAILED if failed else draft.status.phase
    return draft.ended_by or _reason_shown(situation) or otherwise.value


def _reason_shown(situation: Situation) -> str | None:
    said = (each.reason for each in situation.run.status.conditions if each.type == "Succeeded")
    return next(said, None)


def _show_running(situation: Situation, draft: Draft, held: Held) -> RunReason:
    """Show the handler that runs. A written attempt stays: a worker may bring an earlier one."""
    step = _running_step(situation, draft, held)
    if step != situation.run.status.step:
        draft.show_since(held.since)
    draft.change(
        phase=RunPhase.RUNNING,
        step=step,
        message=message.running_text(situation, draft, step),
        started_at=draft.status.started_at or step.since,
    )
    blocked = message.blockage(situation, step.worker)
    return RunReason.RUNNING if blocked is None else _show_blocked(situation, draft, step, blocked)


def _running_step(situation: Situation, draft: Draft, held: Held) -> Step:
    execution, due = held.execution, due_handler(situation, draft)
    if (
        due is None
        or due.event_uid != execution.event_uid
        or due.kind is not execution.handler_kind
    ):
        due = Due(execution.handler_kind, execution.handler_name, held.since)
    return step_of(
        draft,
        due,
        name=execution.handler_name,
        attempt=max(execution.attempt, due.attempt),
        not_before=None,
        event=execution.event,
        event_uid=execution.event_uid,
        worker=held.worker[:NAME_LENGTH],
        since=whole_second(held.since),
    )


def _show_blocked(situation: Situation, draft: Draft, step: Step, blocked: Blockage) -> RunReason:
    """Announce a blocked event loop on the run whose handler blocks it."""
    if message.is_own_blockage(situation, blocked):
        text = message.running_text(situation, draft, step)
        told = Announce(RunReason.LOOP_BLOCKED, text, warning=True, since=blocked.since)
        draft.before.append(told)
    return RunReason.LOOP_BLOCKED


def _show_idle(situation: Situation, draft: Draft, *, committed: bool) -> str:
    due = due_handler(situation, draft)
    if due is None:
        return _show_waiting(situation, draft)
    shown = _reason_shown(situation)
    if shown and not committed and situation.now < return_deadline(situation, due):
        return shown  # the handler may still run, as before the operator's start
    return _show_due(situation, draft, due, committed=committed)


def _show_waiting(situation: Situation, draft: Draft) -> RunReason:
    """Show an idle wait.

    Its message is made once: workers that come and go do not rewrite it. The sentence about events
    that wait for a later wait changes with the inbox, which is written in any case.
    """
    shown, reason = situation.run.status, _reason_shown(situation)
    same_wait = shown.phase is RunPhase.WAIT_EVENT and shown.wait == draft.status.wait
    draft.change(phase=RunPhase.WAIT_EVENT, step=None)
    if not same_wait or reason != RunReason.WAITING_FOR_EVENT:
        note_names(situation, draft)
        draft.change(message=_waiting_text(situation, draft))
    elif later_clause(draft.status) != later_clause(shown):
        draft.change(message=_waiting_text(situation, draft))
    return RunReason.WAITING_FOR_EVENT


def _show_due(situation: Situation, draft: Draft, due: Due, *, committed: bool) -> str:
    phase = RunPhase.PENDING if due.kind is HandlerKind.START else RunPhase.RUNNING
    if due.event:
        phase = RunPhase.WAIT_EVENT
        if not due.is_noted:
            draft.change(step=None)
    reason, text = message.due_text(situation, draft, due, committed=committed)
    draft.change(phase=phase, message=cut(text, MAX_MESSAGE_BYTES))
    return reason


def _conditions(situation: Situation, draft: Draft, reason: str) -> tuple[Condition, ...]:
    """Return the conditions, as kstatus defines them: Reconciling and Stalled only while true."""
    phase, finished = draft.status.phase, draft.status.phase.finished
    succeeded: ConditionStatus = "Unknown"
    if finished:
        succeeded = "True" if phase is RunPhase.COMPLETED else "False"
    conditions = [_condition(situation, draft, "Succeeded", succeeded, reason)]
    is_stalled = _is_stalled(draft)
    if not finished and not is_stalled:
        conditions.append(_condition(situation, draft, "Reconciling", "True", reason))
    if phase in NEEDS_A_PERSON or reason == RunReason.RESTORED or is_stalled:
        conditions.append(_condition(situation, draft, "Stalled", "True", reason))
    return tuple(conditions)


def _is_stalled(draft: Draft) -> bool:
    """Return whether the handler that is due is held, and no earlier attempt at it runs."""
    step = draft.status.step
    return step is not None and step.stall is not None and step.worker is None


def _condition(
    situation: Situation, draft: Draft, kind: str, status: ConditionStatus, reason: str
) -> Condition:
    message = draft.status.message if kind == "Succeeded" else ""
    known = next((each for each in situation.run.status.conditions if each.type == kind), None)
    if known is None or known.status != status:
        since = situation.second
    elif (known.reason, known.message) == (reason, message):
        return known
    else:
        since = known.last_transition_time
    return Condition(
        type=kind, status=status, reason=reason, message=message, last_transition_time=since
    )

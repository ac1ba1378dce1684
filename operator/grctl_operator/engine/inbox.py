"""The inbox: which events wait for the run, which is next, and which cannot be handled.

I2 (one order), I3 (early events), I7 (deadlines), I8 (bad input). An event is judged in its turn
and not before: a rejection is a commit like any other, in order. A rejected event neither ends a
wait nor moves its deadline. An event is stray if no handler can take it and the present wait does
not take it either.
"""

from collections.abc import Iterator
from datetime import timedelta
from heapq import merge

from grctl.models.phases import EventPhase
from grctl.models.reasons import EventReason
from grctl_operator.engine.choice import eligible, names_of
from grctl_operator.engine.decision import KeepPlace
from grctl_operator.engine.draft import Draft
from grctl_operator.engine.journal import owner_of
from grctl_operator.engine.names import connected_event_names, is_known
from grctl_operator.engine.observation import Event, EventGroup, by_place
from grctl_operator.engine.situation import Situation

RECONNECT_TIME = timedelta(seconds=5)
"""All workers have reconnected so long after the operator's start, also those that backed off."""


def keep_places(situation: Situation, draft: Draft) -> None:
    """Write the place of an event that somebody changed into its status."""
    changed = (event for event in situation.events.changed if event.uid not in draft.consumed_uids)
    draft.before += [KeepPlace(event) for event in changed]


def unconsumed_events(situation: Situation, draft: Draft) -> Iterator[Event]:
    """Return the waiting events that no commit has consumed, in order."""
    return (event for event in situation.events if event.uid not in draft.consumed_uids)


def eligible_events(situation: Situation, draft: Draft) -> Iterator[Event]:
    """Return the events that may end the present wait, in order: see `choice`."""
    return eligible(draft.status.wait, situation.events, draft.consumed_uids)


def next_event(situation: Situation, draft: Draft) -> Event | None:
    """Return the first of the events that may end the present wait."""
    return next(eligible_events(situation, draft), None)


def reject_unfit(situation: Situation, draft: Draft) -> bool:
    """Reject the events in turn that no handler can take, in one commit.

    In turn is what comes before the first event that ends the wait, and also a stray event there.
    """
    unfit = list(_unfit_in_turn(situation, draft))
    for event, reason, message in unfit:
        draft.consume(event, EventPhase.REJECTED, reason, message)
    if unfit:
        draft.record_rejection([event for event, _, _ in unfit])
        _drop_journal_of_consumed(situation, draft)
        draft.commit()
    return bool(unfit)


def _drop_journal_of_consumed(situation: Situation, draft: Draft) -> None:
    """Remove the journal unless its event still waits: its handler will find what it recorded."""
    owner = owner_of(draft.status)
    is_gone = situation.events_complete and situation.events.find(owner) is None
    if owner is None or owner in draft.consumed_uids or is_gone:
        draft.change(journal=None)


def _unfit_in_turn(situation: Situation, draft: Draft) -> Iterator[tuple[Event, str, str]]:
    room = situation.outbox_room
    judged = merge(eligible_events(situation, draft), stray_events(situation, draft), key=by_place)
    for event in judged:
        verdict = _unfit(situation, draft, event)
        if verdict is None or room <= 0:
            return
        if not situation.trusts(event):
            draft.read_events()
            return
        room -= 1
        yield event, *verdict


def stray_events(situation: Situation, draft: Draft) -> Iterator[Event]:
    """Return the events that no handler can take and that the present wait does not take, in order.

    No later wait is to be held up by them, so they are rejected in their turn as if the wait took
    them. As with other events, those created after its deadline are judged in the next wait.
    """
    wait, names = draft.status.wait, names_of(draft.status.wait)
    if wait is None or names is None:
        return
    others = [group for group in situation.events.get_groups() if group.event_name not in names]
    unfit = {group for group in others if _is_unfit(situation, draft, group)}
    for event in situation.events.of_groups(unfit.__contains__):
        in_time = wait.deadline is None or event.created <= wait.deadline
        if in_time and event.uid not in draft.consumed_uids and not has_begun(situation, event):
            yield event


def await_judgement(situation: Situation, draft: Draft) -> None:
    """Look again when a worker connects, if only a worker can tell whether a name is unknown.

    This is about events that the present wait does not take: for the others a worker is awaited in
    any case, because they are due.
    """
    names = names_of(draft.status.wait)
    if names is None or any(worker.connected for worker in situation.executions.workers):
        return
    others = (group.event_name for group in situation.events.get_groups())
    if any(name not in names and not is_known(situation, name) for name in others):
        draft.await_worker()


def _is_unfit(situation: Situation, draft: Draft, group: EventGroup) -> bool:
    return (
        group.run_uid not in {None, situation.run.metadata.uid}
        or not group.is_carriable
        or _is_unknown_name(situation, draft, group.event_name)
    )


def _unfit(situation: Situation, draft: Draft, event: Event) -> tuple[str, str] | None:
    if is_for_another_run(situation, event):
        return EventReason.RUN_GONE, (
            f'This event was sent to an earlier run of "{situation.run.metadata.name}", which is'
            " gone. Send it again to the present one."
        )
    if event.uncarriable:
        return EventReason.BAD_PAYLOAD, f"Its payload {event.uncarriable}. The run goes on waiting."
    if is_unknown(situation, draft, event):
        return EventReason.UNKNOWN_EVENT, _unknown_message(situation, event)
    return None


def is_for_another_run(situation: Situation, event: Event) -> bool:
    """Return whether the event was sent to another run of this id."""
    return event.run_uid not in {None, situation.run.metadata.uid}


def is_unknown(situation: Situation, draft: Draft, event: Event) -> bool:
    """Return whether no worker of the type has, or ever had, a handler for the event.

    An event whose handler began is never unknown.
    """
    begun = has_begun(situation, event)
    return not begun and _is_unknown_name(situation, draft, event.event_name)


def _is_unknown_name(situation: Situation, draft: Draft, event_name: str) -> bool:
    """Return whether no worker of the type has, or ever had, a handler of that name.

    This is not known without a connected worker, nor shortly after the operator's start, when
    workers may not have reconnected yet.
    """
    if not any(worker.connected for worker in situation.executions.workers):
        return False
    if is_known(situation, event_name):
        return False
    known_from = situation.executions.accepting_since + RECONNECT_TIME
    if situation.now < known_from:
        draft.wake(known_from)
        return False
    return True


def has_begun(situation: Situation, event: Event) -> bool:
    """Return whether the status says that the event's handler began.

    The journal says so too: a first attempt that is lost together with its operator is in no step.
    """
    status = situation.run.status
    shown = status.step is not None and status.step.event_uid == event.uid
    return shown or owner_of(status) == event.uid


def _unknown_message(situation: Situation, event: Event) -> str:
    names = connected_event_names(situation)
    listed = ", ".join(f'"{name}"' for name in names) or "none"
    return (
        f'{situation.run.spec.workflow.type} has no event handler "{event.event_name}";'
        f" it has {listed}. The run goes on waiting."
    )

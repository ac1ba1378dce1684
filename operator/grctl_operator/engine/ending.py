"""The end of events that no handler will get: their run has finished or is being deleted.

I1 (no loss). They are rejected in order, as many at a time as the outbox can hold. The commit
carries the run's resourceVersion, so the run cannot have been started anew in between.
"""

from itertools import islice

from grctl.models.phases import EventPhase
from grctl.models.reasons import EventReason
from grctl_operator.engine.decision import LetGo, Purge, Release
from grctl_operator.engine.draft import Draft
from grctl_operator.engine.inbox import is_for_another_run, unconsumed_events
from grctl_operator.engine.observation import Event
from grctl_operator.engine.situation import Situation


def empty_deleted(situation: Situation, draft: Draft) -> bool:
    """Reject the events of a run that is being deleted, then remove its finalizer.

    The finalizer goes only after a list that was requested once this very version of the run was
    read. So no event that came before can reach the next run of that id.
    """
    if not situation.run.held:
        return True
    for held in situation.in_flight:
        draft.before.append(Release(held.execution.id, False, "the run is being deleted"))
    name = situation.run.metadata.name
    text = f'The run "{name}" was deleted. Start it anew, then send the event again.'
    if _reject_all(situation, draft, EventReason.RUN_DELETED, text):
        return True
    if not _listed_this_version(situation):
        draft.read_events()
    elif not situation.unconfirmed_entries and not situation.events:
        draft.before += [Purge(), LetGo()]
    return True


def reject_waiting_events(situation: Situation, draft: Draft) -> bool:
    """Reject the events that wait for a run that has finished."""
    name, phase = situation.run.metadata.name, situation.run.status.phase
    text = f'The run "{name}" had finished ({phase}). Start it anew, then send the event again.'
    _reject_all(situation, draft, EventReason.RUN_FINISHED, text)
    return True


def _reject_all(situation: Situation, draft: Draft, reason: EventReason, text: str) -> bool:
    if next(unconsumed_events(situation, draft), None) is None:
        return False
    room = max(situation.outbox_room, 0)
    batch = list(islice(unconsumed_events(situation, draft), room))
    if not all(situation.trusts(event) for event in batch):
        draft.read_events()
        return True
    for event in batch:
        draft.consume(event, EventPhase.REJECTED, *_verdict(situation, event, reason, text))
    if batch:
        draft.record_rejection(batch)
        draft.commit()
    return True


def _verdict(situation: Situation, event: Event, reason: EventReason, text: str) -> tuple[str, str]:
    if not is_for_another_run(situation, event):
        return reason, text
    return EventReason.RUN_GONE, "This event was sent to an earlier run of this id, which is gone."


def _listed_this_version(situation: Situation) -> bool:
    listing, metadata = situation.events.listing, situation.run.metadata
    return (
        listing is not None
        and listing.run_uid == metadata.uid
        and listing.run_version == metadata.resource_version
    )

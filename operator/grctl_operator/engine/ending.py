"""What becomes of events that no handler will see: of a run that finished, or is being deleted.

Rules 1 and 8. They are rejected, in order, as many at a time as the outbox holds. The commit's
resourceVersion proves that the run is still this one: it may have been started anew.
"""

from grctl.models.phases import EventPhase
from grctl.models.reasons import EventReason
from grctl_operator.engine.decision import Hold, LetGo, Purge, Release
from grctl_operator.engine.draft import Draft
from grctl_operator.engine.inbox import is_for_another_run, unconsumed
from grctl_operator.engine.observation import Event


def empty_deleted(draft: Draft) -> bool:
    """Empty a run that is being deleted, then let it go.

    The last look is a list taken after this very version of the run was read, so no event that
    came before it can reach the next run of that id.
    """
    if not draft.run.deleting:
        return False
    if not draft.run.held:
        return True
    for held in draft.in_flight:
        draft.before.append(Release(held.execution.id, False, "the run is being deleted"))
    name = draft.run.metadata.name
    text = f'The run "{name}" was deleted. Start it anew, then send the event again.'
    if _reject_all(draft, EventReason.RUN_DELETED, text):
        return True
    if not _listed_this_version(draft):
        draft.read_events()
    elif not draft.unconfirmed and not draft.events:
        draft.before += [Purge(), LetGo()]
    return True


def reject_leftovers(draft: Draft) -> bool:
    """Reject what waits for a run that has finished, and hold it: it takes its events along."""
    if not draft.run.status.phase.finished:
        return False
    if not draft.run.held:
        draft.before.append(Hold())
    name, phase = draft.run.metadata.name, draft.run.status.phase
    text = f'The run "{name}" had finished ({phase}). Start it anew, then send the event again.'
    _reject_all(draft, EventReason.RUN_FINISHED, text)
    return True


def _reject_all(draft: Draft, reason: EventReason, text: str) -> bool:
    leftovers = list(unconsumed(draft))
    if not leftovers:
        return False
    if not all(draft.trusts(event) for event in leftovers):
        draft.read_events()
        return True
    batch = leftovers[: max(draft.outbox_room, 0)]
    for event in batch:
        draft.consume(event, EventPhase.REJECTED, *_verdict(draft, event, reason, text))
    if batch:
        draft.record_rejection(batch)
        draft.commit()
    return True


def _verdict(draft: Draft, event: Event, reason: EventReason, text: str) -> tuple[str, str]:
    if not is_for_another_run(draft, event):
        return reason, text
    return EventReason.RUN_GONE, "This event was sent to an earlier run of this id, which is gone."


def _listed_this_version(draft: Draft) -> bool:
    listing, metadata = draft.events.listing, draft.run.metadata
    return (
        listing is not None
        and listing.run_uid == metadata.uid
        and listing.run_version == metadata.resource_version
    )

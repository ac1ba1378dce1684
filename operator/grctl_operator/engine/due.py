"""The handler that is due: the one that is next in a run by its status and its inbox.

It may still have to wait, for a worker, for a back-off or for a list: see `dispatch`.
"""

from dataclasses import dataclass
from datetime import datetime

from grctl.models.phases import HandlerKind
from grctl_operator.engine.draft import Draft
from grctl_operator.engine.inbox import next_event
from grctl_operator.engine.observation import Event
from grctl_operator.engine.situation import Situation


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

"""The handler that is due: the one that is next in a run by its status and its inbox.

It may still have to wait, for a worker, for a back-off or for a list: see `dispatch`. What
`status.step` counts of its attempts belongs to it until the commit of its outcome.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from grctl.models.phases import HandlerKind
from grctl.models.run import Stall, Step
from grctl.models.wire import Execution
from grctl_operator.engine.chain import chain_of
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
    failures: int = 0
    """How many attempts raised."""
    misfits: int = 0
    """How many attempts ran code that does not fit what is recorded."""
    counted_from: int = 1
    """The first attempt that these numbers count."""
    not_before: datetime | None = None
    last_error: str | None = None
    stall: Stall | None = None

    @property
    def lost_or_misfit(self) -> int:
        """How many attempts ended without an outcome that counts: what the back-off counts."""
        return max(0, self.attempt - self.counted_from - self.failures)

    @property
    def runs_alone(self) -> bool:
        """Whether nothing else may run beside it: it may have ended the process of a worker."""
        return self.lost_or_misfit > self.misfits

    @property
    def is_noted(self) -> bool:
        """Whether `status.step` holds something of its attempts that must not be lost."""
        return self.attempt > 1 or self.stall is not None

    @property
    def event_uid(self) -> str | None:
        """The uid of its event; None for a start handler and for a step."""
        return self.event.uid if self.event else None

    def is_latest(self, execution: Execution) -> bool:
        """Return whether an execution is the last attempt at it, and is not counted yet.

        A retry and a hold move neither `commits` nor the fence, so an operator that takes over may
        be told again of an attempt that is counted.
        """
        counted = self.attempt if self.stall else self.attempt - 1
        return execution.event_uid == self.event_uid and execution.attempt > counted


def due_handler(situation: Situation, draft: Draft) -> Due | None:
    """Return the handler that is next according to the drafted status."""
    status = draft.status
    step = status.step
    if status.wait is not None:
        event = next_event(situation, draft)
        return _due_event(draft, event) if event else None
    if step is not None and (step.kind is not HandlerKind.START or _is_noted(step)):
        return _due_by(step)
    return Due(HandlerKind.START, "start", _created(situation))


def step_of(draft: Draft, due: Due, **fields: Any) -> Step:
    """Return the step of a status for the handler that is due, with some fields changed."""
    known = {
        "name": due.name,
        "kind": due.kind,
        "attempt": due.attempt,
        "crashes": due.crashes,
        "failures": due.failures,
        "misfits": due.misfits,
        "counted_from": due.counted_from,
        "not_before": due.not_before,
        "last_error": due.last_error,
        "stall": due.stall,
        "chain": chain_of(draft.status.step, due.kind),
        "event": due.event.name if due.event else None,
        "event_uid": due.event_uid,
        "since": due.since,
    } | fields
    for name in ("crashes", "failures", "misfits"):
        known[name] = known[name] or None
    if known["counted_from"] == 1:
        known["counted_from"] = None
    return Step(**known)


def step_counted_for(step: Step | None, execution: Execution) -> Step | None:
    """Return the step of a status if it counts the attempts at the handler of an execution."""
    if step is None or step.event_uid != execution.event_uid:
        return None
    return step if step.kind is execution.handler_kind else None


def _due_event(draft: Draft, event: Event) -> Due:
    step, wait = draft.status.step, draft.status.wait
    if step is not None and step.event_uid == event.uid and _is_noted(step):
        return _due_by(step, event)
    since = max(event.created, wait.since) if wait else event.created
    return Due(HandlerKind.EVENT, event.event_name, since, event=event)


def _is_noted(step: Step) -> bool:
    return step.attempt > 1 or step.stall is not None


def _due_by(step: Step, event: Event | None = None) -> Due:
    return Due(
        kind=step.kind,
        name=event.event_name if event else step.name,
        since=step.since,
        attempt=step.attempt,
        event=event,
        crashes=step.crashes or 0,
        failures=step.failures or 0,
        misfits=step.misfits or 0,
        counted_from=step.counted_from or 1,
        not_before=step.not_before,
        last_error=step.last_error,
        stall=step.stall,
    )


def _created(situation: Situation) -> datetime:
    return situation.run.metadata.creation_timestamp or situation.second

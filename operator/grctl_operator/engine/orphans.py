"""Events of an id that has no run.

Rules 1, 2 and 3. An event may come before its run: it waits in its place, and a person is told
after a while. One that names a run's uid waits for nothing once that run is gone: a uid never comes
back.
"""

from datetime import datetime
from itertools import islice

from grctl.models.phases import EventPhase
from grctl.models.reasons import EventReason, RunReason
from grctl.models.run import Settlement
from grctl_operator.engine.decision import (
    Announce,
    Decision,
    Effect,
    KeepPlace,
    ReadRun,
    Release,
    Settle,
)
from grctl_operator.engine.observation import Event, Events, Executions, over_at, whole_second
from grctl_operator.engine.telling import TOLD_AFTER, TOLD_OF


def decide_without_run(events: Events, executions: Executions, now: datetime) -> Decision:
    """Say what to do where there is no run."""
    addressed = [event for event in events if event.run_uid]
    effects: list[Effect] = [
        Release(held.execution.id, False, "the run is gone") for held in executions.held
    ]
    effects += [KeepPlace(event) for event in events.moved if event.uid not in events.orphans]
    if any(event.uid not in events.orphans for event in addressed):
        effects.append(ReadRun())
    for event in addressed:
        if event.uid in events.orphans:
            effects += _reject(event, now)
    untold = list(islice((event for event in events if not event.run_uid), TOLD_OF))
    told = [event for event in untold if now >= over_at(event.created, TOLD_AFTER, now)]
    effects += [_tell(event) for event in told]
    soon = [event.created + TOLD_AFTER for event in untold if event not in told]
    return Decision(before=tuple(effects), wake_at=min(soon, default=None))


def _reject(event: Event, now: datetime) -> tuple[Settle, Announce]:
    text = "The run that this event was sent to is gone."
    settlement = Settlement(
        uid=event.uid,
        name=event.name,
        phase=EventPhase.REJECTED,
        reason=EventReason.RUN_GONE,
        message=text,
        at=whole_second(now),
    )
    told = f"{EventReason.RUN_GONE}: {text}"
    return Settle(settlement, None), Announce(
        RunReason.REJECTED, told, event, warning=True, since=event.created
    )


def _tell(event: Event) -> Announce:
    return Announce(
        RunReason.NO_SUCH_RUN,
        "There is no run of that id yet; the event waits for it. Start the run, or delete"
        " the event to withdraw it.",
        event,
        warning=True,
        since=event.created,
    )

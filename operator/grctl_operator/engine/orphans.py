"""Orphans: events of an id that has no run.

I1 (no loss), I2 (one order), I3 (early events). An event may come before its run: it waits in its
place, and a core Event says so after a while. An event that names the uid of a run that is gone is
rejected: a uid never comes back. The others wait for a configured time and are then rejected.

No commit fences such a rejection, because no run consumed the event. Instead, a read that was
requested after the end of the event's time must find no run. From then on the event is in doubt
until its status is written: a run that is created at that moment gets the event only if that write
is refused.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from grctl.models.base import write_duration
from grctl.models.phases import EventPhase
from grctl.models.reasons import EventReason, RunReason
from grctl.models.run import Settlement
from grctl_operator.engine.announcements import ANNOUNCED_AFTER, MAX_ANNOUNCED_EVENTS
from grctl_operator.engine.decision import (
    Announce,
    Decision,
    Effect,
    KeepPlace,
    ReadRun,
    Release,
    Settle,
)
from grctl_operator.engine.observation import (
    LONG_AGO,
    SECOND,
    Event,
    Events,
    Executions,
    over_at,
    whole_second,
)
from grctl_operator.engine.wait import deadline_after, is_past

ORPHAN_TIMEOUT = timedelta(days=30)
"""How long an event waits for a run of its id, unless configured."""
MAX_REJECTIONS_PER_DECISION = 64
"""Events that one decision rejects at most."""


def decide_without_run(
    events: Events, executions: Executions, now: datetime, timeout: timedelta = ORPHAN_TIMEOUT
) -> Decision:
    """Return what to do about the events of an id without a run, which they await for `timeout`."""
    addressed = [event for event in events if event.run_uid]
    effects: list[Effect] = [
        Release(held.execution.id, False, "the run is gone") for held in executions.held
    ]
    effects += [KeepPlace(event) for event in events.changed if event.uid not in events.orphans]
    if any(event.uid not in events.orphans for event in addressed):
        effects.append(ReadRun())
    for event in addressed:
        if event.uid in events.orphans:
            effects += _reject(event, now)
    others = [event for event in events if not event.run_uid]
    effects += _give_up(others, events, now, timeout)
    waiting = [event for event in others if not _is_over(event, now, timeout)]
    untold = waiting[:MAX_ANNOUNCED_EVENTS]
    told = [event for event in untold if now >= over_at(event.created, ANNOUNCED_AFTER, now)]
    effects += [_announcement(event, timeout) for event in told]
    moments = [event.created + ANNOUNCED_AFTER for event in untold if event not in told]
    moments += [deadline_after(event.created, timeout) + SECOND for event in waiting]
    return Decision(before=tuple(effects), look_again_at=min(moments, default=None))


def _is_over(event: Event, moment: datetime, timeout: timedelta) -> bool:
    return is_past(moment, deadline_after(event.created, timeout))


def _give_up(
    others: Iterable[Event], events: Events, now: datetime, timeout: timedelta
) -> Iterator[Effect]:
    """Reject events whose time is over, once a read from after that time has found no run."""
    over = [event for event in others if _is_over(event, now, timeout)]
    over = [event for event in over if event.uid not in events.in_doubt][
        :MAX_REJECTIONS_PER_DECISION
    ]
    looked = events.looked_at or LONG_AGO
    sure = [event.uid in events.orphans and _is_over(event, looked, timeout) for event in over]
    if not all(sure):
        yield ReadRun()
        return
    text = (
        f"There was no run of that id for {write_duration(timeout)}. Start the run, then send the"
        " event again."
    )
    for event in over:
        yield from _reject(event, now, EventReason.NO_SUCH_RUN, text)


GONE = "The run that this event was sent to is gone."


def _reject(
    event: Event, now: datetime, reason: EventReason = EventReason.RUN_GONE, text: str = GONE
) -> tuple[Settle, Announce]:
    settlement = Settlement(
        uid=event.uid,
        name=event.name,
        phase=EventPhase.REJECTED,
        reason=reason,
        message=text,
        at=whole_second(now),
    )
    told = f"{reason}: {text}"
    return Settle(settlement, None), Announce(
        RunReason.REJECTED, told, event, warning=True, since=event.created
    )


def _announcement(event: Event, timeout: timedelta) -> Announce:
    return Announce(
        RunReason.NO_SUCH_RUN,
        "There is no run of that id yet; the event waits for it. Start the run, or delete"
        f" the event to withdraw it. After {write_duration(timeout)} without a run it is rejected.",
        event,
        warning=True,
        since=event.created,
    )

"""When a wait ends by its timeout.

Rule 7. A timeout is written only after a consistent list, asked for past the deadline, shows no
event created up to it. Past means the deadline's own second is over: until then an event may
still be stamped with it. One that is stamped and not stored yet is in no list: its sender
has no answer, and it may lose (decision 0017).
"""

from datetime import datetime, timedelta

from grctl.models.base import END_OF_CALENDAR
from grctl.models.directive import WaitForEvent
from grctl.models.phases import HandlerKind, RunPhase
from grctl.models.run import HistoryEntry, Step, Wait
from grctl_operator.engine.draft import Draft
from grctl_operator.engine.inbox import next_event
from grctl_operator.engine.observation import SECOND, round_up, whole_second
from grctl_operator.engine.situation import Situation


def begin_wait(directive: WaitForEvent, now: datetime) -> Wait:
    """Make the wait that a directive asks for. Its deadline is a whole second, rounded up."""
    timeout = directive.timeout if directive.timeout_step else None
    deadline = None if timeout is None else deadline_after(now, timeout)
    return Wait(since=whole_second(now), deadline=deadline, timeout_step=directive.timeout_step)


def deadline_after(moment: datetime, timeout: timedelta) -> datetime:
    """Return the whole second, rounded up, at which a timeout ends: at the latest the calendar's.

    A timeout below zero has ended already.
    """
    if timeout >= END_OF_CALENDAR - moment:
        return END_OF_CALENDAR
    return round_up(moment + max(timeout, timedelta(0)))


def end_wait(situation: Situation, draft: Draft) -> bool:
    """End a wait whose time is over and that no event ended; wake when it may be."""
    wait = draft.status.wait
    if wait is None or wait.deadline is None or wait.timeout_step is None:
        return False
    if next_event(situation, draft):
        return False
    if not is_past(situation.now, wait.deadline):
        draft.wake(wait.deadline + SECOND)
        return False
    if not _listed_past(situation, wait.deadline):
        draft.read_events()
        return False
    _fire(situation, draft, wait.timeout_step)
    return True


def is_past(moment: datetime, deadline: datetime) -> bool:
    """Say whether nothing can be stamped with the deadline's second any more."""
    return whole_second(moment) > deadline


def _listed_past(situation: Situation, deadline: datetime) -> bool:
    listing = situation.events.listing
    return (
        situation.events_complete
        and listing is not None
        and listing.run_uid == situation.run.metadata.uid
        and is_past(listing.at, deadline)
    )


def _fire(situation: Situation, draft: Draft, step: str) -> None:
    due = Step(name=step, kind=HandlerKind.STEP, since=situation.second)
    entry = HistoryEntry(
        commit=situation.run.status.commits + 1,
        at=situation.second,
        handler=step,
        kind="timeout",
        outcome=f"no event came in time; step {step} is next",
    )
    draft.record(entry)
    draft.commit(wait=None, step=due, phase=RunPhase.RUNNING)

"""Waits, and how a wait ends by its timeout.

I7 (deadlines). A timeout is written only after a consistent list, requested past the deadline,
shows no event created up to it that the wait takes. "Past" means that the deadline's own second is
over: until then the API server may still stamp an event with it. An event that is stamped and not
stored yet is in no list. Its sender has no answer yet, and the timeout may win (decision 0017).
"""

from datetime import datetime, timedelta

from grctl.json.serialization import cut
from grctl.models.base import END_OF_CALENDAR
from grctl.models.directive import WaitForEvent
from grctl.models.limits import MAX_PROMPT_BYTES
from grctl.models.phases import HandlerKind, RunPhase
from grctl.models.run import HistoryEntry, Step, Wait
from grctl_operator.engine.draft import Draft
from grctl_operator.engine.inbox import next_event
from grctl_operator.engine.observation import SECOND, round_up, whole_second
from grctl_operator.engine.situation import Situation


def begin_wait(directive: WaitForEvent, now: datetime) -> Wait:
    """Return the wait that a directive asks for. Its deadline is a whole second, rounded up."""
    timeout = directive.timeout if directive.timeout_step else None
    names, prompt = directive.events, directive.prompt
    return Wait(
        since=whole_second(now),
        deadline=None if timeout is None else deadline_after(now, timeout),
        timeout_step=directive.timeout_step,
        events=None if names is None else tuple(dict.fromkeys(names)),
        prompt=cut(prompt, MAX_PROMPT_BYTES) if prompt else None,
    )


def deadline_after(moment: datetime, timeout: timedelta) -> datetime:
    """Return the whole second, rounded up, at which a timeout ends.

    A timeout below zero has ended already. One beyond the calendar ends with the calendar.
    """
    if timeout >= END_OF_CALENDAR - moment:
        return END_OF_CALENDAR
    return round_up(moment + max(timeout, timedelta(0)))


def end_wait(situation: Situation, draft: Draft) -> bool:
    """End a wait whose deadline has passed without an event, or look again when it will have."""
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
    """Return whether the deadline's second is over: no event can be stamped with it any more."""
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
    draft.commit(wait=None, step=due, phase=RunPhase.RUNNING, journal=None)

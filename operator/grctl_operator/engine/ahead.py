"""Events that are handed over ahead: a run's worker goes on while its outcomes are committed.

1. This is done only if outcomes come quickly: an event that is handed over cannot be dispatched to
   another worker, and a cancellation waits for it. For each quick outcome two events may be ahead,
   up to MAX_EXECUTIONS_AHEAD.
2. Each execution is built on the one before it, at the same worker, and may commit only after it:
   I4 (one commit). If that one does not leave the run waiting, the execution is void.
3. Events are handed over in their order: I2 (one order). If the worker cannot take an event, those
   behind it are not handed over either.
4. The next wait is assumed to take the same events as the present one. If an outcome that has come
   says otherwise, nothing is handed over. If one says so later, what was handed over may be void.
"""

from collections.abc import Iterator
from datetime import timedelta

from grctl.models.phases import HandlerKind
from grctl_operator.engine.decision import Dispatch
from grctl_operator.engine.draft import Draft, all_handed_over
from grctl_operator.engine.inbox import eligible_events, is_for_another_run, stray_events
from grctl_operator.engine.names import is_written
from grctl_operator.engine.observation import Event, Held
from grctl_operator.engine.situation import Situation
from grctl_operator.engine.urgency import SHOWN_AFTER, all_keep_waiting, may_batch
from grctl_operator.engine.versions import at_work

MAX_EXECUTIONS_AHEAD = 16
"""Executions of one run at its worker: as many as it runs during a few commits."""
QUICK: timedelta = SHOWN_AFTER
"""An outcome that comes sooner than this was quick."""


def dispatch_ahead(situation: Situation, draft: Draft) -> None:
    """Hand over the next events after those in flight, if the outcomes before them were quick."""
    room = _room(situation)
    if room <= 0:
        return
    last = situation.in_flight[-1]
    events = tuple(
        event for event, _ in zip(_next_events(situation, draft, last), range(room), strict=False)
    )
    if events:
        draft.before.append(_dispatch(last, events))


def _room(situation: Situation) -> int:
    """Return how many more events may be handed over."""
    in_flight = situation.in_flight
    if not in_flight:
        return 0
    if len({held.execution.commits for held in in_flight}) < len(in_flight):
        return 0  # of two attempts at one handler, either may commit
    if len(at_work(situation)) < len(in_flight):
        return 0  # executions behind a refusal are void if another version takes the event
    finished = [held for held in in_flight if held.outcome is not None]
    if not all_keep_waiting(finished, situation.run.status.wait):
        return 0
    quick = sum(held.took is not None and held.took < QUICK for held in finished)
    wanted = min(2 * quick, MAX_EXECUTIONS_AHEAD) - (len(in_flight) - len(finished))
    return min(wanted, situation.outbox_room - len(in_flight))


def defer_outcomes(situation: Situation, draft: Draft) -> bool:
    """Defer the outcomes to a later write if nothing but that write follows from them."""
    held = situation.in_flight
    draft.defers_outcomes = (
        any(each.outcome is not None for each in held)
        and may_batch(situation.run, situation.executions, held)
        and all_keep_waiting(held, situation.run.status.wait)
        and all_handed_over(situation, draft)
    )
    return draft.defers_outcomes


def _next_events(situation: Situation, draft: Draft, last: Held) -> Iterator[Event]:
    """Return the events after those in flight, as long as the same worker takes each of them."""
    handed_over = {held.execution.event_uid for held in situation.in_flight}
    stray = next(stray_events(situation, draft), None)
    for event in eligible_events(situation, draft):
        if event.uid in handed_over:
            continue
        if stray is not None and stray.place < event.place:
            return  # it is rejected first, once no execution is in flight
        if is_for_another_run(situation, event) or event.uncarriable or not situation.trusts(event):
            return
        able = situation.executions.find_connected(HandlerKind.EVENT, event.event_name)
        if last.worker not in {worker.name for worker in able}:
            return
        if not is_written(situation, event.event_name):
            return
        yield event


def _dispatch(last: Held, events: tuple[Event, ...]) -> Dispatch:
    first, *others = events
    return Dispatch(
        HandlerKind.EVENT,
        first.event_name,
        attempt=1,
        commits=last.execution.commits + 1,
        base=last.execution.id,
        event=first,
        ahead=True,
        then=tuple(others),
    )

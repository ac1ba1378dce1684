"""Handing over events ahead: the worker of a run goes on while its outcomes are being committed.

1. Only where outcomes come quickly: an event that is handed over cannot be dispatched elsewhere,
   and a cancellation waits for it. Twice as many are ahead as were quick, up to AHEAD.
2. Each execution is built on the one before it, at the same worker. It commits behind that one or
   never (rule 4), so nothing depends on whether our guess that the run goes on waiting was right.
3. Order is kept (rule 2): the next event in line or none; one that no handler takes stops the line.
"""

from collections.abc import Iterator
from datetime import timedelta

from grctl.models.phases import HandlerKind
from grctl_operator.engine.decision import Dispatch
from grctl_operator.engine.draft import Draft
from grctl_operator.engine.inbox import eligible_events, is_for_another_run
from grctl_operator.engine.names import is_written
from grctl_operator.engine.observation import Event, Held
from grctl_operator.engine.situation import Situation
from grctl_operator.engine.urgency import SHOWN_AFTER, all_keep_waiting, may_batch
from grctl_operator.engine.versions import at_work

AHEAD = 16
"""Executions in flight for one run: what a worker does in the time of some commits."""
QUICK: timedelta = SHOWN_AFTER


def dispatch_ahead(situation: Situation, draft: Draft) -> None:
    """Hand over the next events behind those in flight, if those before them were quick."""
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
    """Say how many more events may be handed over."""
    flying = situation.in_flight
    if not flying:
        return 0
    if len({held.execution.commits for held in flying}) < len(flying):
        return 0  # two attempts at the same: nobody knows which one commits
    if len(at_work(situation)) < len(flying):
        return 0  # what comes behind a refusal is void if another version takes the event
    back = [held for held in flying if held.outcome is not None]
    if not all_keep_waiting(back):
        return 0
    quick = sum(held.took is not None and held.took < QUICK for held in back)
    wanted = min(2 * quick, AHEAD) - (len(flying) - len(back))
    return min(wanted, situation.outbox_room - len(flying))


def may_leave_outcomes(situation: Situation, draft: Draft) -> bool:
    """Whether outcomes have come, and nothing follows from them but a write that may be batched."""
    held = situation.in_flight
    return (
        any(each.outcome is not None for each in held)
        and may_batch(situation.run, situation.executions, held)
        and all_keep_waiting(held)
        and draft.all_given
    )


def _next_events(situation: Situation, draft: Draft, last: Held) -> Iterator[Event]:
    """Give the events behind those in flight, as long as the same worker takes each of them."""
    flying = {held.execution.event_uid for held in situation.in_flight}
    for event in eligible_events(situation, draft):
        if event.uid in flying:
            continue
        if is_for_another_run(situation, event) or event.misfit or not situation.trusts(event):
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

"""Handing over events ahead: the worker of a run goes on while its outcomes are being committed.

1. Only where outcomes come quickly: an event that is handed over cannot be dispatched elsewhere,
   and a cancellation waits for it. Twice as many are ahead as were quick, up to AHEAD.
2. Each execution is built on the one before it, at the same worker. It commits behind that one or
   never (rule 4), so nothing depends on whether our guess that the run goes on waiting was right.
3. Order is kept (rule 2): the next event in line or none; one that no handler takes stops the line.
"""

from collections.abc import Iterable, Iterator
from datetime import timedelta

from grctl.models.directive import WaitForEvent
from grctl.models.phases import HandlerKind
from grctl.models.run import WorkflowRun
from grctl.models.wire import Outcome, Refused, Succeeded
from grctl_operator.engine.decision import Dispatch
from grctl_operator.engine.draft import SHOWN_AFTER, Draft, goes_on
from grctl_operator.engine.inbox import eligible_events, is_for_another_run
from grctl_operator.engine.names import is_written
from grctl_operator.engine.observation import Event, Events, Executions, Held
from grctl_operator.engine.situation import Situation
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
    if not _all_go_on_waiting(back):
        return 0
    quick = sum(held.took is not None and held.took < QUICK for held in back)
    wanted = min(2 * quick, AHEAD) - (len(flying) - len(back))
    return min(wanted, situation.outbox_room - len(flying))


def _all_go_on_waiting(held: Iterable[Held]) -> bool:
    """Say whether the run goes on waiting after each outcome that is back."""
    return all(_goes_on_waiting(each.outcome) for each in held if each.outcome is not None)


def _goes_on_waiting(outcome: Outcome) -> bool:
    match outcome.result:
        case Succeeded(directive=WaitForEvent()) | Refused():
            return True
    return False


def may_wait_behind(situation: Situation, draft: Draft) -> bool:
    """Say whether outcomes are back, and nothing follows from them but a write that may wait."""
    held = situation.in_flight
    return (
        any(each.outcome is not None for each in held)
        and goes_on(situation.run, situation.executions, held)
        and _all_go_on_waiting(held)
        and draft.all_given
    )


def may_wait(run: WorkflowRun, events: Events, executions: Executions) -> bool:
    """Say whether nothing follows from the outcomes that are there but a write that may wait.

    As `may_wait_behind`, without a look at what is in flight: it costs less, for each outcome that
    comes. It is a matter of time only: were it wrong, something would be done later.
    """
    held = executions.held
    if not goes_on(run, executions, held) or not _all_go_on_waiting(held):
        return False
    given = {each.execution.event_uid for each in held}
    given.update(entry.uid for entry in run.status.settled)
    return all(event.uid in given for event in events)


def _next_events(situation: Situation, draft: Draft, last: Held) -> Iterator[Event]:
    """Give the events behind those in flight, as long as the same worker takes each of them."""
    flying = {held.execution.event_uid for held in situation.in_flight}
    for event in eligible_events(situation, draft):
        if event.uid in flying:
            continue
        if is_for_another_run(situation, event) or event.misfit or not situation.trusts(event):
            return
        able = situation.executions.connected_with(HandlerKind.EVENT, event.event_name)
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

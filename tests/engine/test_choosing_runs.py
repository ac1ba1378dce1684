"""Runs whose waits choose anew after each event, beside a reference that is not in a hurry.

The reference takes, for each wait, the first event by place whose name it names. The engine does
the same while events arrive, executions are handed over ahead, and outcomes come in any order.
"""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from grctl.models import WaitForEvent
from grctl.models.run import WorkflowRun
from grctl.models.wire import Execution
from grctl_operator.engine import Dispatch, Effect, Event, Held, Release, decide
from grctl_operator.engine.invariants import check_decision
from tests.engine.builders import (
    NOON,
    brought,
    event,
    execution,
    executions,
    runs,
    view,
    waiting_run,
    with_status,
    worker,
    written,
)

HANDLED = ("approve", "reject", "comment")
UNKNOWN = "aprove"
WORKERS = [worker(events=HANDLED, free=20)]
ROUNDS_COUNT = 200
FEW_ROUNDS_COUNT = 60
"""From then on the worker finishes a handler in each round."""

Names = tuple[str, ...] | None
choices = st.none() | st.lists(st.sampled_from(HANDLED), min_size=1, max_size=2).map(tuple)
sent = st.tuples(st.sampled_from((*HANDLED, UNKNOWN)), choices)
"""An event, and what the run waits for after it."""


@dataclass
class Stage:
    """A run, its events, and a worker that runs what it is given."""

    run: WorkflowRun
    after: dict[str, Names]
    """What the run waits for after an event, by the event's uid."""
    waiting: list[Event] = field(default_factory=list)
    held: dict[str, Held] = field(default_factory=dict)
    handled: list[str] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    ids: Any = field(default_factory=lambda: count(1))

    def look(self) -> bool:
        """Decide, and do what was decided. Return whether anything was done."""
        events = view(self.run, *self.waiting)
        decision = decide(self.run, events, executions(*self.held.values(), workers=WORKERS), NOON)
        check_decision(self.run, decision, events, NOON)
        self._do(decision.before)
        if decision.status is not None:
            self._write(written(self.run, decision))
            self._do(decision.after)
        return bool(decision.before or decision.status)

    def work(self, index: int) -> None:
        """Finish one of the handlers that run."""
        running = [held for held in self.held.values() if held.outcome is None]
        if running:
            made = running[index % len(running)].execution
            directive = WaitForEvent(events=self.after[made.event_uid or ""])
            quickly = timedelta(seconds=0.01)
            self.held[made.id] = replace(brought(made, directive), took=quickly)

    def _write(self, run: WorkflowRun) -> None:
        for entry in run.status.settled:
            done = self.rejected if entry.phase == "Rejected" else self.handled
            done.append(entry.uid)
        consumed = {entry.uid for entry in run.status.settled}
        self.waiting = [each for each in self.waiting if each.uid not in consumed]
        self.run = with_status(run, settled=())

    def _do(self, effects: tuple[Effect, ...]) -> None:
        for effect in effects:
            match effect:
                case Release(execution=name):
                    self.held.pop(name, None)
                case Dispatch():
                    self._take(effect)

    def _take(self, effect: Dispatch) -> None:
        base, commits = effect.base, effect.commits
        for each in effect.events:
            made = self._execution(each, base, commits)
            self.held[made.id] = runs(made)
            base, commits = made.id, commits + 1

    def _execution(self, handled: Event, base: str | None, commits: int) -> Execution:
        return execution(self.run, handled, f"e{next(self.ids)}", base=base, commits=commits)


def reference(events: list[Event], after: dict[str, Names]) -> list[str]:
    """Return the uids of the events that are handled, in order."""
    names, left, found = None, [each for each in events if each.event_name != UNKNOWN], []
    while taken := [each for each in left if names is None or each.event_name in names]:
        first = taken[0]
        found.append(first.uid)
        left.remove(first)
        names = after[first.uid]
    return found


@settings(max_examples=150, deadline=None)
@given(st.lists(sent, max_size=14), st.lists(st.integers(0, 9), min_size=1, max_size=30))
def test_waits_that_choose_take_what_a_reference_takes(
    plan: list[tuple[str, Names]], chances: list[int]
) -> None:
    events = [
        event(name, f"{name}-{place}", place=place) for place, (name, _) in enumerate(plan, 1)
    ]
    after = {each.uid: names for each, (_, names) in zip(events, plan, strict=True)}
    stage, coming = Stage(waiting_run(status={"event_names": HANDLED}), after), list(events)
    for number in range(ROUNDS_COUNT):
        chance = chances[number % len(chances)]
        for _ in range(min(chance % 4, len(coming))):
            stage.waiting.append(coming.pop(0))
        if not stage.look() and not stage.held:
            stage.waiting += coming
            coming.clear()
            if not stage.look():
                break
        for _ in range(max(chance // 3, number // FEW_ROUNDS_COUNT)):
            stage.work(chance)
    else:
        raise AssertionError(f"the run does not come to rest: {stage}")

    wanted = reference(events, after)
    left = [each.uid for each in stage.waiting]
    assert stage.handled == wanted
    assert set(stage.rejected) <= {each.uid for each in events if each.event_name == UNKNOWN}
    assert sorted(stage.handled + stage.rejected + left) == sorted(after)

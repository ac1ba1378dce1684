"""A decision that breaks an invariant reaches nobody: it is counted and raised."""

from typing import Any

import pytest

from grctl_operator.engine import Decision, LetGo, decide
from grctl_operator.engine.invariants import InvariantError
from grctl_operator.engine.observation import Key
from grctl_operator.runtime import decider
from grctl_operator.runtime.decider import Decider, checked
from grctl_operator.runtime.people.metrics import Metrics
from grctl_operator.views.event_caches import EventCaches
from grctl_operator.views.executions import ExecutionRegistry
from grctl_operator.views.runs import RunCache
from tests.engine.builders import NOON, event, executions, view, waiting_run

APPROVE = event("approve")
WAITS = waiting_run()


def lets_go(*_: Any) -> Decision:
    """An engine that removes the finalizer of a run that nobody deleted."""
    return Decision(before=(LetGo(),))


def test_a_right_decision_passes_as_it_is() -> None:
    arguments = (WAITS, view(WAITS, APPROVE), executions(), NOON)

    assert checked(decide, Metrics())(*arguments) == decide(*arguments)


def test_a_decision_that_breaks_an_invariant_is_counted_and_raised() -> None:
    metrics = Metrics()

    with pytest.raises(InvariantError, match=r"I1 \(no loss\)"):
        checked(lets_go, metrics)(WAITS, view(WAITS, APPROVE), executions(), NOON)

    assert metrics.value("grctl_invariant_violations_total", invariant="I1") == 1
    assert metrics.value("grctl_invariant_violations_total", invariant="I2") == 0


def test_the_answer_to_a_refused_write_is_checked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decider, "decide_refused", lets_go)
    metrics, runs, events = Metrics(), RunCache(), EventCaches()
    registry = ExecutionRegistry(lambda: NOON, lambda: 0.0, lambda _key: None)
    asked = Decider(runs, events, registry, decide=decide, metrics=metrics, now=lambda: NOON)

    with pytest.raises(InvariantError, match=r"I1 \(no loss\)"):
        asked.decide_refused(Key("shop", "order-1"), WAITS)

    assert metrics.value("grctl_invariant_violations_total", invariant="I1") == 1


def test_a_decision_about_events_without_a_run_is_not_checked() -> None:
    assert checked(lets_go, Metrics())(None, view(WAITS), executions(), NOON) == lets_go()

"""The engine keeps the invariants in every interleaving that hypothesis finds."""

import os
from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from grctl.models import WorkflowRun
from grctl_operator.engine import Decision, Events, Executions, decide
from grctl_operator.engine.invariants import check_decision
from tests.engine.machine import CLIMATES, SteppingBack, machine_for

EXAMPLES = int(os.environ.get("GRCTL_STATEFUL_EXAMPLES", "60"))
"""Examples in each climate. `make stateful` runs a hundred times as many."""


def checked_decide(
    run: WorkflowRun | None, events: Events, executions: Executions, now: datetime, **how: Any
) -> Decision:
    """Decide, and check the decision as the operator does: by its own view of the events."""
    decision = decide(run, events, executions, now, **how)
    if run is not None:
        check_decision(run, decision, events, now)
    return decision


@pytest.mark.parametrize("climate", CLIMATES)
def test_the_invariants_hold_and_everything_settles_where(climate: str) -> None:
    run_state_machine_as_test(
        machine_for(checked_decide, climate),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=60,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_an_event_of_an_earlier_run_is_not_consumed_again_after_the_clock_stepped_back() -> None:
    """Replay the race: by its stamp alone, the consumed event is younger than the new run."""
    machine = machine_for(decide, "the clock steps back while runs are made anew")()
    assert isinstance(machine, SteppingBack)
    machine.begin(run=False, early=0, operators=2, to=0)
    machine.the_clock_steps_back_while_an_attempt_waits()
    machine.an_operator_falls_behind_and_takes_over(anew=True, index=0, seen=0)
    machine.teardown()

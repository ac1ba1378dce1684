"""The stateful test can fail: it catches each engine that is broken on purpose."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.engine.broken_engines import BROKEN
from tests.engine.machine import CLIMATES, Decide, machine_for
from tests.engine.world import ViolationError

BUDGETS = (20, 60, 200, 600)
"""Examples in each climate, one budget after the other: most are caught by the first."""


def first_violation(decide: Decide) -> tuple[int, str, str]:
    """Look in each climate in turn. Give the number of examples, the climate and what broke."""
    examples = 0
    for budget in BUDGETS:
        for climate in CLIMATES:
            machine = machine_for(decide, climate)
            try:
                search(machine, budget)
            except ViolationError as violation:
                return examples + machine.examples, climate, str(violation)
            examples += machine.examples
    raise AssertionError(f"no violation in {examples} examples")


def search(machine: type, budget: int) -> None:
    """Run that many examples, always the same ones, and do not shrink what breaks."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=budget,
            stateful_step_count=60,
            derandomize=True,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.parametrize("name", BROKEN)
def test_the_stateful_test_catches_an_engine_in_which(
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    examples, climate, violation = first_violation(BROKEN[name](monkeypatch))

    record_property("examples", examples)
    record_property("violation", f"{climate}: {violation}")

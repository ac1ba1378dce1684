"""The engine holds the design's invariants in every interleaving that hypothesis finds."""

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from grctl_operator.engine import decide
from tests.engine.machine import CLIMATES, machine_for

EXAMPLES = int(os.environ.get("GRCTL_STATEFUL_EXAMPLES", "60"))
"""In each climate. `make stateful` runs a hundred times as many."""


@pytest.mark.parametrize("climate", CLIMATES)
def test_the_invariants_hold_and_everything_settles_where(climate: str) -> None:
    run_state_machine_as_test(
        machine_for(decide, climate),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=60,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )

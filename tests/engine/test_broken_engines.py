"""The stateful test can fail: it catches each engine that is broken on purpose."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.engine.broken_engines import BROKEN
from tests.engine.ledger import ViolationError
from tests.engine.machine import machine_for

MOST_EXAMPLES = 4000


def search(machine: type) -> None:
    """Try examples, always the same ones, and do not shrink what breaks."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=MOST_EXAMPLES,
            stateful_step_count=60,
            derandomize=True,
            deadline=None,
            database=None,
            report_multiple_bugs=False,
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
    climate, make = BROKEN[name]
    machine = machine_for(make(monkeypatch), climate)

    with pytest.raises(ViolationError) as caught:
        search(machine)

    record_property("examples", machine.examples)
    record_property("violation", str(caught.value))

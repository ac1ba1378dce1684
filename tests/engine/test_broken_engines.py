"""The stateful test can fail: it catches each engine that is broken on purpose."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.engine import broken_engines, broken_handlers, broken_versions
from tests.engine.breaking import BROKEN
from tests.engine.checks import ViolationError
from tests.engine.machine import machine_for

SEARCHES = 16
EXAMPLES = 250
"""Examples in each search. hypothesis may stay in one corner: a new search finds more."""


def search(machine: type) -> None:
    """Try the examples that the seeds give, without shrinking the one that fails."""
    for number in range(SEARCHES):
        _search_once(seed(number)(machine))


def _search_once(machine: type) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=60,
            deadline=None,
            derandomize=False,  # as CI would have it: the seed counts
            database=None,
            report_multiple_bugs=False,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


REGISTERED = (broken_engines, broken_handlers, broken_versions)
"""To import these modules registers their engines."""


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

"""Retries and hold: without each of the rules, some interleaving breaks an invariant."""

import pytest

from tests.model.retries import RULES, Model
from tests.model.search import check_broken, check_whole, find

KILLED = Model(kills=1)
PAUSED = Model(pauses=1, attempts=4)
ASKED = Model(wishes=2, attempts=4)
EVERYTHING = Model(wishes=1, attempts=5, kills=1, pauses=2)

MODELS = {
    "operators are killed": KILLED,
    "workers are paused": PAUSED,
    "a person asks for a retry": ASKED,
    "all of it happens": EVERYTHING,
}

NEEDED = {
    "a failed outcome counts only for the attempt that the status names": (KILLED, "counted"),
    "an attempt that failed as well is not at work": (PAUSED, "counted"),
    "a failed outcome does not count while another attempt is at work": (PAUSED, "at work"),
    "nothing is dispatched while the run is held": (KILLED, "held"),
    "the write that holds the run takes earlier retries as seen": (ASKED, "asked"),
}
"""Where each rule is needed, and which invariant it keeps."""


def test_each_rule_has_a_scenario() -> None:
    assert set(NEEDED) == RULES


@pytest.mark.parametrize("rule", NEEDED)
def test_an_invariant_breaks_without_the_rule(rule: str) -> None:
    model, invariant = NEEDED[rule]

    check_broken(model._replace(without=frozenset({rule})), invariant)


@pytest.mark.parametrize("scenario", MODELS)
def test_no_interleaving_breaks_an_invariant_where(scenario: str) -> None:
    check_whole(MODELS[scenario])


def test_a_failure_is_not_counted_a_second_time_by_the_next_operator() -> None:
    rule = "a failed outcome counts only for the attempt that the status names"
    model = KILLED._replace(without=frozenset({rule}))

    found = find(model)

    assert found is not None
    assert found.violation == "counted: 2 failures are written, and 1 attempts failed"

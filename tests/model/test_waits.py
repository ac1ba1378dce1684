"""Waits that choose, and tasks ahead: without each rule some interleaving breaks an invariant."""

import pytest

from tests.model.search import check_broken, check_whole, find
from tests.model.waits import APPROVE, COMMENT, RULES, Model

CHOOSING = Model()
LONG = Model(names=(COMMENT, APPROVE, APPROVE, COMMENT), executions=4)
KILLED = Model(kills=2)
PAUSED = Model(pauses=1, executions=5)
TIMED = Model(deadline=True, executions=3)

MODELS = {
    "waits choose otherwise": CHOOSING,
    "many events wait": LONG,
    "operators are killed": KILLED,
    "a worker is paused": PAUSED,
    "a deadline passes": TIMED,
}

NEEDED = {
    "a task ahead waits for the commit of its base": (CHOOSING, "side effect"),
    "a base that is released as void is not committed": (PAUSED, "side effect"),
    "void executions are released before their base is": (CHOOSING, "side effect"),
    "only the first event that fits may commit": (CHOOSING, "one order"),
    "an event that does not fit keeps its place": (CHOOSING, "no loss"),
    "a timeout looks at all events that fit": (TIMED, "deadlines"),
    "an event that does not fit does not delay a timeout": (TIMED, "deadlines"),
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


def test_a_task_ahead_needs_the_release_of_void_executions_first() -> None:
    rule = "void executions are released before their base is"
    model = KILLED._replace(without=frozenset({rule}))

    found = find(model)

    assert found is not None
    assert found.trace[-3:] == (
        "the worker is told that event 1 is committed",
        "the handler of event 2 calls its task",
        "the worker is told that event 2 is void",
    )

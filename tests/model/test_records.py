"""The journal: without each rule some interleaving breaks an invariant, with all of them none."""

import pytest

from tests.model.records import RULES, Budget, Model
from tests.model.search import check_broken, check_whole, find

KILLED = Model(Budget(crashes=1))
PAUSED = Model(Budget(breaks=1))
"""A second attempt begins, and the first one comes back: both are alive."""
PAUSED_AND_KILLED = Model(Budget(breaks=1, crashes=1), attempts=3, tasks=1)
TAKEN_OVER = Model(Budget(takeovers=1))
TAKEN_OVER_BESIDE_A_ZOMBIE = Model(Budget(takeovers=1, zombies=1), tasks=1)
TWO_HANDLERS = Model(Budget(breaks=1), handlers=2, attempts=3, tasks=1)
REJECTING = Model(Budget(crashes=1, rejections=1), attempts=3)

MODELS = {
    "a worker is killed": KILLED,
    "a worker is paused and woken": PAUSED,
    "a worker is paused and one is killed": PAUSED_AND_KILLED,
    "a standby that lags takes over": TAKEN_OVER,
    "a standby takes over, and the leader before still writes": TAKEN_OVER_BESIDE_A_ZOMBIE,
    "a second handler follows": TWO_HANDLERS,
    "another event is rejected": REJECTING,
}

NEEDED = {
    "a task waits for the records before it": (KILLED, "barrier"),
    "an answer follows the write": (KILLED, "barrier"),
    "a further attempt keeps the journal": (KILLED, "durable"),
    "a record does not move commits": (KILLED, "void"),
    "the first record of a call counts": (PAUSED, "one value"),
    "an attempt with another value starts again": (PAUSED, "one value"),
    "an outcome is compared with the journal": (PAUSED, "one value"),
    "an outcome names what it was not told to be durable": (PAUSED, "one value"),
    "a record passes the fence": (TWO_HANDLERS, "own records"),
    "a commit clears the journal": (TWO_HANDLERS, "own records"),
    "a rejection keeps the journal": (REJECTING, "durable"),
    "a run is read before the first dispatch after a takeover": (TAKEN_OVER, "durable"),
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


def test_a_return_that_waits_for_no_record_may_commit_a_value_that_does_not_count() -> None:
    rule = "an outcome is compared with the journal"
    model = PAUSED._replace(without=frozenset({rule}), tasks=1)

    found = find(model)

    assert found is not None
    assert found.trace[-4:] == (
        "operator 0 writes the journal task 0 of attempt 2",
        "operator 0 gets the record of attempt 1",
        "operator 0 gets the outcome of attempt 1",
        "operator 0 commits the outcome of attempt 1",
    )


def test_a_leader_that_did_not_read_the_run_would_call_a_durable_task_again() -> None:
    rule = "a run is read before the first dispatch after a takeover"
    model = TAKEN_OVER._replace(without=frozenset({rule}), tasks=1)

    found = find(model)

    assert found is not None
    assert found.trace[-4:] == (
        "operator 0 writes the journal task 0 of attempt 1",
        "the leader is killed, the standby takes over",
        "operator 1 dispatches attempt 2 with the journal nothing",
        "attempt 2 calls task 0",
    )

"""Executions lost by a crash of their own, and workers reserved for a run that runs alone."""

import pytest

from grctl_operator.engine.observation import Key
from grctl_operator.views.team import Ending
from tests.runtime.played_worker import hello
from tests.views.registries import (
    APPROVE,
    GROUP,
    KEY,
    ORDER,
    OTHER,
    clear,
    crashed,
    execution,
    give,
    registry,
)


def test_a_killed_process_with_one_execution_was_ended_by_it() -> None:
    made = registry(hello(ORDER, instance="a"))
    give(made, "x")
    made.on_disconnect("a", Ending.CUT_OFF)
    made.give_up("a")
    assert crashed(made) == [(True, True)]


def test_of_two_executions_in_a_killed_process_neither_is_known_to_have_ended_it() -> None:
    made = registry(hello(ORDER, instance="a"))
    give(made, "x")
    give(made, "y", "order-2")
    made.on_disconnect("a", Ending.CUT_OFF)
    made.give_up("a")
    assert crashed(made) == crashed(made, OTHER) == [(True, False)]


def test_an_execution_beside_which_another_ran_for_a_while_is_not_known_to_be_the_cause() -> None:
    made = registry(hello(ORDER, instance="a"))
    give(made, "x")
    give(made, "y", "order-2")
    made.forget_execution("y")
    made.on_disconnect("a", Ending.CUT_OFF)
    made.give_up("a")
    assert crashed(made) == [(True, False)]


def test_an_execution_that_came_when_the_others_were_over_is_the_cause() -> None:
    made = registry(hello(ORDER, instance="a"))
    give(made, "x")
    give(made, "y", "order-2")
    made.forget_execution("x")
    made.forget_execution("y")
    give(made, "z")
    made.on_disconnect("a", Ending.CUT_OFF)
    made.give_up("a")
    assert crashed(made) == [(True, True)]


def test_a_reconnect_does_not_make_an_execution_one_that_was_alone() -> None:
    made = registry(hello(ORDER, instance="a"))
    give(made, "x")
    give(made, "y", "order-2")
    made.forget_execution("y")
    made.on_disconnect("a")
    made.on_hello(hello(ORDER, instance="a", held=(execution("x"),)), "orders")
    made.on_disconnect("a", Ending.CUT_OFF)
    made.give_up("a")
    assert crashed(made) == [(True, False)]


@pytest.mark.parametrize("ending", [Ending.AGREED, Ending.SILENT])
def test_a_worker_that_is_away_without_having_been_killed_did_not_crash(ending: Ending) -> None:
    made = registry(hello(ORDER, instance="a"))
    give(made, "x")
    made.on_disconnect("a", ending)
    made.give_up("a")
    assert crashed(made) == [(True, False)]


def test_a_worker_that_was_asked_to_stop_did_not_crash() -> None:
    made = registry(hello(ORDER, instance="a"))
    give(made, "x")
    made.on_drain("a")
    made.on_disconnect("a", Ending.CUT_OFF)
    made.give_up("a")
    assert crashed(made) == [(True, False)]


@pytest.mark.parametrize(
    ("ending", "crash"), [(Ending.CUT_OFF, True), (Ending.SILENT, True), (Ending.AGREED, False)]
)
def test_a_process_that_another_one_follows_has_ended(ending: Ending, crash: bool) -> None:
    made = registry(hello(ORDER, instance="a"))
    give(made, "x")
    made.on_disconnect("a", ending)
    made.on_hello(hello(ORDER, instance="b"), "orders")
    assert crashed(made) == [(True, crash)]


def test_a_second_process_of_one_name_does_not_prove_that_the_first_crashed() -> None:
    made = registry(hello(ORDER, instance="a"))
    give(made, "x")
    made.on_hello(hello(ORDER, instance="b"), "orders")
    assert crashed(made) == [(True, False)]


def test_while_a_second_attempt_runs_its_worker_is_given_nothing_else() -> None:
    made = registry(hello(ORDER, instance="a"))
    assert clear(made)
    give(made, "x", attempt=2)
    assert made.roster.choose(GROUP, *APPROVE) is None
    assert not clear(made, OTHER)
    made.forget_execution("x")
    assert made.roster.choose(GROUP, *APPROVE) is not None
    assert clear(made, OTHER)


def test_a_reserved_worker_gets_nothing_new_and_is_clear_when_it_is_empty() -> None:
    told: list[Key] = []
    made = registry(hello(ORDER, instance="a"), told=told)
    give(made, "x", "order-2")
    give(made, "y", "order-3")
    assert not clear(made)
    assert made.roster.reserve(KEY, GROUP, *APPROVE) is not None
    assert made.roster.choose(GROUP, *APPROVE) is None
    made.forget_execution("x")
    assert (clear(made), told) == (False, [])
    made.forget_execution("y")
    assert (clear(made), clear(made, OTHER), told) == (True, False, [KEY])
    give(made, "z", attempt=2)


def test_a_run_that_waited_too_long_to_be_alone_runs_beside_others_and_proves_nothing() -> None:
    told: list[Key] = []
    made = registry(hello(ORDER, instance="a"), told=told)
    give(made, "endless", "order-2")
    made.roster.reserve(KEY, GROUP, *APPROVE)
    made.begin_beside_others(KEY)
    assert (clear(made), told) == (True, [KEY])
    give(made, "x", attempt=2)
    assert made.roster.choose(GROUP, *APPROVE) is None
    made.on_disconnect("a", Ending.CUT_OFF)
    made.give_up("a")
    assert crashed(made) == [(True, False)]


def test_of_several_workers_at_most_half_are_reserved() -> None:
    made = registry(*(hello(ORDER, worker=name, instance=name) for name in "abcde"))
    runs = [Key("shop", f"suspect-{number}") for number in range(4)]
    kept = [made.roster.reserve(each, GROUP, *APPROVE) for each in runs]
    assert [each is not None for each in kept] == [True, True, False, False]
    assert len({each.instance for each in kept if each}) == 2
    assert not clear(made, runs[2])
    assert made.roster.choose(GROUP, *APPROVE) is not None


def test_a_worker_whose_reservation_ended_takes_executions_again() -> None:
    made = registry(hello(ORDER, instance="a"))
    give(made, "x", "order-2")
    made.roster.reserve(KEY, GROUP, *APPROVE)
    assert made.end_reservation(KEY) == (GROUP,)
    assert made.roster.choose(GROUP, *APPROVE) is not None


@pytest.mark.parametrize("how", ["drains", "leaves"])
def test_the_reservation_of_a_worker_that_takes_nothing_ends(how: str) -> None:
    told: list[Key] = []
    made = registry(*(hello(ORDER, worker=name, instance=name) for name in "ab"), told=told)
    give(made, "x", "order-2")
    give(made, "y", "order-3")
    kept = made.roster.reserve(KEY, GROUP, *APPROVE)
    assert kept is not None
    if how == "drains":
        made.on_drain(kept.instance)
    else:
        made.on_disconnect(kept.instance)
    assert told == [KEY]
    other = made.roster.reserve(KEY, GROUP, *APPROVE)
    assert other is not None
    assert other is not kept


def test_a_second_attempt_that_a_worker_brings_to_a_new_operator_is_alone_there_too() -> None:
    again = execution("x").model_copy(update={"attempt": 2})
    made = registry(hello(ORDER, instance="a", held=(again,)))
    assert made.roster.choose(GROUP, *APPROVE) is None
    made.on_disconnect("a", Ending.CUT_OFF)
    made.give_up("a")
    assert crashed(made) == [(True, True)]

"""Which worker has which execution, and what the engine is told of it."""

from datetime import timedelta

from grctl.models.directive import Complete
from grctl.models.phases import HandlerKind
from grctl.models.wire import Outcome, Succeeded
from grctl_operator.views.executions import MAX_CLAIMED_EXECUTIONS, ExecutionRegistry
from grctl_operator.views.roster import LEFT_WORKER_IN_VIEW
from tests.runtime.played_worker import catalogue, hello
from tests.views.registries import (
    APPROVE,
    GROUP,
    KEY,
    ORDER,
    Clock,
    dispatch,
    execution,
    free,
    give,
    held,
    ignore,
    outcome,
    registry,
)


def test_an_execution_that_a_worker_reports_is_taken_over() -> None:
    made = registry()
    assert made.on_hello(hello(ORDER, held=(execution("x"),)), "orders") == (KEY,)
    assert held(made)["x"].worker == "worker-1"
    assert free(made) == [9]


def test_the_least_loaded_worker_is_chosen() -> None:
    made = registry(hello(ORDER, worker="a", instance="a"), hello(ORDER, worker="b", instance="b"))
    assert {dispatch(made, "x"), dispatch(made, "y")} == {"a", "b"}


def test_a_worker_without_room_handler_or_namespace_is_not_chosen() -> None:
    made = registry(
        hello(ORDER, instance="full", worker="a", capacity=0),
        hello(ORDER, instance="drains", worker="b"),
        hello(catalogue("Order", "other"), instance="lacks", worker="c"),
        hello(catalogue("Other", "approve"), instance="type", worker="d"),
        hello(ORDER, instance="elsewhere", worker="e", namespace="bank"),
    )
    made.on_drain("drains")
    assert made.roster.choose(GROUP, HandlerKind.EVENT, "approve") is None


def test_an_outcome_stays_until_it_is_released() -> None:
    made = registry(hello(ORDER, instance="a"))
    dispatch(made, "x")
    assert made.on_outcome("a", outcome("x")) == KEY
    assert held(made)["x"].outcome == outcome("x")
    assert made.forget_execution("x") == ("a", (GROUP,))
    assert held(made) == {}
    assert free(made) == [10]


def test_the_same_outcome_twice_is_one() -> None:
    made = registry(hello(ORDER, instance="a"))
    dispatch(made, "x")
    made.on_outcome("a", outcome("x", "first"))
    made.on_outcome("a", outcome("x", "second"))
    assert held(made)["x"].outcome == outcome("x", "first")


def test_an_outcome_of_an_unknown_execution_is_kept_for_the_engine_to_judge() -> None:
    made = registry(hello(ORDER, instance="a"))
    made.on_outcome("a", outcome("x"))
    assert held(made)["x"].outcome == outcome("x")


def test_a_worker_that_left_keeps_what_it_holds_until_it_is_given_up() -> None:
    made = registry(hello(ORDER, instance="a"))
    dispatch(made, "x")
    assert made.on_disconnect("a")
    assert not held(made)["x"].lost
    assert made.give_up("a") == (KEY,)
    assert held(made)["x"].lost


def test_a_worker_that_came_back_is_not_given_up() -> None:
    made = registry(hello(ORDER, instance="a"))
    dispatch(made, "x")
    made.on_disconnect("a")
    made.on_hello(hello(ORDER, instance="a", held=(execution("x"),)), "orders")
    assert made.give_up("a") == ()
    assert not held(made)["x"].lost


def test_an_execution_that_a_worker_comes_back_without_is_lost_at_once() -> None:
    made = registry(hello(ORDER, instance="a"))
    dispatch(made, "x")
    made.on_disconnect("a")
    assert made.on_hello(hello(ORDER, instance="a"), "orders") == (KEY,)
    assert held(made)["x"].lost
    assert free(made) == [10]


def test_executions_of_a_workers_last_process_are_lost_when_the_next_says_hello() -> None:
    made = registry(hello(ORDER, instance="a"))
    dispatch(made, "x")
    made.on_hello(hello(ORDER, instance="b"), "orders")
    assert held(made)["x"].lost


def test_a_worker_of_another_name_takes_nothing_from_others() -> None:
    made = registry(hello(ORDER, instance="a", worker="one"))
    dispatch(made, "x")
    made.on_hello(hello(ORDER, instance="b", worker="two"), "orders")
    assert not held(made)["x"].lost


def test_a_worker_back_after_its_grace_has_the_executions_again_that_are_not_dealt_with() -> None:
    made = registry(hello(ORDER, instance="a"))
    dispatch(made, "x")
    made.on_disconnect("a")
    made.give_up("a")
    made.on_hello(hello(ORDER, instance="a", held=(execution("x"),)), "orders")
    assert not held(made)["x"].lost
    assert free(made) == [9]


def test_a_worker_that_left_is_in_view_with_the_time_it_was_seen_and_later_forgotten() -> None:
    clock = Clock()
    made = ExecutionRegistry(clock, lambda: 0.0, ignore)
    made.on_hello(hello(ORDER, instance="a"), "orders")
    left_at = clock.time
    made.on_disconnect("a")
    clock.time += timedelta(seconds=29)
    (presence,) = made.get_view(KEY, "Order").workers
    assert (presence.connected, presence.seen, presence.free) == (False, left_at, 0)
    clock.time += LEFT_WORKER_IN_VIEW
    made.on_hello(hello(catalogue("Other"), worker="other"), "orders")
    assert made.get_view(KEY, "Order").workers == ()


def test_a_connected_worker_is_seen_now() -> None:
    clock = Clock()
    made = ExecutionRegistry(clock, lambda: 0.0, ignore)
    made.on_hello(hello(ORDER), "orders")
    clock.time += timedelta(hours=1)
    assert made.get_view(KEY, "Order").workers[0].seen == clock.time


def test_other_types_of_the_namespace_are_named_for_messages() -> None:
    made = registry(
        hello(ORDER, catalogue("Invoice"), worker="a"),
        hello(catalogue("Loan"), worker="b", namespace="bank"),
    )
    assert made.get_view(KEY, "Order").other_types == ("Invoice",)


def test_a_view_shows_one_run_only() -> None:
    made = registry(hello(ORDER, held=(execution("x"), execution("y", run="order-2"))))
    assert set(held(made)) == {"x"}
    assert len(made) == 2


def test_executions_of_one_run_take_one_place_of_a_worker() -> None:
    made = registry(hello(ORDER, capacity=2))
    dispatch(made, "x")
    dispatch(made, "y")
    assert free(made) == [1]
    made.forget_execution("x")
    assert free(made) == [1]
    made.forget_execution("y")
    assert free(made) == [2]


def test_a_declined_execution_is_forgotten_and_no_attempt_is_counted() -> None:
    made = registry(hello(ORDER, instance="i1"))
    dispatch(made, "x")
    assert made.on_decline("another", "x") is None
    assert made.on_decline("i1", "x") == KEY
    assert held(made) == {}
    assert made.on_decline("i1", "x") is None


def test_the_holder_of_an_execution_is_connected_and_takes_more() -> None:
    made = registry(hello(ORDER, instance="i1"))
    dispatch(made, "x")
    holder = made.find_holder("x")
    assert holder is not None
    assert holder.instance == "i1"
    made.on_drain("i1")
    assert made.find_holder("x") is None
    assert made.find_holder("unknown") is None


def test_only_the_account_that_an_execution_was_given_to_may_hold_it() -> None:
    made = registry(hello(ORDER, instance="a"))
    dispatch(made, "x")
    made.on_hello(hello(ORDER, instance="b", worker="two"), "thief")
    assert made.may_hold(execution("x"), "a")
    assert not made.may_hold(execution("x"), "b")


def test_a_worker_may_hold_an_unknown_execution_of_its_namespace_and_type() -> None:
    made = registry(hello(ORDER, instance="a"))
    elsewhere = execution("x").model_copy(update={"namespace": "bank"})
    of_other_type = execution("x").model_copy(update={"workflow_type": "Refund"})
    assert made.may_hold(execution("x"), "a")
    assert not made.may_hold(elsewhere, "a")
    assert not made.may_hold(of_other_type, "a")
    assert not made.may_hold(execution("x"), "nobody")


def test_a_claim_of_the_execution_of_another_account_changes_nothing() -> None:
    made = registry(hello(ORDER, instance="a"))
    dispatch(made, "x")
    made.on_hello(hello(ORDER, instance="b", worker="two", held=(execution("x"),)), "thief")
    assert held(made)["x"].worker == "worker-1"


def test_another_account_with_a_workers_name_does_not_make_its_executions_lost() -> None:
    made = registry(hello(ORDER, instance="a"))
    dispatch(made, "x")
    assert made.on_hello(hello(ORDER, instance="b"), "thief") == ()
    assert not held(made)["x"].lost


def test_an_instance_has_one_identity() -> None:
    made = registry(hello(ORDER, instance="a"))
    assert made.is_identity_of(hello(ORDER, instance="a"), "orders")
    assert made.is_identity_of(hello(ORDER, instance="b"), "thief")
    assert not made.is_identity_of(hello(ORDER, instance="a"), "thief")


def test_an_outcome_counts_for_the_execution_as_it_was_given() -> None:
    made = registry(hello(ORDER, instance="a"))
    dispatch(made, "x")
    forged = execution("x", run="order-2").model_copy(update={"run_uid": "u2", "commits": 7})
    result = Succeeded(directive=Complete())
    assert made.on_outcome("a", Outcome(execution=forged, result=result)) == KEY
    brought = held(made)["x"].outcome
    assert brought is not None
    assert brought.execution == execution("x")


def test_all_workers_are_back_when_as_many_came_as_there_were_and_stay_so() -> None:
    made = registry()
    made.accept_workers(awaited=2)
    seen = [made.get_view(KEY, "Order").all_back]
    for name in ("a", "b"):
        made.on_hello(hello(ORDER, worker=name, instance=name), "orders")
        seen.append(made.get_view(KEY, "Order").all_back)
    made.on_disconnect("a")
    assert [*seen, made.get_view(KEY, "Order").all_back] == [False, False, True, True]


def test_workers_of_an_unknown_number_are_never_known_to_be_back() -> None:
    made = registry(hello(ORDER))
    made.accept_workers(awaited=None)
    assert not made.all_back


def test_a_worker_that_is_away_with_an_execution_is_present_until_it_is_given_up() -> None:
    two = [hello(ORDER, worker=name, instance=name) for name in ("a", "b")]
    made = registry(*two)
    dispatch(made, "x")
    seen = [made.present]
    for instance in ("a", "b"):
        made.on_disconnect(instance)
        seen.append(made.present)
    for instance in ("a", "b"):
        made.give_up(instance)
    assert (seen[0], seen[-1], made.present) == (2, 1, 0)


def test_one_worker_stands_for_all_that_are_alike() -> None:
    made = registry(*(hello(ORDER, worker=name, instance=name) for name in "abc"))
    give(made, "x")
    names = [each.name for each in made.get_view(KEY, "Order").workers]
    assert len(names) == 2  # one with room, and one that holds an execution of the run
    assert "a" in names
    newer = catalogue("Order", "approve", "reject")
    made.on_hello(hello(newer, worker="d", instance="d"), "orders")
    assert len(made.get_view(KEY, "Order").workers) == 3


def test_a_clock_that_steps_back_leaves_every_length_of_time_as_it_was() -> None:
    clock, seconds = Clock(), [0.0]
    made = ExecutionRegistry(clock, lambda: seconds[0], ignore)
    made.on_hello(hello(ORDER, instance="a"), "orders")
    dispatch(made, "x")
    made.on_disconnect("a")
    hour = timedelta(hours=1)
    before = made.get_view(KEY, "Order")

    clock.time -= hour
    made.on_jump(-hour)

    after = made.get_view(KEY, "Order")
    assert after.accepting_since == before.accepting_since - hour
    assert after.workers[0].seen == before.workers[0].seen - hour
    assert after.held[0].since == before.held[0].since - hour


def test_how_long_an_outcome_took_is_not_measured_by_a_clock_that_jumps() -> None:
    clock, seconds = Clock(), [0.0]
    made = ExecutionRegistry(clock, lambda: seconds[0], ignore)
    made.on_hello(hello(ORDER, instance="a"), "orders")
    instance = dispatch(made, "x")

    clock.time -= timedelta(hours=1)
    seconds[0] += 3.0
    made.on_outcome(instance, outcome("x"))

    assert held(made)["x"].took == timedelta(seconds=3)


def test_a_version_that_refused_is_not_chosen_again() -> None:
    other = catalogue("Order", "approve", "refund")
    made = registry(hello(ORDER, instance="a"), hello(other, instance="b"))
    roster = made.roster

    for name in ("choose", "reserve", "reserve_clear"):
        key = () if name == "choose" else (KEY,)
        worker = getattr(roster, name)(*key, GROUP, *APPROVE, [ORDER])
        assert worker.instance == "b"
        roster.end_reservation(KEY)
    assert roster.choose(GROUP, *APPROVE, [ORDER, other]) is None


def test_a_reservation_ends_if_the_workers_version_refused_the_execution() -> None:
    other = catalogue("Order", "approve", "refund")
    made = registry(hello(ORDER, instance="a"), hello(other, instance="b"))
    kept = made.roster.reserve(KEY, GROUP, *APPROVE)
    assert kept is not None

    another = made.roster.reserve(KEY, GROUP, *APPROVE, [kept.catalogues["Order"]])

    assert another is not None
    assert another is not kept


def test_an_execution_is_known_with_the_version_of_its_worker() -> None:
    made = registry(hello(ORDER))
    dispatch(made, "e1")
    assert held(made)["e1"].catalogue == ORDER


def test_the_number_of_executions_that_a_worker_reports_is_bounded() -> None:
    made = registry(hello(ORDER, instance="a", capacity=100_000))
    for number in range(MAX_CLAIMED_EXECUTIONS):
        assert made.may_hold(execution(f"x{number}"), "a")
        made.on_outcome("a", outcome(f"x{number}"))
    assert not made.may_hold(execution("one-more"), "a")
    assert made.may_hold(execution("x0"), "a")
    made.forget_execution("x0")
    assert made.may_hold(execution("one-more"), "a")


def test_an_execution_that_was_given_does_not_count_as_reported() -> None:
    made = registry(hello(ORDER, instance="a", capacity=100_000))
    for number in range(MAX_CLAIMED_EXECUTIONS + 1):
        give(made, f"x{number}", f"order-{number}")
    assert made.may_hold(execution("unknown"), "a")


def test_an_execution_knows_whether_this_operator_gave_it_to_its_worker() -> None:
    made = registry(hello(ORDER, instance="a", held=(execution("x"),)))
    dispatch(made, "y")
    made.on_outcome("a", outcome("z"))
    assert {name: each.given_here for name, each in held(made).items()} == {
        "x": False,
        "y": True,
        "z": False,
    }

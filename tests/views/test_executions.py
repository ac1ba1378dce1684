from datetime import UTC, datetime, timedelta

import pytest

from grctl.models.directive import Complete
from grctl.models.phases import HandlerKind
from grctl.models.wire import Execution, Hello, Outcome, Succeeded
from grctl_operator.engine.observation import Held, Key
from grctl_operator.views.executions import MAX_CLAIMED_EXECUTIONS, ExecutionRegistry
from grctl_operator.views.roster import LEFT_WORKER_IN_VIEW
from grctl_operator.views.team import Ending
from tests.runtime.played_worker import catalogue, hello

KEY = Key("shop", "order-1")
GROUP = ("shop", "Order")
ORDER = catalogue("Order", "approve")


class Clock:
    def __init__(self) -> None:
        self.time = datetime(2026, 11, 23, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time


def execution(name: str, run: str = "order-1") -> Execution:
    return Execution(
        id=name,
        namespace="shop",
        workflow_id=run,
        workflow_type="Order",
        run_uid="u1",
        commits=1,
        handler_kind=HandlerKind.EVENT,
        handler_name="approve",
    )


def outcome(name: str, result: str = "first") -> Outcome:
    return Outcome(execution=execution(name), result=Succeeded(directive=Complete(result=result)))


def ignore(_key: Key) -> None:
    """Stand in for the queue of runs to be looked at."""


def registry(*greetings: Hello, told: list[Key] | None = None) -> ExecutionRegistry:
    """Return a registry that workers have joined; `told` gets the runs to be looked at."""
    told = [] if told is None else told
    made = ExecutionRegistry(Clock(), lambda: 0.0, told.append)
    for greeting in greetings:
        made.on_hello(greeting, "orders")
    return made


def dispatch(made: ExecutionRegistry, name: str) -> str:
    worker = made.roster.choose(GROUP, HandlerKind.EVENT, "approve")
    assert worker is not None
    made.on_dispatch(execution(name), worker)
    return worker.instance


def held(made: ExecutionRegistry) -> dict[str, Held]:
    return {each.execution.id: each for each in made.get_view(KEY, "Order").held}


def free(made: ExecutionRegistry) -> list[int]:
    return [each.free for each in made.get_view(KEY, "Order").workers]


def test_what_a_worker_says_it_holds_is_taken_over() -> None:
    made = registry()
    assert made.on_hello(hello(ORDER, held=(execution("x"),)), "orders") == (KEY,)
    assert held(made)["x"].worker == "worker-1"
    assert free(made) == [9]


def test_the_worker_that_holds_least_is_chosen() -> None:
    made = registry(hello(ORDER, worker="a", instance="a"), hello(ORDER, worker="b", instance="b"))
    assert {dispatch(made, "x"), dispatch(made, "y")} == {"a", "b"}


def test_nobody_is_chosen_who_is_full_drains_lacks_the_handler_or_serves_another_namespace() -> (
    None
):
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


def test_an_outcome_that_nobody_knows_is_kept_for_the_engine_to_judge() -> None:
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


def test_what_the_last_process_of_a_worker_held_is_lost_when_the_next_says_hello() -> None:
    made = registry(hello(ORDER, instance="a"))
    dispatch(made, "x")
    made.on_hello(hello(ORDER, instance="b"), "orders")
    assert held(made)["x"].lost


def test_a_worker_of_another_name_takes_nothing_from_others() -> None:
    made = registry(hello(ORDER, instance="a", worker="one"))
    dispatch(made, "x")
    made.on_hello(hello(ORDER, instance="b", worker="two"), "orders")
    assert not held(made)["x"].lost


def test_a_worker_back_after_its_grace_has_again_what_the_engine_has_not_dealt_with() -> None:
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


def test_what_its_worker_declines_is_forgotten_and_no_attempt_is_counted() -> None:
    made = registry(hello(ORDER, instance="i1"))
    dispatch(made, "x")
    assert made.on_decline("another", "x") is None
    assert made.on_decline("i1", "x") == KEY
    assert held(made) == {}
    assert made.on_decline("i1", "x") is None


def test_an_execution_is_held_by_a_worker_that_is_there_and_takes_more() -> None:
    made = registry(hello(ORDER, instance="i1"))
    dispatch(made, "x")
    holder = made.find_holder("x")
    assert holder is not None
    assert holder.instance == "i1"
    made.on_drain("i1")
    assert made.find_holder("x") is None
    assert made.find_holder("unknown") is None


def test_an_execution_is_of_whom_it_was_given_to_and_of_nobody_else() -> None:
    made = registry(hello(ORDER, instance="a"))
    dispatch(made, "x")
    made.on_hello(hello(ORDER, instance="b", worker="two"), "thief")
    assert made.may_hold(execution("x"), "a")
    assert not made.may_hold(execution("x"), "b")


def test_an_unknown_execution_is_of_who_says_so_if_it_serves_its_namespace_and_type() -> None:
    made = registry(hello(ORDER, instance="a"))
    elsewhere = execution("x").model_copy(update={"namespace": "bank"})
    of_other_type = execution("x").model_copy(update={"workflow_type": "Refund"})
    assert made.may_hold(execution("x"), "a")
    assert not made.may_hold(elsewhere, "a")
    assert not made.may_hold(of_other_type, "a")
    assert not made.may_hold(execution("x"), "nobody")


def test_a_claim_of_anothers_execution_changes_nothing() -> None:
    made = registry(hello(ORDER, instance="a"))
    dispatch(made, "x")
    made.on_hello(hello(ORDER, instance="b", worker="two", held=(execution("x"),)), "thief")
    assert held(made)["x"].worker == "worker-1"


def test_another_who_takes_a_workers_name_does_not_make_its_executions_lost() -> None:
    made = registry(hello(ORDER, instance="a"))
    dispatch(made, "x")
    assert made.on_hello(hello(ORDER, instance="b"), "thief") == ()
    assert not held(made)["x"].lost


def test_a_process_is_not_another_of_the_same_instance() -> None:
    made = registry(hello(ORDER, instance="a"))
    assert made.is_identity_of(hello(ORDER, instance="a"), "orders")
    assert made.is_identity_of(hello(ORDER, instance="b"), "thief")
    assert not made.is_identity_of(hello(ORDER, instance="a"), "thief")


def test_an_outcome_counts_for_the_execution_that_was_given_whatever_it_says_of_it() -> None:
    made = registry(hello(ORDER, instance="a"))
    dispatch(made, "x")
    forged = execution("x", run="order-2").model_copy(update={"run_uid": "u2", "commits": 7})
    result = Succeeded(directive=Complete())
    assert made.on_outcome("a", Outcome(execution=forged, result=result)) == KEY
    brought = held(made)["x"].outcome
    assert brought is not None
    assert brought.execution == execution("x")


def test_all_are_back_when_as_many_came_as_there_were_and_stay_so() -> None:
    made = registry()
    made.accept_workers(awaited=2)
    seen = [made.get_view(KEY, "Order").all_back]
    for name in ("a", "b"):
        made.on_hello(hello(ORDER, worker=name, instance=name), "orders")
        seen.append(made.get_view(KEY, "Order").all_back)
    made.on_disconnect("a")
    assert [*seen, made.get_view(KEY, "Order").all_back] == [False, False, True, True]


def test_where_nobody_says_how_many_there_were_they_are_never_known_to_be_back() -> None:
    made = registry(hello(ORDER))
    made.accept_workers(awaited=None)
    assert not made.all_back


def test_who_is_away_with_something_counts_as_present_until_it_is_given_up() -> None:
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


# What was lost by a crash of its own, and who runs alone.

OTHER = Key("shop", "order-2")
APPROVE = (HandlerKind.EVENT, "approve")


def give(made: ExecutionRegistry, name: str, run: str = "order-1", attempt: int = 1) -> None:
    """Dispatch an execution as the dispatcher does it."""
    given = execution(name, run).model_copy(update={"attempt": attempt})
    choose = made.roster.reserve_clear if attempt > 1 else None
    key = Key("shop", run)
    worker = choose(key, GROUP, *APPROVE) if choose else made.roster.choose(GROUP, *APPROVE)
    assert worker is not None
    made.on_dispatch(given, worker)


def crashed(made: ExecutionRegistry, run: Key = KEY) -> list[tuple[bool, bool]]:
    held = made.get_view(run, "Order").held
    return [(each.lost, each.crashed) for each in held]


def clear(made: ExecutionRegistry, run: Key = KEY) -> bool:
    return any(each.clear for each in made.get_view(run, "Order").workers)


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
def test_a_worker_that_is_away_without_having_been_killed_is_no_crash(ending: Ending) -> None:
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


def test_a_worker_that_is_kept_is_given_nothing_new_and_is_clear_when_it_is_empty() -> None:
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


def test_of_several_workers_half_are_kept_at_most() -> None:
    made = registry(*(hello(ORDER, worker=name, instance=name) for name in "abcde"))
    runs = [Key("shop", f"suspect-{number}") for number in range(4)]
    kept = [made.roster.reserve(each, GROUP, *APPROVE) for each in runs]
    assert [each is not None for each in kept] == [True, True, False, False]
    assert len({each.instance for each in kept if each}) == 2
    assert not clear(made, runs[2])
    assert made.roster.choose(GROUP, *APPROVE) is not None


def test_a_worker_that_is_no_longer_wanted_takes_executions_again() -> None:
    made = registry(hello(ORDER, instance="a"))
    give(made, "x", "order-2")
    made.roster.reserve(KEY, GROUP, *APPROVE)
    assert made.end_reservation(KEY) == (GROUP,)
    assert made.roster.choose(GROUP, *APPROVE) is not None


@pytest.mark.parametrize("how", ["drains", "leaves"])
def test_a_kept_worker_that_takes_nothing_any_more_is_kept_no_longer(how: str) -> None:
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


def test_one_worker_stands_for_all_that_are_alike() -> None:
    made = registry(*(hello(ORDER, worker=name, instance=name) for name in "abc"))
    give(made, "x")
    names = [each.name for each in made.get_view(KEY, "Order").workers]
    assert len(names) == 2  # one that has room, and the one that holds something of the run
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


def test_a_worker_that_was_kept_is_not_kept_for_what_its_version_refused() -> None:
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


def test_what_a_worker_says_it_has_is_bounded_until_it_is_released() -> None:
    made = registry(hello(ORDER, instance="a", capacity=100_000))
    for number in range(MAX_CLAIMED_EXECUTIONS):
        assert made.may_hold(execution(f"x{number}"), "a")
        made.on_outcome("a", outcome(f"x{number}"))
    assert not made.may_hold(execution("one-more"), "a")
    assert made.may_hold(execution("x0"), "a")
    made.forget_execution("x0")
    assert made.may_hold(execution("one-more"), "a")


def test_what_a_worker_is_given_does_not_count_as_said_by_it() -> None:
    made = registry(hello(ORDER, instance="a", capacity=100_000))
    for number in range(MAX_CLAIMED_EXECUTIONS + 1):
        give(made, f"x{number}", f"order-{number}")
    assert made.may_hold(execution("unknown"), "a")

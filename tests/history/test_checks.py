"""Each check catches the history that it is there for, and lets the good one pass."""

from dataclasses import replace

import pytest

from grctl.models.phases import EventPhase, RunPhase
from tests.history.builder import NOON, HistoryBuilder, second
from tests.history.checks import CHECKS, violations
from tests.history.history import CreateAnswer


def failing(builder: HistoryBuilder, **fields: object) -> set[str]:
    """Return the names of the checks that find a violation."""
    return {text.split(":")[0] for text in violations(builder.history(**fields))}


@pytest.fixture
def builder() -> HistoryBuilder:
    """A history of a run that waits and has handled two events."""
    builder = HistoryBuilder()
    builder.start()
    builder.commit(execution=builder.execute())
    for number in (1, 2):
        builder.handle(builder.send(number))
    return builder


def test_a_good_history_passes(builder: HistoryBuilder) -> None:
    unknown, unfit = builder.send(name="aprove"), builder.send("three")
    builder.reject(unknown, "UnknownEvent")
    builder.reject(unfit, "BadPayload")
    withdrawn, late = builder.send(), builder.send(5)
    builder.delete(withdrawn)
    lost = builder.execute(late)
    builder.commit(late, execution=builder.execute(late, attempt=2))
    builder.delete(late)  # after its commit: it counts
    builder.finish()
    left = builder.send()
    builder.reject(left, "RunFinished")
    elsewhere = builder.send(wanted_run="run0")
    builder.change_event(elsewhere, phase=EventPhase.REJECTED, reason="RunGone")
    builder.change(deleting=True)
    builder.reject(builder.send(), "RunDeleted")
    early = builder.send(workflow_id="nobody")
    assert lost
    assert violations(builder.history(unfit={unfit}, waiting={early})) == []


def test_several_outcomes_may_be_committed_in_one_write(builder: HistoryBuilder) -> None:
    events = [builder.send(number) for number in (3, 4, 5)]
    last = [builder.execute(event) for event in events][-1]
    builder.commit(*events, execution=last, commits=builder.run.commits + 3)
    for event in events:
        builder.settle(event)
    assert failing(builder) == set()


def test_every_check_has_a_test_in_which_it_fails() -> None:
    names = {name for name, each in globals().items() if name.startswith("test_")}
    assert {f"test_{check.__name__}" for check in CHECKS} - {
        name.split("__")[0] for name in names
    } == set()


def test_seen_as_answered__an_accepted_event_is_never_seen(builder: HistoryBuilder) -> None:
    builder.answers.append(CreateAnswer("event9", "lost", 99))
    assert failing(builder) == {"seen_as_answered"}


def test_seen_as_answered__it_may_have_been_withdrawn_where_versions_are_missing(
    builder: HistoryBuilder,
) -> None:
    builder.answers.append(CreateAnswer("event9", "lost", 99))
    withdrawn = {"withdrawals": frozenset({"event9"})}
    assert failing(builder, **withdrawn) == {"seen_as_answered"}
    assert failing(builder, **withdrawn, complete=False) == set()


def test_seen_as_answered__it_is_seen_at_another_revision(builder: HistoryBuilder) -> None:
    builder.answers[-1] = replace(builder.answers[-1], revision=1)
    assert "seen_as_answered" in failing(builder)


def test_settled_once__an_event_is_left_pending(builder: HistoryBuilder) -> None:
    builder.send(3)
    assert failing(builder) == {"settled_once"}


def test_settled_once__an_event_that_should_wait_is_settled(builder: HistoryBuilder) -> None:
    assert failing(builder, waiting={"event1"}) == {"settled_once"}


def test_settled_once__two_final_phases(builder: HistoryBuilder) -> None:
    builder.change_event("event1", phase=EventPhase.FAILED)
    assert "settled_once" in failing(builder)


def test_settled_once__the_status_says_other_than_the_commit(builder: HistoryBuilder) -> None:
    event = builder.send(3)
    builder.commit(event, execution=builder.execute(event))
    builder.settle(event, sequence=7)
    assert failing(builder) == {"settled_once"}


def test_settled_once__settled_without_a_commit(builder: HistoryBuilder) -> None:
    builder.change_event(
        builder.send(3), phase=EventPhase.PROCESSED, reason="Handled", sequence=3, run="run1"
    )
    assert failing(builder) == {"settled_once"}


def test_settled_once__processed_without_a_sequence(builder: HistoryBuilder) -> None:
    builder.change_event(builder.send(3), phase=EventPhase.PROCESSED, reason="Handled", run="run1")
    assert failing(builder) == {"settled_once"}


def test_withdrawn_where_asked(builder: HistoryBuilder) -> None:
    builder.delete(builder.send(3), asked=False)
    assert failing(builder) == {"withdrawn_where_asked"}


def test_in_order__an_event_is_passed_by(builder: HistoryBuilder) -> None:
    first, second_one = builder.send(3), builder.send(4)
    builder.handle(second_one)
    builder.handle(first)
    assert failing(builder) == {"in_order"}
    assert failing(builder, may_move={first}) == set()


def test_in_order__only_events_of_one_name_where_waits_choose(builder: HistoryBuilder) -> None:
    later, first, second_one = builder.send(3, "later"), builder.send(4), builder.send(5)
    builder.handle(first)
    builder.handle(later)
    builder.handle(second_one)
    assert failing(builder) == {"in_order"}
    assert failing(builder, choosing={"Append"}) == set()


def test_in_order__events_of_one_name_where_waits_choose(builder: HistoryBuilder) -> None:
    first, second_one = builder.send(3), builder.send(4)
    builder.handle(second_one)
    builder.handle(first)
    assert failing(builder, choosing={"Append"}) == {"in_order"}


def test_waits_take_what_they_chose(builder: HistoryBuilder) -> None:
    builder.change(wait_events=frozenset({"later"}))
    builder.handle(builder.send(3))
    assert failing(builder) == {"waits_take_what_they_chose"}


def test_a_timeout_may_win_over_an_event_that_the_wait_did_not_choose(
    builder: HistoryBuilder,
) -> None:
    waiting_until(builder, 2)
    builder.change(wait_events=frozenset({"later"}))
    event = builder.send(3, created=second(1))
    time_out(builder)
    builder.commit(execution=builder.execute(), step=None, wait_events=None)
    builder.handle(event)
    assert failing(builder) == set()


def test_in_order__a_number_is_left_out(builder: HistoryBuilder) -> None:
    event = builder.send(3)
    builder.change(settled=3)
    builder.handle(event)
    assert "in_order" in failing(builder)


def test_in_order__statuses_tell_it_after_the_watch_began_anew(
    builder: HistoryBuilder,
) -> None:
    builder.runs = [run for run in builder.runs if run.settled != 1]
    builder.events = [each for each in builder.events if each.uid != "event1"]
    missed = builder.history(complete=False, answers=())
    assert any("in_order" in text for text in violations(missed))


def test_committed_once__an_event_twice(builder: HistoryBuilder) -> None:
    event = builder.send(3)
    builder.handle(event)
    builder.commit(event, execution=builder.execute(event))
    assert "committed_once" in failing(builder)


def test_committed_once__an_event_by_two_runs(builder: HistoryBuilder) -> None:
    builder.start("order")
    builder.commit("event1", execution=builder.execute("event1"))
    assert "committed_once" in failing(builder)


def test_committed_once__an_execution_twice(builder: HistoryBuilder) -> None:
    execution = builder.run.last_execution
    builder.handle(builder.send(3))
    builder.change(last_execution=execution, commits=builder.run.commits + 1)
    assert failing(builder) == {"committed_once"}


def test_committed_once__two_commits_in_one(builder: HistoryBuilder) -> None:
    builder.change(commits=builder.run.commits + 2)
    assert failing(builder) == {"committed_once"}


def test_committed_once__a_commit_that_goes_back(builder: HistoryBuilder) -> None:
    builder.change(commits=builder.run.commits - 1)
    assert failing(builder) == {"committed_once"}


def test_committed_once__the_store_changes_between_commits(builder: HistoryBuilder) -> None:
    builder.change(payloads=(1,))
    assert "committed_once" in failing(builder)


def test_committed_once__a_finished_run_goes_on(builder: HistoryBuilder) -> None:
    builder.finish()
    builder.change(phase=RunPhase.WAIT_EVENT)
    assert failing(builder) == {"committed_once"}


@pytest.mark.parametrize("payloads", [(1,), (1, 2, 2), (2, 1), (1, 2, 3)])
def test_store_is_the_fold(builder: HistoryBuilder, payloads: tuple[int, ...]) -> None:
    builder.commit(execution=builder.execute())
    builder.runs[-1] = replace(builder.run, payloads=payloads)
    assert failing(builder) == {"store_is_the_fold"}


def test_executed_before_committed__no_worker_ran_the_execution(builder: HistoryBuilder) -> None:
    builder.commit(execution="invented")
    assert failing(builder) == {"executed_before_committed"}


def test_executed_before_committed__no_worker_had_the_event(builder: HistoryBuilder) -> None:
    event = builder.send(3)
    builder.commit(event, execution=builder.execute())
    builder.settle(event)
    assert failing(builder) == {"executed_before_committed"}


def waiting_until(builder: HistoryBuilder, seconds: float) -> None:
    """Commit a wait with a deadline."""
    builder.commit(execution=builder.execute(), deadline=second(seconds))


def time_out(builder: HistoryBuilder) -> None:
    """Commit the timeout of the wait."""
    builder.commit(deadline=None, step="too_late")


def test_no_timeout_beats_an_event__one_in_time_waits(
    builder: HistoryBuilder,
) -> None:
    waiting_until(builder, 2)
    event = builder.send(3, created=second(2))
    time_out(builder)
    builder.handle(event)
    assert failing(builder) == {"no_timeout_beats_an_event"}


def test_no_timeout_beats_an_event__the_watch_was_late(
    builder: HistoryBuilder,
) -> None:
    waiting_until(builder, 2)
    event = builder.send(3, created=second(2), seen=second(9))
    builder.answers[-1] = replace(builder.answers[-1], at=second(2.9))
    time_out(builder)
    builder.handle(event)
    assert failing(builder) == {"no_timeout_beats_an_event"}


def test_a_timeout_may_win_over_an_event_that_is_being_stored(
    builder: HistoryBuilder,
) -> None:
    waiting_until(builder, 2)
    event = builder.send(3, created=second(2), seen=second(3.2))
    builder.answers[-1] = replace(builder.answers[-1], at=second(3.1))
    time_out(builder)
    builder.commit(execution=builder.execute(), step=None)
    builder.handle(event)
    assert failing(builder) == set()


def test_no_timeout_beats_an_event__a_late_one_ends_the_wait(builder: HistoryBuilder) -> None:
    waiting_until(builder, 2)
    event = builder.send(3, created=second(3))
    builder.handle(event)
    assert failing(builder) == {"no_timeout_beats_an_event"}


def test_a_timeout_may_win_over_events_that_are_late_or_withdrawn(
    builder: HistoryBuilder,
) -> None:
    waiting_until(builder, 2)
    withdrawn, late = builder.send(created=NOON), builder.send(3, created=second(3))
    builder.delete(withdrawn)
    time_out(builder)
    builder.commit(execution=builder.execute(), step=None)
    builder.handle(late)
    assert failing(builder) == set()


def test_rejected_for_a_reason__a_known_event(builder: HistoryBuilder) -> None:
    builder.reject(builder.send(3), "UnknownEvent")
    assert failing(builder) == {"rejected_for_a_reason"}


def test_rejected_for_a_reason__an_unknown_event_that_was_run(builder: HistoryBuilder) -> None:
    event = builder.send(name="aprove")
    builder.execute(event)
    builder.reject(event, "UnknownEvent")
    assert failing(builder) == {"rejected_for_a_reason"}


def test_rejected_for_a_reason__a_payload_that_fits(builder: HistoryBuilder) -> None:
    builder.reject(builder.send(3), "BadPayload")
    assert failing(builder) == {"rejected_for_a_reason"}


@pytest.mark.parametrize("reason", ["RunFinished", "RunDeleted", "RunGone", "Whatever"])
def test_rejected_for_a_reason__it_is_not_so(builder: HistoryBuilder, reason: str) -> None:
    builder.reject(builder.send(3), reason)
    assert failing(builder) == {"rejected_for_a_reason"}


def called_and_recorded(builder: HistoryBuilder) -> str:
    """Call a task in an attempt that is lost after the result was recorded."""
    event = builder.send(3)
    lost = builder.execute(event)
    builder.call(lost, "charge")
    builder.call(lost, "charge", "charged")
    builder.record(event, 1, "charged")
    builder.record(event, 2, "charged")
    return event


def test_a_recorded_task_that_a_further_attempt_does_not_call_is_allowed(
    builder: HistoryBuilder,
) -> None:
    event = called_and_recorded(builder)
    second_one = builder.execute(event, attempt=2)
    builder.call(second_one, "mail")
    builder.call(second_one, "mail", "sent")
    builder.commit(event, execution=second_one)
    builder.settle(event)
    assert failing(builder, tasks={"append": 0}) == set()


def test_tasks_are_called(builder: HistoryBuilder) -> None:
    event = called_and_recorded(builder)
    builder.commit(event, execution=builder.execute(event, attempt=2))
    builder.settle(event)
    builder.events = [each for each in builder.events if each.uid not in {"event1", "event2"}]
    assert "tasks_are_called" not in failing(builder, tasks={"append": 1})
    assert "tasks_are_called" in failing(builder, tasks={"append": 2})


def test_recorded_tasks_are_not_called_again(builder: HistoryBuilder) -> None:
    event = called_and_recorded(builder)
    second_one = builder.execute(event, attempt=2)
    builder.call(second_one, "charge")
    builder.commit(event, execution=second_one)
    builder.settle(event)
    assert failing(builder) == {"recorded_tasks_are_not_called_again"}


def test_a_task_that_was_recorded_while_the_further_attempt_ran_may_be_called(
    builder: HistoryBuilder,
) -> None:
    event = builder.send(3)
    paused = builder.execute(event)
    builder.call(paused, "charge")
    builder.record(event, 2)
    second_one = builder.execute(event, attempt=2)
    builder.call(paused, "charge", "charged")
    builder.record(event, 2, "charged")
    builder.call(second_one, "charge")
    builder.commit(event, execution=second_one)
    builder.settle(event)
    assert failing(builder) == set()


@pytest.mark.parametrize("results", [(), ("charged again",)], ids=["gone", "changed"])
def test_records_stay(builder: HistoryBuilder, results: tuple[str, ...]) -> None:
    event = called_and_recorded(builder)
    builder.record(event, 2, *results)
    builder.commit(event, execution=builder.execute(event, attempt=2))
    builder.settle(event)
    assert failing(builder) == {"records_stay"}


def test_rejected_for_a_reason__its_run_is_there(builder: HistoryBuilder) -> None:
    event = builder.send(wanted_run="run1")
    builder.change_event(event, phase=EventPhase.REJECTED, reason="RunGone")
    assert failing(builder) == {"rejected_for_a_reason"}

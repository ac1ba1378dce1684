"""The questions asked of a situation: what it trusts, what is current, what is in flight."""

from dataclasses import replace

import pytest

from grctl_operator.engine import Event, Events
from grctl_operator.engine.situation import OUTBOX_LIMIT, Situation
from tests.engine.builders import (
    NOON,
    at,
    event,
    execution,
    executions,
    finished_run,
    lost,
    new_run,
    runs,
    settlement,
    view,
    waiting_run,
    with_metadata,
)


def situation(*waiting: Event, settled: list[Event] | None = None) -> Situation:
    run = waiting_run(settled=[settlement(each) for each in settled or []])
    return Situation(run, view(run, *waiting), executions(), NOON)


def test_an_entry_is_confirmed_when_a_complete_view_shows_it_no_more() -> None:
    known, unknown = event("a"), event("b")

    made = situation(unknown, settled=[known, unknown])

    assert [each.name for each in made.unconfirmed_entries] == ["b"]
    assert made.outbox_room == OUTBOX_LIMIT - 1


def test_an_incomplete_view_confirms_nothing() -> None:
    run = waiting_run(settled=[settlement(event("a"))])

    made = Situation(run, view(run, complete=False), executions(), NOON)

    assert [each.name for each in made.unconfirmed_entries] == ["a"]


def test_a_run_without_commits_has_consumed_nothing() -> None:
    run = new_run()

    assert Situation(run, Events(), executions(), NOON).events_complete


@pytest.mark.parametrize("known", [("run-1", 2), ("run-1", 4), ("another-run", 3), None])
def test_a_view_of_other_commits_is_incomplete(known: tuple[str, int] | None) -> None:
    run = waiting_run(commits=3)
    events = replace(view(run), complete_for=known)

    assert not Situation(run, events, executions(), NOON).events_complete


def test_an_execution_is_current_by_uid_commits_and_base() -> None:
    made = situation()

    assert made.is_current(execution(made.run, event("approve")))
    for changed in ({"run_uid": "other"}, {"commits": 2}, {"base": None}, {"base": "other"}):
        assert not made.is_current(execution(made.run, event("approve"), **changed))


def test_an_execution_of_another_workflow_type_is_not_current() -> None:
    """A worker that may execute one type cannot reach the runs of another type."""
    made = situation()

    assert not made.is_current(execution(made.run, workflow_type="Refund"))


def test_nothing_is_current_for_a_finished_run() -> None:
    run = finished_run()

    assert not Situation(run, view(run), executions(), NOON).is_current(execution(run))


def test_an_execution_that_a_worker_may_bring_back_is_in_flight() -> None:
    run = waiting_run()
    approve = event("approve")
    running = runs(execution(run, approve, "running"))
    held = executions(
        running,
        lost(execution(run, approve, "lost")),
        runs(execution(run, approve, "old", commits=2)),
        runs(execution(run, event("gone"), "withdrawn")),
    )

    assert Situation(run, view(run, approve), held, NOON).in_flight == (running,)


def test_an_event_is_not_taken_for_withdrawn_by_an_incomplete_view() -> None:
    run = waiting_run()
    running = runs(execution(run, event("approve")))

    made = Situation(run, view(run, complete=False), executions(running), NOON)

    assert made.in_flight == (running,)


def test_the_time_that_is_written_is_a_whole_second() -> None:
    run = waiting_run()

    assert Situation(run, view(run), executions(), at("12:00:00.999")).second == NOON


def test_an_event_is_trusted_if_listed_or_younger_than_its_run() -> None:
    run = waiting_run()
    old = event("a", created_at=at("08:00"), place=8)
    young = event("b", created_at=at("11:00"), place=9)

    listed = Situation(run, view(run, old, young), executions(), NOON)
    unlisted = Situation(
        run, view(run, old, young, listed=False, run_first_revision=7), executions(), NOON
    )
    incomplete = Situation(run, view(run, old, young, complete=False), executions(), NOON)

    assert [listed.trusts(each) for each in (old, young)] == [True, True]
    assert [unlisted.trusts(each) for each in (old, young)] == [False, True]
    assert [incomplete.trusts(each) for each in (old, young)] == [False, False]


def test_an_event_is_not_younger_than_its_run_by_its_stamp_alone() -> None:
    run = waiting_run()
    seen_before = event("approve", created_at=at("11:30"), place=7)

    made = Situation(
        run, view(run, seen_before, listed=False, run_first_revision=7), executions(), NOON
    )

    assert not made.trusts(seen_before)


def test_a_run_whose_age_is_unknown_trusts_a_list_only() -> None:
    run = with_metadata(waiting_run(), creation_timestamp=None)
    approve = event("approve", place=8)

    made = Situation(
        run, view(run, approve, listed=False, run_first_revision=7), executions(), NOON
    )

    assert not made.trusts(approve)


def test_a_run_whose_first_revision_is_unknown_trusts_a_list_only() -> None:
    run = waiting_run()
    approve = event("approve", place=8)

    made = Situation(run, view(run, approve, listed=False), executions(), NOON)

    assert not made.trusts(approve)

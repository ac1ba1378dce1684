"""The decision in the making: what it trusts, what it counts, and what it answers."""

from dataclasses import replace

import pytest

from grctl.models import EventPhase, RunPhase
from grctl.models.run import HistoryEntry
from grctl_operator.engine import Decision, Event, Events, ListEvents
from grctl_operator.engine.draft import HISTORY_LENGTH, OUTBOX_LIMIT, Draft
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
    seconds,
    settlement,
    status_of,
    stepping_run,
    view,
    waiting_run,
    with_metadata,
)


def draft(*waiting: Event, settled: list[Event] | None = None) -> Draft:
    run = waiting_run(settled=[settlement(each) for each in settled or []])
    return Draft(run, view(run, *waiting), executions(), NOON)


def test_a_draft_that_changes_nothing_decides_nothing() -> None:
    assert draft().decision() == Decision()


def test_a_change_for_people_is_written_a_little_later() -> None:
    made = draft()
    made.change(message="busy")

    assert made.decision().write_by == NOON + seconds(0.25)


def test_what_only_we_know_is_written_at_once() -> None:
    made = draft()
    made.write_first(phase=RunPhase.RUNNING)

    decision = made.decision()

    assert decision.write_by == NOON
    assert status_of(decision).commits == made.run.status.commits


def test_nothing_is_due_once_a_run_waits_for_an_event_and_none_is_there() -> None:
    waits, has_next, finishes = draft(), draft(event("approve")), draft()
    for made in (waits, has_next):
        made.commit(execution(made.run))
    finishes.finish(RunPhase.COMPLETED, "Completed", "Completed.")
    finishes.commit(execution(finishes.run))

    rest = [made.decision().rests for made in (waits, has_next, finishes)]

    assert rest == [True, False, False]


def test_an_event_that_a_commit_consumes_does_not_wait() -> None:
    handled = event("approve")
    made = draft(handled)
    made.consume(handled, EventPhase.PROCESSED, "Handled")
    made.commit(execution(made.run, handled))

    assert made.decision().rests


def test_a_commit_of_a_run_that_goes_on_waiting_may_be_written_with_the_next() -> None:
    goes_on, has_next, finishes, shows = draft(), draft(event("approve")), draft(), draft()
    begins = Draft(stepping_run("ship"), view(stepping_run("ship")), executions(), NOON)
    for made in (goes_on, has_next, finishes, begins):
        made.commit(execution(made.run))
    finishes.finish(RunPhase.COMPLETED, "Completed", "Completed.")
    begins.change(phase=RunPhase.WAIT_EVENT, step=None, wait=goes_on.status.wait)

    drafts = (goes_on, has_next, finishes, begins, shows)
    assert [made.decision().with_next for made in drafts] == [True, False, False, False, False]
    assert begins.decision().rests


def test_a_commit_moves_commits_by_one_and_names_its_execution() -> None:
    made = draft()
    made.commit(execution(made.run, execution_id="e9"))

    assert (made.status.commits, made.status.last_execution) == (4, "e9")


def test_a_commit_without_an_execution_leaves_the_last_one() -> None:
    made = draft()
    made.commit()

    assert (made.status.commits, made.status.last_execution) == (4, "before")


def test_a_consumed_event_is_numbered_counted_and_put_into_the_outbox() -> None:
    approve = event("approve")
    made = draft(approve)

    made.consume(approve, EventPhase.PROCESSED, "Handled")

    assert made.status.events.processed == 1
    assert [(each.uid, each.sequence, each.at) for each in made.status.settled] == [
        (approve.uid, 1, NOON)
    ]
    assert made.is_settled(approve)


def test_an_entry_is_confirmed_when_a_complete_view_shows_it_no_more() -> None:
    known, unknown = event("a"), event("b")

    made = draft(unknown, settled=[known, unknown])

    assert [each.name for each in made.unconfirmed] == ["b"]
    assert made.outbox_room == OUTBOX_LIMIT - 1


def test_an_incomplete_view_confirms_nothing() -> None:
    run = waiting_run(settled=[settlement(event("a"))])

    made = Draft(run, view(run, complete=False), executions(), NOON)

    assert [each.name for each in made.unconfirmed] == ["a"]


def test_a_run_without_commits_has_consumed_nothing() -> None:
    run = new_run()

    assert Draft(run, Events(), executions(), NOON).events_complete


@pytest.mark.parametrize("known", [("run-1", 2), ("run-1", 4), ("another-run", 3), None])
def test_a_view_of_other_commits_is_incomplete(known: tuple[str, int] | None) -> None:
    run = waiting_run(commits=3)
    events = replace(view(run), complete_for=known)

    assert not Draft(run, events, executions(), NOON).events_complete


def test_an_execution_is_current_by_uid_commits_and_base() -> None:
    made = draft()

    assert made.is_current(execution(made.run, event("approve")))
    for changed in ({"run_uid": "other"}, {"commits": 2}, {"base": None}, {"base": "other"}):
        assert not made.is_current(execution(made.run, event("approve"), **changed))


def test_an_execution_of_another_workflow_type_is_not_current() -> None:
    """Who may execute one type says so of an execution, and cannot reach runs of another."""
    made = draft()

    assert not made.is_current(execution(made.run, workflow_type="Refund"))


def test_nothing_is_current_for_a_finished_run() -> None:
    run = finished_run()

    assert not Draft(run, view(run), executions(), NOON).is_current(execution(run))


def test_in_flight_is_what_a_worker_has_and_may_bring_back() -> None:
    run = waiting_run()
    approve = event("approve")
    running = runs(execution(run, approve, "running"))
    held = executions(
        running,
        lost(execution(run, approve, "lost")),
        runs(execution(run, approve, "old", commits=2)),
        runs(execution(run, event("gone"), "withdrawn")),
    )

    assert Draft(run, view(run, approve), held, NOON).in_flight == (running,)


def test_an_event_is_not_taken_for_withdrawn_by_an_incomplete_view() -> None:
    run = waiting_run()
    running = runs(execution(run, event("approve")))

    made = Draft(run, view(run, complete=False), executions(running), NOON)

    assert made.in_flight == (running,)


def test_a_list_is_asked_for_once() -> None:
    made = draft()
    made.read_events()
    made.read_events()

    assert made.decision().before == (ListEvents(),)


def test_the_earliest_wish_wakes() -> None:
    made = draft()
    for moment in ("12:30", "12:10", "12:20"):
        made.wake(at(moment))

    assert made.decision().wake_at == at("12:10")


def test_an_end_clears_step_and_wait() -> None:
    made = draft()
    made.finish(RunPhase.FAILED, "HandlerFailed", "Failed.")

    status = made.status
    assert (status.phase, status.message, status.finished_at) == (RunPhase.FAILED, "Failed.", NOON)
    assert (status.step, status.wait) == (None, None)


def test_the_history_keeps_its_newest_entries() -> None:
    made = draft()
    for commit in range(1, HISTORY_LENGTH + 3):
        made.record(HistoryEntry(commit=commit, at=NOON, handler="", kind="step", outcome=""))

    assert [each.commit for each in made.status.history] == list(range(3, HISTORY_LENGTH + 3))


def test_what_is_stamped_is_a_whole_second() -> None:
    run = waiting_run()

    assert Draft(run, view(run), executions(), at("12:00:00.999")).second == NOON


def test_an_event_is_trusted_if_listed_or_younger_than_its_run() -> None:
    run = waiting_run()
    old = event("a", created_at=at("08:00"), place=8)
    young = event("b", created_at=at("11:00"), place=9)

    listed = Draft(run, view(run, old, young), executions(), NOON)
    unlisted = Draft(run, view(run, old, young, listed=False, run_since=7), executions(), NOON)
    incomplete = Draft(run, view(run, old, young, complete=False), executions(), NOON)

    assert [listed.trusts(each) for each in (old, young)] == [True, True]
    assert [unlisted.trusts(each) for each in (old, young)] == [False, True]
    assert [incomplete.trusts(each) for each in (old, young)] == [False, False]


def test_an_event_is_not_younger_than_its_run_by_its_stamp_alone() -> None:
    run = waiting_run()
    seen_before = event("approve", created_at=at("11:30"), place=7)

    made = Draft(run, view(run, seen_before, listed=False, run_since=7), executions(), NOON)

    assert not made.trusts(seen_before)


def test_a_run_whose_age_is_unknown_trusts_a_list_only() -> None:
    run = with_metadata(waiting_run(), creation_timestamp=None)
    approve = event("approve", place=8)

    made = Draft(run, view(run, approve, listed=False, run_since=7), executions(), NOON)

    assert not made.trusts(approve)


def test_a_run_of_which_the_first_revision_is_unknown_trusts_a_list_only() -> None:
    run = waiting_run()
    approve = event("approve", place=8)

    made = Draft(run, view(run, approve, listed=False), executions(), NOON)

    assert not made.trusts(approve)

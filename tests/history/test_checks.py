"""Each check catches the history that it is there for, and lets the good one pass."""

from dataclasses import replace

import pytest

from grctl.models.phases import EventPhase, RunPhase
from tests.history.checks import CHECKS, violations
from tests.history.history import Answer
from tests.history.story import NOON, Story, second


def told(story: Story, **fields: object) -> set[str]:
    """Give the names of the checks that find something."""
    return {text.split(":")[0] for text in violations(story.history(**fields))}


@pytest.fixture
def story() -> Story:
    """A run that waits, and has handled two events."""
    story = Story()
    story.start()
    story.commit(execution=story.execute())
    for number in (1, 2):
        story.handle(story.send(number))
    return story


def test_a_good_history_passes(story: Story) -> None:
    unknown, unfit = story.send(name="aprove"), story.send("three")
    story.reject(unknown, "UnknownEvent")
    story.reject(unfit, "BadPayload")
    withdrawn, late = story.send(), story.send(5)
    story.delete(withdrawn)
    lost = story.execute(late)
    story.commit(late, execution=story.execute(late, attempt=2))
    story.delete(late)  # after its commit: it counts
    story.finish()
    left = story.send()
    story.reject(left, "RunFinished")
    elsewhere = story.send(wanted_run="run0")
    story.change_event(elsewhere, phase=EventPhase.REJECTED, reason="RunGone")
    story.change(deleting=True)
    story.reject(story.send(), "RunDeleted")
    early = story.send(workflow_id="nobody")
    assert lost
    assert violations(story.history(unfit={unfit}, waiting={early})) == []


def test_several_outcomes_may_be_committed_in_one_write(story: Story) -> None:
    events = [story.send(number) for number in (3, 4, 5)]
    last = [story.execute(event) for event in events][-1]
    story.commit(*events, execution=last, commits=story.run.commits + 3)
    for event in events:
        story.settle(event)
    assert told(story) == set()


def test_every_check_is_caught_at_something() -> None:
    names = {name for name, each in globals().items() if name.startswith("test_")}
    assert {f"test_{check.__name__}" for check in CHECKS} - {
        name.split("__")[0] for name in names
    } == set()


def test_seen_as_answered__an_accepted_event_is_never_seen(story: Story) -> None:
    story.answers.append(Answer("event9", "lost", 99))
    assert told(story) == {"seen_as_answered"}


def test_seen_as_answered__it_may_have_been_withdrawn_where_versions_are_missing(
    story: Story,
) -> None:
    story.answers.append(Answer("event9", "lost", 99))
    withdrawn = {"withdrawals": frozenset({"event9"})}
    assert told(story, **withdrawn) == {"seen_as_answered"}
    assert told(story, **withdrawn, complete=False) == set()


def test_seen_as_answered__it_is_seen_at_another_revision(story: Story) -> None:
    story.answers[-1] = replace(story.answers[-1], revision=1)
    assert "seen_as_answered" in told(story)


def test_settled_once__an_event_is_left_pending(story: Story) -> None:
    story.send(3)
    assert told(story) == {"settled_once"}


def test_settled_once__an_event_that_should_wait_is_settled(story: Story) -> None:
    assert told(story, waiting={"event1"}) == {"settled_once"}


def test_settled_once__two_final_phases(story: Story) -> None:
    story.change_event("event1", phase=EventPhase.FAILED)
    assert "settled_once" in told(story)


def test_settled_once__the_status_says_other_than_the_commit(story: Story) -> None:
    event = story.send(3)
    story.commit(event, execution=story.execute(event))
    story.settle(event, sequence=7)
    assert told(story) == {"settled_once"}


def test_settled_once__settled_without_a_commit(story: Story) -> None:
    story.change_event(
        story.send(3), phase=EventPhase.PROCESSED, reason="Handled", sequence=3, run="run1"
    )
    assert told(story) == {"settled_once"}


def test_settled_once__processed_without_a_sequence(story: Story) -> None:
    story.change_event(story.send(3), phase=EventPhase.PROCESSED, reason="Handled", run="run1")
    assert told(story) == {"settled_once"}


def test_withdrawn_where_asked(story: Story) -> None:
    story.delete(story.send(3), asked=False)
    assert told(story) == {"withdrawn_where_asked"}


def test_in_order__an_event_is_passed_by(story: Story) -> None:
    first, second_one = story.send(3), story.send(4)
    story.handle(second_one)
    story.handle(first)
    assert told(story) == {"in_order"}
    assert told(story, may_move={first}) == set()


def test_in_order__a_number_is_left_out(story: Story) -> None:
    event = story.send(3)
    story.change(settled=3)
    story.handle(event)
    assert "in_order" in told(story)


def test_in_order__the_watch_had_to_begin_anew_and_the_statuses_tell(story: Story) -> None:
    story.runs = [run for run in story.runs if run.settled != 1]
    story.events = [each for each in story.events if each.uid != "event1"]
    missed = story.history(complete=False, answers=())
    assert any("in_order" in text for text in violations(missed))


def test_committed_once__an_event_twice(story: Story) -> None:
    event = story.send(3)
    story.handle(event)
    story.commit(event, execution=story.execute(event))
    assert "committed_once" in told(story)


def test_committed_once__an_event_by_two_runs(story: Story) -> None:
    story.start("order")
    story.commit("event1", execution=story.execute("event1"))
    assert "committed_once" in told(story)


def test_committed_once__an_execution_twice(story: Story) -> None:
    execution = story.run.last_execution
    story.handle(story.send(3))
    story.change(last_execution=execution, commits=story.run.commits + 1)
    assert told(story) == {"committed_once"}


def test_committed_once__two_commits_in_one(story: Story) -> None:
    story.change(commits=story.run.commits + 2)
    assert told(story) == {"committed_once"}


def test_committed_once__a_commit_that_goes_back(story: Story) -> None:
    story.change(commits=story.run.commits - 1)
    assert told(story) == {"committed_once"}


def test_committed_once__the_store_changes_between_commits(story: Story) -> None:
    story.change(payloads=(1,))
    assert "committed_once" in told(story)


def test_committed_once__a_finished_run_goes_on(story: Story) -> None:
    story.finish()
    story.change(phase=RunPhase.WAIT_EVENT)
    assert told(story) == {"committed_once"}


@pytest.mark.parametrize("payloads", [(1,), (1, 2, 2), (2, 1), (1, 2, 3)])
def test_store_is_the_fold(story: Story, payloads: tuple[int, ...]) -> None:
    story.commit(execution=story.execute())
    story.runs[-1] = replace(story.run, payloads=payloads)
    assert told(story) == {"store_is_the_fold"}


def test_executed_before_committed__no_worker_ran_the_execution(story: Story) -> None:
    story.commit(execution="invented")
    assert told(story) == {"executed_before_committed"}


def test_executed_before_committed__no_worker_had_the_event(story: Story) -> None:
    event = story.send(3)
    story.commit(event, execution=story.execute())
    story.settle(event)
    assert told(story) == {"executed_before_committed"}


def waiting_until(story: Story, seconds: float) -> None:
    """Have the run wait with a deadline."""
    story.commit(execution=story.execute(), deadline=second(seconds))


def time_out(story: Story) -> None:
    """Have the wait end by its timeout."""
    story.commit(deadline=None, step="too_late")


def test_no_timeout_beats_an_event__it_waits_and_was_created_in_time(story: Story) -> None:
    waiting_until(story, 2)
    event = story.send(3, created=second(2))
    time_out(story)
    story.handle(event)
    assert told(story) == {"no_timeout_beats_an_event"}


def test_no_timeout_beats_an_event__it_was_answered_in_time_and_the_watch_was_late(
    story: Story,
) -> None:
    waiting_until(story, 2)
    event = story.send(3, created=second(2), seen=second(9))
    story.answers[-1] = replace(story.answers[-1], at=second(2.9))
    time_out(story)
    story.handle(event)
    assert told(story) == {"no_timeout_beats_an_event"}


def test_a_timeout_may_win_over_an_event_whose_create_was_under_way(story: Story) -> None:
    waiting_until(story, 2)
    event = story.send(3, created=second(2), seen=second(3.2))
    story.answers[-1] = replace(story.answers[-1], at=second(3.1))
    time_out(story)
    story.commit(execution=story.execute(), step=None)
    story.handle(event)
    assert told(story) == set()


def test_no_timeout_beats_an_event__a_late_one_ends_the_wait(story: Story) -> None:
    waiting_until(story, 2)
    event = story.send(3, created=second(3))
    story.handle(event)
    assert told(story) == {"no_timeout_beats_an_event"}


def test_a_timeout_may_pass_by_events_that_are_late_gone_or_consumed(story: Story) -> None:
    waiting_until(story, 2)
    withdrawn, late = story.send(created=NOON), story.send(3, created=second(3))
    story.delete(withdrawn)
    time_out(story)
    story.commit(execution=story.execute(), step=None)
    story.handle(late)
    assert told(story) == set()


def test_rejected_for_a_reason__a_known_event(story: Story) -> None:
    story.reject(story.send(3), "UnknownEvent")
    assert told(story) == {"rejected_for_a_reason"}


def test_rejected_for_a_reason__an_unknown_event_that_was_run(story: Story) -> None:
    event = story.send(name="aprove")
    story.execute(event)
    story.reject(event, "UnknownEvent")
    assert told(story) == {"rejected_for_a_reason"}


def test_rejected_for_a_reason__a_payload_that_fits(story: Story) -> None:
    story.reject(story.send(3), "BadPayload")
    assert told(story) == {"rejected_for_a_reason"}


@pytest.mark.parametrize("reason", ["RunFinished", "RunDeleted", "RunGone", "Whatever"])
def test_rejected_for_a_reason__it_is_not_so(story: Story, reason: str) -> None:
    story.reject(story.send(3), reason)
    assert told(story) == {"rejected_for_a_reason"}


def test_rejected_for_a_reason__its_run_is_there(story: Story) -> None:
    event = story.send(wanted_run="run1")
    story.change_event(event, phase=EventPhase.REJECTED, reason="RunGone")
    assert told(story) == {"rejected_for_a_reason"}

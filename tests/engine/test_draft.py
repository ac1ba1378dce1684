"""The decision in the making: what a change, a commit and an end leave, and what it answers."""

from grctl.models import EventPhase, RunPhase
from grctl.models.run import HistoryEntry
from grctl_operator.engine import Decision, Event, ListEvents
from grctl_operator.engine.draft import HISTORY_LENGTH, Draft
from grctl_operator.engine.situation import Situation
from grctl_operator.engine.urgency import Urgency
from tests.engine.builders import (
    NOON,
    at,
    event,
    execution,
    executions,
    status_of,
    stepping_run,
    view,
    waiting_run,
)

WAITS = waiting_run()


def draft(*waiting: Event) -> Draft:
    return Draft(Situation(WAITS, view(WAITS, *waiting), executions(), NOON))


def test_a_draft_that_changes_nothing_decides_nothing() -> None:
    assert draft().decision() == Decision()


def test_a_change_for_people_is_written_a_little_later() -> None:
    made = draft()
    made.change(message="busy")

    assert (made.decision().urgency, made.decision().so_since) == (Urgency.FOR_PEOPLE, NOON)


def test_a_change_that_only_the_operator_knows_is_written_at_once() -> None:
    made = draft()
    made.write_first(phase=RunPhase.RUNNING)

    decision = made.decision()

    assert decision.urgency is Urgency.NOW
    assert status_of(decision).commits == WAITS.status.commits


def test_nothing_is_due_once_a_run_waits_for_an_event_and_none_is_there() -> None:
    waits, has_next, finishes = draft(), draft(event("approve")), draft()
    for made in (waits, has_next):
        made.commit(execution(WAITS))
    finishes.finish(RunPhase.COMPLETED, "Completed", "Completed.")
    finishes.commit(execution(WAITS))

    looks = [made.decision().look_again_at for made in (waits, has_next, finishes)]

    assert looks == [None, NOON, NOON]


def test_an_event_that_a_commit_consumes_does_not_wait() -> None:
    handled = event("approve")
    made = draft(handled)
    made.consume(handled, EventPhase.PROCESSED, "Handled")
    made.commit(execution(WAITS, handled))

    assert made.decision().look_again_at is None


def test_a_commit_of_a_run_that_goes_on_waiting_may_be_written_with_the_next() -> None:
    goes_on, has_next, finishes, shows = draft(), draft(event("approve")), draft(), draft()
    ships = stepping_run("ship")
    begins = Draft(Situation(ships, view(ships), executions(), NOON))
    for made in (goes_on, has_next, finishes, begins):
        made.commit(execution(WAITS))
    finishes.finish(RunPhase.COMPLETED, "Completed", "Completed.")
    begins.change(phase=RunPhase.WAIT_EVENT, step=None, wait=goes_on.status.wait)

    drafts = (goes_on, has_next, finishes, begins, shows)
    others = [Urgency.NOW, Urgency.NOW, Urgency.NOW, None]
    assert [made.decision().urgency for made in drafts] == [Urgency.BATCHED, *others]
    assert begins.decision().look_again_at is None


def test_a_commit_moves_commits_by_one_and_names_its_execution() -> None:
    made = draft()
    made.commit(execution(WAITS, execution_id="e9"))

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
    assert approve.uid in made.consumed_uids


def test_a_list_is_asked_for_once() -> None:
    made = draft()
    made.read_events()
    made.read_events()

    assert made.decision().before == (ListEvents(),)


def test_the_earliest_of_several_moments_wakes() -> None:
    made = draft()
    for moment in ("12:30", "12:10", "12:20"):
        made.wake(at(moment))

    assert made.decision().look_again_at == at("12:10")


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

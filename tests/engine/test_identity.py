"""A status of another object is not acted upon, and a finalizer holds the run before it commits."""

from grctl.models import Complete, WorkflowRun
from grctl_operator.engine import Announce, Dispatch, Hold, Release, decide
from tests.engine.builders import (
    NOON,
    brought,
    deleted,
    event,
    every,
    execution,
    executions,
    new_run,
    runs,
    status_of,
    view,
    waiting_run,
    with_metadata,
)


def restored_run() -> WorkflowRun:
    """A copy of a run: an object of another uid with the status of the first."""
    return with_metadata(waiting_run(), uid="copied-object")


def test_the_finalizer_is_added_before_anything_else_happens() -> None:
    run = new_run(held=False)

    decision = decide(run, view(run), executions(), NOON)

    assert decision.before[0] == Hold()


def test_a_run_with_the_finalizer_is_not_held_again() -> None:
    run = new_run()

    assert every(Hold, decide(run, view(run), executions(), NOON).before) == []


def test_no_outcome_is_committed_before_the_run_is_held() -> None:
    run = new_run(held=False)
    done = brought(execution(run), Complete())

    status = status_of(decide(run, view(run), executions(done), NOON))

    assert status.commits == 0


def test_a_first_view_says_which_object_it_was_made_for() -> None:
    run = new_run()

    assert status_of(decide(run, view(run), executions(), NOON)).for_uid == run.metadata.uid


def test_a_restored_run_stops_until_a_person_decides() -> None:
    run = restored_run()

    decision = decide(run, view(run, event("approve")), executions(), NOON)

    assert every(Dispatch, decision.before) == []
    status = status_of(decision)
    assert status.commits == run.status.commits
    assert status.message == (
        "Restored: this status was made for the object run-1, which this one is not."
        " Delete the run and start it anew."
    )
    told = every(Announce, decision.before)
    assert [(each.reason, each.since) for each in told] == [
        ("Restored", run.metadata.creation_timestamp)
    ]


def test_a_restored_run_says_so_in_its_conditions_and_keeps_the_other_uid() -> None:
    run = restored_run()

    status = status_of(decide(run, view(run), executions(), NOON))

    stalled = [each for each in status.conditions if each.type == "Stalled"]
    assert [(each.status, each.reason) for each in stalled] == [("True", "Restored")]
    assert status.for_uid == "run-1"


def test_a_restored_run_obeys_its_spec_no_more_than_its_events() -> None:
    run = with_metadata(waiting_run(terminate=True), uid="copied-object")

    decision = decide(run, view(run), executions(), NOON)

    assert status_of(decision).phase is run.status.phase


def test_an_execution_of_the_run_that_was_copied_is_released() -> None:
    original, copied = waiting_run(), restored_run()
    old = runs(execution(original))

    decision = decide(copied, view(copied), executions(old), NOON)

    assert [each.execution for each in every(Release, decision.before)] == ["e1"]


def test_a_restored_run_that_is_deleted_is_emptied_like_any_other() -> None:
    run = deleted(restored_run())

    decision = decide(run, view(run, event("approve")), executions(), NOON)

    assert [each.reason for each in status_of(decision).settled] == ["RunDeleted"]

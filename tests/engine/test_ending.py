"""The events of a run that finished or is deleted: none is lost, and each gets its reason."""

from dataclasses import replace

import pytest

from grctl.models import EventPhase, RunPhase, WorkflowRun
from grctl_operator.engine import (
    Dispatch,
    Hold,
    LetGo,
    ListEvents,
    Purge,
    Release,
    Settle,
    decide,
)
from grctl_operator.engine.situation import OUTBOX_LIMIT
from tests.engine.builders import (
    NOON,
    deleted,
    event,
    every,
    execution,
    executions,
    finished_run,
    many,
    new_run,
    runs,
    settlement,
    status_of,
    view,
    waiting_run,
    with_metadata,
    written,
)


def test_a_finished_run_rejects_waiting_events_in_order_and_says_what_to_do() -> None:
    run = finished_run()

    status = status_of(decide(run, view(run, event("b"), event("a")), executions(), NOON))

    assert [(each.name, each.phase, each.reason) for each in status.settled] == [
        ("b", EventPhase.REJECTED, "RunFinished"),
        ("a", EventPhase.REJECTED, "RunFinished"),
    ]
    assert status.settled[0].message == (
        'The run "order" had finished (Completed). Start it anew, then send the event again.'
    )


def test_rejecting_waiting_events_is_a_commit_that_leaves_the_run_as_it_ended() -> None:
    run = finished_run(RunPhase.FAILED)

    decision = decide(run, view(run, event("approve")), executions(), NOON)

    status = status_of(decision)
    assert (status.phase, status.finished_at) == (RunPhase.FAILED, run.status.finished_at)
    assert status.commits == run.status.commits + 1
    assert [each.settlement for each in every(Settle, decision.after)] == [*status.settled]
    assert every(Settle, decision.before) == []


def test_a_waiting_event_that_was_sent_to_an_earlier_run_is_rejected_as_run_gone() -> None:
    run = finished_run()
    old = event("approve", run_uid="yesterdays-run")

    status = status_of(decide(run, view(run, old), executions(), NOON))

    assert [each.reason for each in status.settled] == ["RunGone"]


def test_events_of_a_finished_run_are_rejected_in_batches_of_what_the_outbox_holds() -> None:
    run = finished_run()
    waiting = many("approve", OUTBOX_LIMIT + 6)

    first = written(run, decide(run, view(run, *waiting), executions(), NOON))
    unsettled = decide(first, view(first, *waiting), executions(), NOON)
    rest = waiting[OUTBOX_LIMIT:]
    second = written(first, decide(first, view(first, *rest), executions(), NOON))

    assert [each.name for each in first.status.settled] == [
        each.name for each in waiting[:OUTBOX_LIMIT]
    ]
    assert unsettled.status is None or unsettled.status.commits == first.status.commits
    assert len(every(Settle, unsettled.before)) == OUTBOX_LIMIT
    assert [each.name for each in second.status.settled] == [each.name for each in rest]


def test_a_finished_run_rejects_nothing_by_a_view_that_may_hide_a_commit() -> None:
    run = finished_run()

    decision = decide(run, view(run, event("approve"), complete=False), executions(), NOON)

    assert decision.before == (ListEvents(),)
    assert decision.status is None or decision.status.settled == ()


def test_a_finished_run_without_waiting_events_is_left_alone() -> None:
    run = finished_run()
    shown = written(run, decide(run, view(run), executions(), NOON))

    decision = decide(shown, view(shown), executions(), NOON)

    assert (decision.status, decision.before, decision.look_again_at) == (None, (), None)


def test_a_deleted_run_first_rejects_its_waiting_events() -> None:
    run = deleted(waiting_run())

    decision = decide(run, view(run, event("approve")), executions(), NOON)

    assert [(each.reason, each.message) for each in status_of(decision).settled] == [
        (
            "RunDeleted",
            'The run "order" was deleted. Start it anew, then send the event again.',
        )
    ]
    assert decision.before == ()


def test_a_deleted_run_then_waits_until_all_is_settled() -> None:
    approve = event("approve")
    entry = settlement(approve)
    run = deleted(waiting_run(settled=[entry]))

    decision = decide(run, view(run, approve), executions(), NOON)

    assert decision.before == (Settle(entry, run.metadata.uid),)


def test_a_deleted_run_then_asks_for_a_list_of_this_very_version() -> None:
    run = deleted(waiting_run())
    before = with_metadata(run, resource_version="99")
    events = replace(view(run), listing=view(before).listing)

    decision = decide(run, events, executions(), NOON)

    assert decision.before == (ListEvents(),)


def test_a_deleted_run_at_last_removes_its_events_and_is_let_go() -> None:
    run = deleted(waiting_run())

    decision = decide(run, view(run), executions(), NOON)

    assert decision.before == (Purge(), LetGo())


def test_a_deleted_run_is_not_let_go_by_a_list_made_for_another_run() -> None:
    run = deleted(waiting_run())
    other = with_metadata(run, uid="another-run")
    events = replace(view(run), listing=view(other).listing)

    decision = decide(run, events, executions(), NOON)

    assert decision.before == (ListEvents(),)


def test_a_deleted_run_is_not_let_go_while_the_view_may_hide_an_unsettled_event() -> None:
    run = deleted(waiting_run(settled=[settlement(event("approve"))]))

    decision = decide(run, view(run, complete=False), executions(), NOON)

    assert every(LetGo, decision.before) == []


def test_an_event_that_comes_while_a_run_is_emptied_is_rejected_too() -> None:
    first, second = event("approve", "first"), event("approve", "second")
    run = deleted(waiting_run())
    run = written(run, decide(run, view(run, first), executions(), NOON))

    status = status_of(decide(run, view(run, second), executions(), NOON))

    assert [each.name for each in status.settled] == ["second"]


def test_a_deleted_run_with_a_full_outbox_rejects_the_rest_later() -> None:
    waiting = many("approve", OUTBOX_LIMIT + 1)
    run = deleted(waiting_run())
    run = written(run, decide(run, view(run, *waiting), executions(), NOON))

    decision = decide(run, view(run, *waiting), executions(), NOON)

    assert every(LetGo, decision.before) == []
    assert decision.status is None or decision.status.commits == run.status.commits


def test_a_deleted_run_releases_its_running_handler_and_dispatches_nothing() -> None:
    run = deleted(waiting_run())
    approve = event("approve")

    decision = decide(run, view(run, approve), executions(runs(execution(run, approve))), NOON)

    assert every(Release, decision.before) == [Release("e1", False, "the run is being deleted")]
    assert every(Dispatch, decision.before) == []


def test_a_deleted_run_without_our_finalizer_is_left_alone() -> None:
    run = deleted(new_run(held=False))

    decision = decide(run, view(run, event("approve")), executions(), NOON)

    assert decision.before == ()
    assert decision.status is None or decision.status.commits == 0


@pytest.mark.parametrize("run", [deleted(new_run()), deleted(waiting_run())])
def test_a_deleted_run_does_not_say_that_it_goes_on(run: WorkflowRun) -> None:
    decision = decide(run, view(run, listed=False), executions(), NOON)

    assert "Goes on" not in status_of(decision).message
    assert "Waits for an event" not in status_of(decision).message


def test_a_finished_run_without_the_finalizer_gets_it_again() -> None:
    run = with_metadata(finished_run(), finalizers=())

    decision = decide(run, view(run), executions(), NOON)

    assert every(Hold, decision.before) == [Hold()]


def test_a_finished_run_that_is_held_is_left_alone() -> None:
    run = finished_run()

    assert every(Hold, decide(run, view(run), executions(), NOON).before) == []

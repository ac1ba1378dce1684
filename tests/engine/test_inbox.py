"""Which event is next, which one is rejected, and when that is not known yet."""

from datetime import timedelta

from grctl.models import EventPhase, RunPhase, WaitForEvent
from grctl_operator.engine import (
    Announce,
    AwaitWorker,
    Dispatch,
    KeepPlace,
    ListEvents,
    Settle,
    decide,
)
from grctl_operator.engine.urgency import Urgency
from tests.engine.builders import (
    NOON,
    at,
    brought,
    event,
    every,
    execution,
    executions,
    many,
    runs,
    seconds,
    settlement,
    status_of,
    view,
    waiting_run,
    worker,
)


def test_the_event_that_came_first_is_dispatched_whatever_its_name() -> None:
    run = waiting_run()
    reject, approve = event("reject"), event("approve")

    decision = decide(run, view(run, reject, approve), executions(), NOON)

    assert [each.event for each in every(Dispatch, decision.before)] == [reject]


def test_an_event_whose_commit_is_written_is_not_dispatched_again() -> None:
    approve, second = event("approve"), event("approve", "second")
    run = waiting_run(settled=[settlement(approve)])

    decision = decide(run, view(run, approve, second), executions(), NOON)

    assert [each.event for each in every(Dispatch, decision.before)] == [second]


def test_an_event_that_somebody_changed_has_its_place_kept() -> None:
    run = waiting_run()
    approve, touched = event("approve"), event("approve", "touched")

    decision = decide(run, view(run, approve, touched, changed=[touched]), executions(), NOON)

    assert every(KeepPlace, decision.before) == [KeepPlace(touched)]


def test_the_place_of_a_consumed_event_is_not_kept() -> None:
    touched = event("approve")
    run = waiting_run(settled=[settlement(touched)])

    decision = decide(run, view(run, touched, changed=[touched]), executions(), NOON)

    assert every(KeepPlace, decision.before) == []


def test_an_unknown_event_at_the_head_is_rejected_and_told_what_would_fit() -> None:
    run = waiting_run()
    typo = event("aprove")

    status = status_of(decide(run, view(run, typo), executions(), NOON))

    assert [(each.name, each.phase, each.reason) for each in status.settled] == [
        ("aprove", EventPhase.REJECTED, "UnknownEvent")
    ]
    assert status.settled[0].message == (
        'Order has no event handler "aprove"; it has "approve", "reject". The run goes on waiting.'
    )


def test_a_rejection_is_a_commit_that_settles_and_tells_only_after_its_write() -> None:
    run = waiting_run(commits=3)
    typo = event("aprove")

    decision = decide(run, view(run, typo), executions(), NOON)

    assert status_of(decision).commits == 4
    assert decision.urgency is Urgency.BATCHED
    assert [each.settlement for each in every(Settle, decision.after)] == [
        *status_of(decision).settled
    ]
    assert [(each.reason, each.event) for each in every(Announce, decision.after)] == [
        ("Rejected", typo),
        ("Rejected", None),
    ]
    assert every(Settle, decision.before) == []


def test_a_rejected_event_neither_ends_the_wait_nor_moves_its_deadline() -> None:
    run = waiting_run(deadline=at("13:00"), timeout_step="remind")
    typo = event("aprove")

    status = status_of(decide(run, view(run, typo), executions(), NOON))

    assert status.wait == run.status.wait
    assert status.phase is RunPhase.WAIT_EVENT


def test_an_unknown_event_behind_a_known_one_waits_for_its_turn() -> None:
    run = waiting_run()
    approve, typo = event("approve"), event("aprove")

    decision = decide(run, view(run, approve, typo), executions(), NOON)

    assert status_of(decision).settled == ()
    assert [each.event for each in every(Dispatch, decision.before)] == [approve]


def test_unknown_events_at_the_head_are_rejected_in_one_commit() -> None:
    run = waiting_run(commits=3)
    typos = many("aprove", 3)

    status = status_of(decide(run, view(run, *typos, event("approve")), executions(), NOON))

    assert [each.name for each in status.settled] == ["aprove-1", "aprove-2", "aprove-3"]
    assert status.commits == 4
    assert status.inbox_length == 1


def test_nothing_is_rejected_while_a_handler_runs() -> None:
    run = waiting_run()
    approve, typo = event("approve"), event("aprove")
    running = runs(execution(run, approve))

    decision = decide(run, view(run, approve, typo), executions(running), NOON)

    assert status_of(decision).settled == ()


def test_without_a_connected_worker_no_event_is_unknown() -> None:
    run = waiting_run()
    gone = worker(connected=False, seen=at("09:30"))

    for workers in ([], [gone]):
        decision = decide(run, view(run, event("aprove")), executions(workers=workers), NOON)
        assert status_of(decision).settled == ()
        assert AwaitWorker() in decision.before


def test_no_event_is_unknown_in_the_first_five_seconds_of_an_operator() -> None:
    run = waiting_run()
    early = executions(accepting_since=NOON - seconds(4))

    decision = decide(run, view(run, event("aprove")), early, NOON)

    assert status_of(decision).settled == ()
    assert decision.look_again_at == NOON + seconds(1)


def test_five_seconds_after_its_start_an_operator_rejects_an_unknown_event() -> None:
    run = waiting_run()
    later = executions(accepting_since=NOON - seconds(5))

    decision = decide(run, view(run, event("aprove")), later, NOON)

    assert [each.reason for each in status_of(decision).settled] == ["UnknownEvent"]


def test_an_event_for_an_earlier_run_is_rejected_as_run_gone() -> None:
    run = waiting_run()
    old = event("approve", run_uid="yesterdays-run")

    status = status_of(decide(run, view(run, old), executions(workers=[]), NOON))

    assert [(each.phase, each.reason) for each in status.settled] == [
        (EventPhase.REJECTED, "RunGone")
    ]
    assert status.wait == run.status.wait


def test_an_event_for_this_very_run_is_dispatched() -> None:
    run = waiting_run()
    approve = event("approve", run_uid=run.metadata.uid)

    decision = decide(run, view(run, approve), executions(), NOON)

    assert [each.event for each in every(Dispatch, decision.before)] == [approve]


def test_an_event_for_an_earlier_run_is_not_dispatched_while_the_finalizer_is_missing() -> None:
    run = waiting_run(held=False)
    old = event("approve", run_uid="yesterdays-run")

    decision = decide(run, view(run, old), executions(), NOON)

    assert every(Dispatch, decision.before) == []


def test_nothing_is_rejected_by_a_view_that_may_hide_a_commit() -> None:
    run = waiting_run()

    decision = decide(run, view(run, event("aprove"), complete=False), executions(), NOON)

    assert status_of(decision).settled == ()
    assert every(ListEvents, decision.before) == [ListEvents()]


def test_an_event_created_after_the_deadline_waits_for_the_next_wait() -> None:
    run = waiting_run(deadline=NOON, timeout_step="remind")
    late = event("approve", created_at=at("12:00:01"))

    decision = decide(run, view(run, late), executions(), at("12:05"))

    assert every(Dispatch, decision.before) == []
    assert status_of(decision).inbox_length == 1


def test_an_unknown_event_created_after_the_deadline_is_not_judged_in_this_wait() -> None:
    run = waiting_run(deadline=NOON, timeout_step="remind")
    late = event("aprove", created_at=at("12:00:01"))

    decision = decide(run, view(run, late, listed_at=at("11:30")), executions(), at("12:05"))

    assert status_of(decision).settled == ()


def test_order_comes_before_the_deadline_if_a_clock_went_back() -> None:
    run = waiting_run(deadline=NOON, timeout_step="remind")
    ahead = event("reject", created_at=at("12:00:03"))
    behind = event("approve", created_at=at("11:59"))

    decision = decide(run, view(run, ahead, behind), executions(), at("12:05"))

    assert [each.event for each in every(Dispatch, decision.before)] == [ahead]


def test_a_late_event_is_next_in_the_wait_that_follows() -> None:
    run = waiting_run(deadline=NOON, timeout_step="remind")
    late = event("approve", created_at=at("12:00:01"))
    timed_out = decide(run, view(run, late, listed_at=at("12:00:02")), executions(), at("12:00:05"))
    status = status_of(timed_out)
    assert status.step is not None
    assert status.step.name == "remind"

    run = run.model_copy(update={"status": status})
    again = brought(execution(run, "remind"), WaitForEvent(timeout=timedelta(hours=1)))
    waits = status_of(decide(run, view(run, late), executions(again), at("12:00:06")))
    run = run.model_copy(update={"status": waits})
    decision = decide(run, view(run, late), executions(), at("12:00:07"))

    assert [each.event for each in every(Dispatch, decision.before)] == [late]


def test_a_rejection_is_a_commit_that_the_history_tells() -> None:
    run = waiting_run()
    unknown = [event("aprove"), event("rejekt")]

    one = status_of(decide(run, view(run, unknown[0]), executions(), NOON))
    two = status_of(decide(run, view(run, *unknown), executions(), NOON))

    assert one.history[-1].commit == run.status.commits + 1
    assert [one.history[-1].outcome, two.history[-1].outcome] == [
        "rejected aprove",
        "rejected 2 events",
    ]

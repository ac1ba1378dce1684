"""A handler that is due goes to a worker: at once if an API object says so, else after a write."""

from dataclasses import replace

import pytest

from grctl.models import HandlerKind, WorkflowRun
from grctl_operator.engine import (
    Announce,
    AwaitWorker,
    Dispatch,
    Hold,
    ListEvents,
    decide,
)
from grctl_operator.engine.announcements import MAX_ANNOUNCED_EVENTS
from grctl_operator.engine.urgency import Urgency
from tests.engine.builders import (
    NOON,
    at,
    event,
    every,
    execution,
    executions,
    finished_run,
    many,
    new_run,
    runs,
    status_of,
    stepping_run,
    view,
    waiting_run,
    with_metadata,
    worker,
)


def test_a_new_run_dispatches_its_start_handler_without_a_write() -> None:
    run = new_run()

    decision = decide(run, view(run), executions(), NOON)

    assert decision.before == (
        Dispatch(HandlerKind.START, "start", attempt=1, commits=0, base=None),
    )
    assert (decision.urgency, decision.so_since) == (Urgency.FOR_PEOPLE, NOON)


def test_a_run_without_our_finalizer_gets_it_and_its_dispatch_does_not_wait() -> None:
    run = new_run(held=False)

    decision = decide(run, view(run), executions(), NOON)

    assert [type(effect) for effect in decision.before] == [Hold, Dispatch]


def test_a_committed_step_is_dispatched_without_a_write() -> None:
    run = stepping_run("ship")

    decision = decide(run, view(run), executions(), NOON)

    assert decision.before == (
        Dispatch(HandlerKind.STEP, "ship", attempt=1, commits=3, base="before"),
    )
    assert (decision.urgency, decision.so_since) == (Urgency.FOR_PEOPLE, NOON)


def test_an_arrived_event_is_dispatched_without_a_write() -> None:
    run = waiting_run()
    approve = event("approve")

    decision = decide(run, view(run, approve), executions(), NOON)

    assert decision.before == (
        Dispatch(HandlerKind.EVENT, "approve", 1, commits=3, base="before", event=approve),
    )
    assert (decision.urgency, decision.so_since) == (Urgency.FOR_PEOPLE, NOON)


def test_a_step_does_not_look_at_the_inbox() -> None:
    run = stepping_run("ship")

    decision = decide(run, view(run, event("approve")), executions(), NOON)

    assert [each.name for each in every(Dispatch, decision.before)] == ["ship"]


def test_a_step_needs_no_list_of_events() -> None:
    run = stepping_run("ship")

    decision = decide(run, view(run, complete=False, listed=False), executions(), NOON)

    assert [type(effect) for effect in decision.before] == [Dispatch]


def test_nothing_is_dispatched_while_a_handler_runs() -> None:
    run = waiting_run()
    approve, second = event("approve"), event("approve", "second")

    decision = decide(
        run, view(run, approve, second), executions(runs(execution(run, approve))), NOON
    )

    assert every(Dispatch, decision.before) == []


def test_an_execution_of_an_older_commit_does_not_hold_up_the_next() -> None:
    run = waiting_run(commits=4)
    approve = event("approve")
    old = runs(execution(run, approve, commits=3))

    decision = decide(run, view(run, approve), executions(old), NOON)

    assert [each.event for each in every(Dispatch, decision.before)] == [approve]


def test_a_view_that_may_hide_a_commit_asks_for_a_list_before_it_dispatches() -> None:
    run = waiting_run()

    decision = decide(run, view(run, event("approve"), complete=False), executions(), NOON)

    assert decision.before == (ListEvents(),)


@pytest.mark.parametrize(
    ("created", "place"), [("08:59:59", 8), ("09:00", 8), ("09:00:01", 7), ("09:00:01", 1)]
)
def test_an_event_that_was_there_before_its_run_needs_a_list(created: str, place: int) -> None:
    run = waiting_run()
    old = event("approve", created_at=at(created), place=place)

    decision = decide(run, view(run, old, listed=False, run_first_revision=7), executions(), NOON)

    assert decision.before == (ListEvents(),)


def test_an_event_that_came_after_its_run_needs_no_list() -> None:
    run = waiting_run()
    young = event("approve", created_at=at("09:00:01"), place=8)

    decision = decide(run, view(run, young, listed=False, run_first_revision=7), executions(), NOON)

    assert [each.event for each in every(Dispatch, decision.before)] == [young]


def test_an_event_older_than_its_run_is_dispatched_after_a_list() -> None:
    run = waiting_run()
    old = event("approve", created_at=at("08:00"))

    decision = decide(run, view(run, old), executions(), NOON)

    assert [each.event for each in every(Dispatch, decision.before)] == [old]


def test_a_list_made_for_the_run_before_does_not_tell_of_an_old_event() -> None:
    run = waiting_run()
    old = event("approve", created_at=at("08:00"))
    before = with_metadata(run, uid="yesterdays-run")
    events = replace(view(run, old), listing=view(before).listing)

    decision = decide(run, events, executions(), NOON)

    assert decision.before == (ListEvents(),)


def test_a_handler_without_a_worker_waits_and_is_announced() -> None:
    run = stepping_run("ship")
    no_worker = executions(workers=[], other_types=["Refund"])

    decision = decide(run, view(run), no_worker, NOON)

    text = (
        'No worker serves workflow type "Order" in namespace "shop";'
        ' those connected serve "Refund".'
    )
    told = Announce("NoWorker", text, warning=True, since=at("10:00"))
    assert decision.before == (AwaitWorker(), told)
    assert status_of(decision).message == text


def test_a_handler_that_the_connected_version_lacks_waits_and_is_announced() -> None:
    run = stepping_run("ship")
    old = executions(workers=[worker(steps=["remind"])])

    decision = decide(run, view(run), old, NOON)

    text = (
        'No connected worker of Order has the step handler "ship". Deploy the version that has it.'
    )
    told = Announce("NoHandler", text, warning=True, since=at("10:00"))
    assert decision.before == (AwaitWorker(), told)


def test_a_missing_worker_is_announced_on_the_waiting_event_too() -> None:
    run, approve = waiting_run(), event("approve", created_at=at("11:00"))
    late = event("reject", created_at=at("11:59:57"))

    decision = decide(run, view(run, approve, late), executions(workers=[]), NOON)

    told = [each for each in every(Announce, decision.before) if each.event]
    assert [(each.reason, each.event, each.since) for each in told] == [
        ("NoWorker", approve, approve.created)
    ]
    assert told[0].message.endswith("none is connected there. The event waits.")
    assert decision.look_again_at == at("12:00:02")


def test_a_missing_worker_is_announced_on_a_few_of_many_events() -> None:
    run = new_run()
    crowd = many("approve", MAX_ANNOUNCED_EVENTS + 20)

    decision = decide(run, view(run, *crowd), executions(workers=[]), NOON)

    told = [each.event for each in every(Announce, decision.before) if each.event]
    assert told == crowd[:MAX_ANNOUNCED_EVENTS]


def test_a_worker_that_is_replaced_within_five_seconds_is_not_announced() -> None:
    run = stepping_run("ship")
    gone = worker(connected=False, seen=at("11:59:56"))

    replaced = decide(run, view(run), executions(workers=[gone]), NOON)
    missing = decide(run, view(run), executions(workers=[gone]), at("12:00:01"))

    assert replaced.before == (AwaitWorker(),)
    assert replaced.look_again_at == at("12:00:01")
    assert [each.since for each in every(Announce, missing.before)] == [gone.seen]


def test_no_missing_worker_is_announced_while_workers_reconnect_to_a_new_operator() -> None:
    run = stepping_run("ship")
    fresh = executions(workers=[], accepting_since=at("11:59:57"))

    early = decide(run, view(run), fresh, NOON)
    late = decide(run, view(run), fresh, at("12:00:02"))

    assert every(Announce, early.before) == []
    assert early.look_again_at == at("12:00:02")
    assert len(every(Announce, late.before)) == 1


def test_busy_workers_are_not_announced_as_missing() -> None:
    run = stepping_run("ship")

    decision = decide(run, view(run), executions(workers=[worker(free=0)]), NOON)

    assert decision.before == (AwaitWorker(room=True),)
    assert "capacity" in status_of(decision).message


def test_a_worker_that_left_takes_nothing() -> None:
    run = stepping_run("ship")
    left = worker(connected=False, free=1)

    decision = decide(run, view(run), executions(workers=[left]), NOON)

    assert every(Dispatch, decision.before) == []


@pytest.mark.parametrize("run", [new_run(), stepping_run("ship")])
def test_work_older_than_the_operator_is_held_back_for_two_seconds(run: WorkflowRun) -> None:
    started = executions(accepting_since=at("11:59:59"))

    early = decide(run, view(run), started, NOON)
    later = decide(run, view(run), started, at("12:00:01"))

    assert every(Dispatch, early.before) == []
    assert early.look_again_at == at("12:00:01")
    assert len(every(Dispatch, later.before)) == 1


def test_an_event_older_than_the_operator_is_held_back_for_two_seconds() -> None:
    run = waiting_run()
    started = executions(accepting_since=at("11:59:59"))

    decision = decide(run, view(run, event("approve")), started, NOON)

    assert every(Dispatch, decision.before) == []
    assert decision.look_again_at == at("12:00:01")


def test_work_older_than_the_operator_waits_no_longer_than_for_the_workers() -> None:
    run = waiting_run()
    old = event("approve")
    returned = executions(accepting_since=at("11:59:59"), all_back=True)

    decision = decide(run, view(run, old), returned, NOON)

    assert [each.event for each in every(Dispatch, decision.before)] == [old]


def test_an_event_younger_than_the_operator_is_dispatched_at_once() -> None:
    run = waiting_run()
    young = event("approve", created_at=NOON)
    started = executions(accepting_since=at("11:59:59.500"))

    decision = decide(run, view(run, young), started, NOON)

    assert [each.event for each in every(Dispatch, decision.before)] == [young]


def test_a_finished_run_dispatches_nothing() -> None:
    run = finished_run()

    decision = decide(run, view(run), executions(), NOON)

    assert every(Dispatch, decision.before) == []


def test_a_back_off_does_not_wait_for_a_clock_that_stepped_back() -> None:
    an_hour_ahead = stepping_run("ship", attempt=4, since=at("13:00"))

    decision = decide(an_hour_ahead, view(an_hour_ahead), executions(), NOON)

    assert len(every(Dispatch, decision.before)) == 1


def test_a_back_off_is_full_though_its_begin_was_rounded_up() -> None:
    run = stepping_run("ship", attempt=4, since=at("12:00:01"))

    decision = decide(run, view(run), executions(), at("12:00:00.001"))

    assert every(Dispatch, decision.before) == []
    assert decision.look_again_at == at("12:00:03")


def test_a_missing_worker_is_announced_although_the_clock_stepped_back() -> None:
    run = stepping_run("ship", since=at("13:00"))

    decision = decide(run, view(run), executions(workers=[]), NOON)

    assert [each.reason for each in every(Announce, decision.before)] == ["NoWorker"]


def test_work_from_before_the_clock_stepped_back_is_held_back_like_older_work() -> None:
    run = stepping_run("ship", since=at("13:00"))
    started = executions(accepting_since=at("11:59:59"))

    decision = decide(run, view(run), started, NOON)

    assert every(Dispatch, decision.before) == []
    assert decision.look_again_at == at("12:00:01")

"""A wait ends by an event or by the timeout, and by exactly one of them."""

from datetime import timedelta

import pytest

from grctl.models import RunPhase, WaitForEvent
from grctl.models.base import END_OF_CALENDAR
from grctl_operator.engine import Dispatch, Events, Hold, ListEvents, Listing, decide
from grctl_operator.engine.urgency import SHOWN_AFTER, Urgency
from grctl_operator.engine.wait import begin_wait, deadline_after
from tests.engine.builders import (
    NOON,
    at,
    brought,
    event,
    every,
    execution,
    executions,
    runs,
    status_of,
    view,
    waiting_run,
    written,
)


def test_an_event_from_before_the_deadline_beats_a_timeout_noticed_late() -> None:
    run = waiting_run(deadline=NOON, timeout_step="remind")
    approve = event("approve", created_at=at("11:59"))

    decision = decide(run, view(run, approve, listed_at=at("12:05")), executions(), at("12:05"))

    assert [each.event for each in every(Dispatch, decision.before)] == [approve]
    assert status_of(decision).wait == run.status.wait


def test_an_event_of_the_second_before_the_deadline_beats_the_timeout() -> None:
    run = waiting_run(deadline=NOON, timeout_step="remind")
    approve = event("approve", created_at=at("11:59:59"))

    decision = decide(run, view(run, approve, listed_at=at("12:05")), executions(), at("12:05"))

    assert [each.event for each in every(Dispatch, decision.before)] == [approve]


def test_an_event_of_the_deadlines_own_second_beats_the_timeout() -> None:
    run = waiting_run(deadline=NOON, timeout_step="remind")
    approve = event("approve", created_at=NOON)

    decision = decide(run, view(run, approve, listed_at=at("12:05")), executions(), at("12:05"))

    assert [each.event for each in every(Dispatch, decision.before)] == [approve]


def test_a_timeout_beats_an_event_of_the_second_after_the_deadline() -> None:
    run = waiting_run(deadline=NOON, timeout_step="remind")
    late = event("approve", created_at=at("12:00:01"))

    decision = decide(run, view(run, late, listed_at=at("12:05")), executions(), at("12:05"))

    step = status_of(decision).step
    assert step is not None
    assert step.name == "remind"
    assert every(Dispatch, decision.before) == []


def test_a_timed_out_wait_leaves_the_inbox_as_it_is() -> None:
    run = waiting_run(deadline=NOON, timeout_step="remind")
    late = event("approve", created_at=at("12:00:01"))

    status = status_of(
        decide(run, view(run, late, listed_at=at("12:05")), executions(), at("12:05"))
    )

    assert [entry.name for entry in status.inbox] == ["approve"]
    assert status.settled == ()


def test_a_timeout_is_a_commit_written_before_its_step_is_dispatched() -> None:
    run = waiting_run(deadline=NOON, timeout_step="remind", commits=3)
    events = view(run, listed_at=at("12:05"))

    decision = decide(run, events, executions(), at("12:05"))

    assert status_of(decision).commits == 4
    assert decision.urgency is Urgency.NOW
    assert every(Dispatch, (*decision.before, *decision.after)) == []
    after = written(run, decision)
    assert after.status.phase is RunPhase.RUNNING
    assert after.status.wait is None
    again = decide(after, view(after), executions(), at("12:05"))
    assert [each.name for each in every(Dispatch, again.before)] == ["remind"]


def test_a_timeout_is_noted_in_the_history() -> None:
    run = waiting_run(deadline=NOON, timeout_step="remind", commits=3)

    status = status_of(decide(run, view(run, listed_at=at("12:05")), executions(), at("12:05")))

    assert [(each.commit, each.kind, each.handler) for each in status.history] == [
        (4, "timeout", "remind")
    ]


def test_before_its_deadline_a_wait_asks_to_be_looked_at_a_second_after_it() -> None:
    run = waiting_run(deadline=NOON, timeout_step="remind")

    decision = decide(run, view(run), executions(), at("11:50"))

    assert decision.look_again_at == at("12:00:01")


@pytest.mark.parametrize("moment", ["11:59:59.999", "12:00", "12:00:00.999"])
def test_no_timeout_fires_before_the_deadlines_second_is_over(moment: str) -> None:
    run = waiting_run(deadline=NOON, timeout_step="remind")

    decision = decide(run, view(run, listed_at=at(moment)), executions(), at(moment))

    assert status_of(decision).wait == run.status.wait
    assert decision.look_again_at == at("12:00:01")


def test_a_full_inbox_needs_no_timer_for_the_deadline() -> None:
    run = waiting_run(deadline=NOON, timeout_step="remind")

    decision = decide(run, view(run, event("approve")), executions(), at("11:50"))

    assert decision.look_again_at == at("11:50") + SHOWN_AFTER


def test_a_wait_entered_with_a_full_inbox_goes_on_with_its_head_before_its_deadline() -> None:
    run, first, second = waiting_run(), event("approve", "first"), event("approve", "second")
    wait = WaitForEvent(timeout=timedelta(seconds=2), timeout_step="remind")
    done = executions(brought(execution(run, first), wait))

    entered = decide(run, view(run, first, second), done, NOON)
    after = written(run, entered)
    decision = decide(after, view(after, second), executions(), NOON)

    assert status_of(entered).wait is not None
    assert [each.event for each in every(Dispatch, decision.before)] == [second]
    assert (entered.look_again_at, decision.look_again_at) == (NOON, NOON + SHOWN_AFTER)


def test_a_timeout_asks_for_a_list_past_the_deadline_first() -> None:
    run = waiting_run(deadline=NOON, timeout_step="remind")
    events = view(run, listed_at=at("12:00:00.999"))

    decision = decide(run, events, executions(), at("12:05"))

    assert every(ListEvents, decision.before) == [ListEvents()]
    assert status_of(decision).wait == run.status.wait


def test_an_event_that_only_the_list_past_the_deadline_shows_beats_the_timeout() -> None:
    run = waiting_run(deadline=NOON, timeout_step="remind")
    approve = event("approve", created_at=at("11:59:59"))

    watched = decide(run, view(run, listed=False), executions(), at("12:00:10"))
    listed = view(run, approve, listed_at=at("12:00:10"))
    decision = decide(run, listed, executions(), at("12:00:10"))

    assert every(ListEvents, watched.before) == [ListEvents()]
    assert status_of(watched).wait == run.status.wait
    assert [each.event for each in every(Dispatch, decision.before)] == [approve]


def test_a_list_made_for_another_run_proves_no_timeout() -> None:
    run = waiting_run(deadline=NOON, timeout_step="remind")
    foreign = Listing("another-run", run.metadata.resource_version, at("12:05"))
    events = Events({}, complete_for=view(run).complete_for, listing=foreign)

    decision = decide(run, events, executions(), at("12:05"))

    assert every(ListEvents, decision.before) == [ListEvents()]
    assert status_of(decision).wait == run.status.wait


def test_a_view_that_may_hide_a_commit_proves_no_timeout() -> None:
    run = waiting_run(deadline=NOON, timeout_step="remind")
    events = view(run, listed_at=at("12:05"), complete=False)

    decision = decide(run, events, executions(), at("12:05"))

    assert every(ListEvents, decision.before) == [ListEvents()]
    assert status_of(decision).wait == run.status.wait


def test_no_timeout_fires_while_an_event_is_handled() -> None:
    run = waiting_run(deadline=NOON, timeout_step="remind")
    approve = event("approve", created_at=at("11:59"))
    running = runs(execution(run, approve))

    decision = decide(
        run, view(run, approve, listed_at=at("12:05")), executions(running), at("12:05")
    )

    assert status_of(decision).wait == run.status.wait


def test_a_timeout_does_not_wait_for_the_handler_of_a_withdrawn_event() -> None:
    run = waiting_run(deadline=NOON, timeout_step="remind")
    withdrawn = runs(execution(run, event("approve", created_at=at("11:59"))))

    decision = decide(run, view(run, listed_at=at("12:05")), executions(withdrawn), at("12:05"))

    assert status_of(decision).wait is None


def test_no_timeout_fires_without_the_finalizer() -> None:
    run = waiting_run(deadline=NOON, timeout_step="remind", held=False)

    decision = decide(run, view(run, listed_at=at("12:05")), executions(), at("12:05"))

    assert status_of(decision).wait == run.status.wait
    assert every(Hold, decision.before) == [Hold()]


def test_a_rejection_during_the_wait_leaves_its_deadline_and_its_timer() -> None:
    run = waiting_run(deadline=NOON, timeout_step="remind")

    rejection = decide(run, view(run, event("aprove")), executions(), at("11:50"))
    after = written(run, rejection)
    decision = decide(after, view(after), executions(), at("11:50"))

    assert [each.reason for each in status_of(rejection).settled] == ["UnknownEvent"]
    assert after.status.wait == run.status.wait
    assert decision.look_again_at == at("12:00:01")


def test_after_a_rejection_the_timeout_still_fires_at_the_old_deadline() -> None:
    run = waiting_run(deadline=NOON, timeout_step="remind")
    typo = event("aprove", created_at=at("11:59"))
    rejected = written(
        run, decide(run, view(run, typo, listed_at=at("12:05")), executions(), at("12:05"))
    )

    decision = decide(rejected, view(rejected, listed_at=at("12:05")), executions(), at("12:05"))

    step = status_of(decision).step
    assert step is not None
    assert step.name == "remind"


def test_a_wait_without_a_deadline_never_ends_by_itself() -> None:
    run = waiting_run()

    decision = decide(run, view(run, listed_at=at("23:00")), executions(), at("23:00"))

    assert decision.look_again_at is None
    assert status_of(decision).wait == run.status.wait


def test_a_deadline_is_a_whole_second_rounded_up() -> None:
    directive = WaitForEvent(timeout=timedelta(seconds=10), timeout_step="remind")

    assert begin_wait(directive, at("12:00:00.001")).deadline == at("12:00:11")
    assert begin_wait(directive, at("12:00")).deadline == at("12:00:10")


def test_a_wait_begins_in_the_second_of_its_commit() -> None:
    wait = begin_wait(WaitForEvent(), at("12:00:00.750"))

    assert (wait.since, wait.deadline, wait.timeout_step) == (NOON, None, None)


def test_a_deadline_beyond_the_calendar_is_its_end() -> None:
    assert deadline_after(NOON, timedelta.max) == END_OF_CALENDAR
    assert deadline_after(NOON, timedelta(days=365)) < END_OF_CALENDAR


def test_a_wait_until_the_end_of_the_calendar_can_be_decided_upon() -> None:
    run = waiting_run(deadline=END_OF_CALENDAR, timeout_step="remind")

    decision = decide(run, view(run), executions(), NOON)

    assert decision.look_again_at == END_OF_CALENDAR + timedelta(seconds=1)


def test_a_timeout_below_zero_has_ended_already() -> None:
    assert deadline_after(NOON, timedelta.min) == NOON

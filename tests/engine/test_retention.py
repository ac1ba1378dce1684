"""How long a finished run stays, and which settled events stay."""

import pytest

from grctl.models import EventCounts, RunPhase, WorkflowRun
from grctl.models.base import END_OF_CALENDAR
from grctl_operator.engine import (
    Decision,
    Delete,
    Hold,
    ListEvents,
    Purge,
    Release,
    Settle,
    Trim,
    decide,
)
from tests.engine.builders import (
    NOON,
    at,
    deleted,
    event,
    every,
    execution,
    executions,
    finished_run,
    new_run,
    runs,
    settlement,
    shown,
    status_of,
    view,
    waiting_run,
    with_metadata,
    with_status,
)

HOUR = 3600


def kept_run(total: int, **fields: object) -> WorkflowRun:
    """A waiting run of which so many events were settled."""
    status = {"events": EventCounts(processed=total - 2, rejected=2)}
    return waiting_run(status=status, **fields)  # type: ignore[arg-type]


# finished runs


@pytest.mark.parametrize("phase", [RunPhase.COMPLETED, RunPhase.FAILED, RunPhase.TERMINATED])
def test_a_finished_run_is_deleted_when_its_time_is_over(phase: RunPhase) -> None:
    run = finished_run(phase, ttl=HOUR)

    decision = decide(run, view(run), executions(), at("12:00:01"))

    assert every(Delete, decision.before) == [Delete()]


def test_a_finished_run_stays_its_whole_time_and_is_looked_at_after_it() -> None:
    run = finished_run(ttl=HOUR)

    decision = decide(run, view(run), executions(), at("12:00:00.999"))

    assert every(Delete, decision.before) == []
    assert decision.look_again_at == at("12:00:01")


def test_a_time_of_zero_lasts_for_the_rest_of_the_second() -> None:
    run = finished_run(ttl=0)

    assert every(Delete, decide(run, view(run), executions(), at("11:00")).before) == []
    assert every(Delete, decide(run, view(run), executions(), at("11:00:01")).before) == [Delete()]


def test_a_finished_run_without_a_time_stays() -> None:
    run = finished_run()
    run = shown(run, view(run), executions(), NOON)

    decision = decide(run, view(run), executions(), at("23:00"))

    assert (decision.before, decision.look_again_at) == ((), None)


def test_an_active_run_is_not_deleted() -> None:
    run = waiting_run(ttl_seconds_after_finished=0)

    assert every(Delete, decide(run, view(run), executions(), NOON).before) == []


def test_a_time_beyond_the_calendar_is_waited_for_to_its_end() -> None:
    run = with_status(finished_run(ttl=2**31 - 1), finished_at=END_OF_CALENDAR)

    assert every(Delete, decide(run, view(run), executions(), NOON).before) == []


def test_a_run_whose_status_does_not_say_when_it_finished_stays() -> None:
    run = finished_run(ttl=0, finished_at=None)

    assert every(Delete, decide(run, view(run), executions(), NOON).before) == []


def test_waiting_events_are_rejected_by_the_deletion() -> None:
    run = finished_run(ttl=0)
    waiting = event("approve")

    before = decide(run, view(run, waiting), executions(), NOON)
    after = decide(deleted(run), view(deleted(run), waiting), executions(), NOON)

    assert every(Settle, before.after) == []
    assert [each.reason for each in status_of(after).settled] == ["RunDeleted"]


def test_a_run_that_is_being_deleted_is_not_deleted_again() -> None:
    run = deleted(finished_run(ttl=0))

    decision = decide(run, view(run), executions(), NOON)

    assert every(Delete, decision.before) == []
    assert every(Purge, decision.before) == [Purge()]


def test_a_run_that_nothing_holds_is_held_first_so_that_it_takes_its_events_along() -> None:
    run = with_metadata(finished_run(ttl=0), finalizers=())

    decision = decide(run, view(run), executions(), NOON)

    assert (every(Hold, decision.before), every(Delete, decision.before)) == ([Hold()], [])


def test_a_restored_run_is_not_deleted() -> None:
    run = with_metadata(finished_run(ttl=0), uid="copied-object")

    assert every(Delete, decide(run, view(run), executions(), NOON).before) == []


def test_the_worker_of_an_expired_run_is_told_all_the_same() -> None:
    run = finished_run(ttl=0)
    late = runs(execution(new_run()))

    decision = decide(run, view(run), executions(late), NOON)

    assert [each.execution for each in every(Release, decision.before)] == ["e1"]


# settled events


@pytest.mark.parametrize(
    ("keep", "total", "through"),
    [(None, 1001, 1), (None, 5000, 4000), (10, 12, 2), (0, 3, 3)],
)
def test_settled_events_beyond_the_newest_are_removed(
    keep: int | None, total: int, through: int
) -> None:
    run = kept_run(total, keep_events=keep)

    assert every(Trim, decide(run, view(run), executions(), NOON).before) == [Trim(through)]


@pytest.mark.parametrize(("keep", "total"), [(None, 1000), (10, 10), (10, 3), (0, 0)])
def test_no_more_events_than_are_kept_stay(keep: int | None, total: int) -> None:
    run = waiting_run(status={"events": EventCounts(processed=total)}, keep_events=keep)

    assert every(Trim, decide(run, view(run), executions(), NOON).before) == []


def test_an_event_that_is_not_known_settled_stays_and_what_came_after_it() -> None:
    first, second, third = (event("approve", name) for name in ("a", "b", "c"))
    outbox = [settlement(each, number) for number, each in enumerate((first, second, third), 3)]
    run = kept_run(5, keep_events=0, settled=outbox)

    decision = decide(run, view(run, second), executions(), NOON)

    assert every(Trim, decision.before) == [Trim(3)]


def test_nothing_of_the_outbox_is_removed_while_the_view_of_events_may_be_stale() -> None:
    outbox = [settlement(event("approve", "a"), 4), settlement(event("approve", "b"), 5)]
    run = kept_run(5, keep_events=0, settled=outbox)

    decision = decide(run, view(run, complete=False), executions(), NOON)

    assert decision.before == (ListEvents(), Trim(3))


def test_no_list_is_taken_for_events_that_are_kept_anyway() -> None:
    outbox = [settlement(event("approve", "b"), 5)]
    run = kept_run(5, keep_events=1, settled=outbox)

    decision = decide(run, view(run, complete=False), executions(), NOON)

    assert decision.before == (Trim(4),)


def test_events_of_a_finished_run_are_removed_too() -> None:
    run = finished_run(events=EventCounts(processed=1500))

    assert every(Trim, decide(run, view(run), executions(), NOON).before) == [Trim(500)]


def test_a_run_that_is_being_deleted_takes_all_along_and_trims_none() -> None:
    run = deleted(kept_run(1500))

    decision = decide(run, view(run), executions(), NOON)

    assert every(Trim, decision.before) == []


def test_the_same_is_asked_for_again_as_what_is_gone_is_not_known_here() -> None:
    run = kept_run(1500)
    run = shown(run, view(run), executions(), NOON)

    first = decide(run, view(run), executions(), NOON)

    assert first == decide(run, view(run), executions(), NOON)
    assert first == Decision(before=(Trim(500),))

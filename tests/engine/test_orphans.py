"""Events of an id that has no run: they wait, unless their run cannot come any more."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from grctl.models import EventPhase
from grctl_operator.engine import (
    Announce,
    Decision,
    Dispatch,
    Event,
    Events,
    KeepPlace,
    ListEvents,
    ReadRun,
    Release,
    Settle,
    decide,
)
from grctl_operator.engine.announcements import MAX_ANNOUNCED_EVENTS
from grctl_operator.engine.orphans import ORPHAN_TIMEOUT
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
    view,
    waiting_run,
)


def without_run(*waiting: Event, read: bool = False) -> Events:
    """What is known of events whose run is not there; `read`: a read confirmed it."""
    absent = new_run()
    return view(absent, *waiting, listed=False, orphans=waiting if read else ())


def test_an_event_without_a_run_waits() -> None:
    early = event("approve", created_at=NOON)

    decision = decide(None, without_run(early), executions(), at("12:00:01"))

    assert decision == Decision(look_again_at=at("12:00:05"))


def test_the_place_of_an_event_that_somebody_changed_is_written_down_before_its_run_comes() -> None:
    early, later = event("approve", created_at=NOON), event("reject", created_at=NOON)
    seen = replace(without_run(early, later), changed=(early,))

    decision = decide(None, seen, executions(), at("12:00:01"))

    assert every(KeepPlace, decision.before) == [KeepPlace(early)]


def test_an_event_that_is_rejected_needs_no_place_before() -> None:
    lost = event("approve", created_at=NOON, run_uid="gone")
    seen = replace(without_run(lost, read=True), changed=(lost,))

    decision = decide(None, seen, executions(), at("12:00:01"))

    assert every(KeepPlace, decision.before) == []
    assert len(every(Settle, decision.before)) == 1


def test_a_waiting_event_is_announced_after_five_seconds() -> None:
    early = event("approve", created_at=NOON)

    before = decide(None, without_run(early), executions(), at("12:00:04.999"))
    after = decide(None, without_run(early), executions(), at("12:00:05"))

    assert every(Announce, before.before) == []
    told = every(Announce, after.before)
    assert [(each.reason, each.event, each.warning, each.since) for each in told] == [
        ("NoSuchRun", early, True, NOON)
    ]
    assert after.look_again_at == NOON + ORPHAN_TIMEOUT + timedelta(seconds=1)


def test_of_many_waiting_events_a_few_are_announced() -> None:
    crowd = many("approve", MAX_ANNOUNCED_EVENTS + 20)

    decision = decide(None, without_run(*crowd), executions(), NOON)

    assert [each.event for each in every(Announce, decision.before)] == crowd[:MAX_ANNOUNCED_EVENTS]


def test_an_event_that_any_run_may_take_stays_although_a_read_found_none() -> None:
    early = event("approve", created_at=NOON)

    decision = decide(None, without_run(early, read=True), executions(), NOON)

    assert every(Settle, decision.before) == []


def test_an_event_for_one_run_is_rejected_only_after_a_read_found_none() -> None:
    addressed = event("approve", run_uid="yesterdays-run")

    unsure = decide(None, without_run(addressed), executions(), NOON)
    sure = decide(None, without_run(addressed, read=True), executions(), NOON)

    assert unsure.before == (ReadRun(),)
    settled = [each.settlement for each in every(Settle, sure.before)]
    assert [(each.phase, each.reason, each.sequence) for each in settled] == [
        (EventPhase.REJECTED, "RunGone", None)
    ]
    told = every(Announce, sure.before)
    assert [(each.reason, each.event, each.since) for each in told] == [
        ("Rejected", addressed, addressed.created)
    ]
    assert every(ReadRun, sure.before) == []


def test_an_event_that_came_after_the_read_needs_another() -> None:
    first = event("approve", "first", run_uid="yesterdays-run")
    second = event("approve", "second", run_uid="yesterdays-run")
    events = view(new_run(), first, second, listed=False, orphans=[first])

    decision = decide(None, events, executions(), NOON)

    assert every(ReadRun, decision.before) == [ReadRun()]
    assert [each.settlement.name for each in every(Settle, decision.before)] == ["first"]


def test_a_run_that_is_gone_needs_its_executions_no_more() -> None:
    gone = runs(execution(new_run()))

    decision = decide(None, Events(), executions(gone), NOON)

    assert decision.before == (Release("e1", False, "the run is gone"),)


def test_without_a_run_and_without_events_nothing_is_done() -> None:
    assert decide(None, Events(), executions(), NOON) == Decision()


def test_an_event_without_a_run_is_announced_although_the_clock_stepped_back() -> None:
    waits = event("approve", created_at=at("13:00"))

    decision = decide(None, Events({waits.uid: waits}), executions(), NOON)

    assert [each.reason for each in every(Announce, decision.before)] == ["NoSuchRun"]


# Events whose run never came

HOUR = timedelta(hours=1)
DEADLINE = at("12:00")
LATE = at("12:00:01")


def never_started(*waiting: Event, looked_at: datetime | None = None, **fields: Any) -> Events:
    """Events of which a read, asked for at that time, found no run."""
    return replace(without_run(*waiting, read=True), looked_at=looked_at, **fields)


def test_an_event_waits_for_its_run_until_its_time_is_over_and_no_longer() -> None:
    early = event("approve", created_at=at("11:00"))
    seen = never_started(early, looked_at=LATE)

    in_time = decide(None, seen, executions(), DEADLINE, orphan_timeout=HOUR)
    late = decide(None, seen, executions(), LATE, orphan_timeout=HOUR)

    assert every(Settle, in_time.before) == []
    assert in_time.look_again_at == LATE
    (settle,) = every(Settle, late.before)
    verdict = settle.settlement
    assert (verdict.phase, verdict.reason) == (EventPhase.REJECTED, "NoSuchRun")
    assert verdict.message == (
        "There was no run of that id for 1h. Start the run, then send the event again."
    )
    assert (settle.run_uid, late.look_again_at) == (None, None)
    assert [each.reason for each in every(Announce, late.before)] == ["Rejected"]


@pytest.mark.parametrize("looked_at", [None, DEADLINE])
def test_an_event_whose_time_is_over_is_rejected_only_after_a_later_look_for_its_run(
    looked_at: datetime | None,
) -> None:
    early = event("approve", created_at=at("11:00"))
    seen = never_started(early, looked_at=looked_at)

    decision = decide(None, seen, executions(), LATE, orphan_timeout=HOUR)

    assert every(ReadRun, decision.before) == [ReadRun()]
    assert every(Settle, decision.before) == []


def test_an_event_that_came_after_the_look_for_its_run_is_looked_for_again() -> None:
    early, other = event("approve", created_at=at("11:00")), event("reject", created_at=at("11:00"))
    seen = replace(without_run(early, other), looked_at=LATE, orphans=frozenset({early.uid}))

    decision = decide(None, seen, executions(), LATE, orphan_timeout=HOUR)

    assert every(ReadRun, decision.before) == [ReadRun()]
    assert every(Settle, decision.before) == []


def test_an_event_that_is_being_rejected_is_not_rejected_twice() -> None:
    early = event("approve", created_at=at("11:00"))
    seen = never_started(early, looked_at=LATE, in_doubt=frozenset({early.uid}))

    decision = decide(None, seen, executions(), LATE, orphan_timeout=HOUR)

    assert decision.before == ()


def test_of_ten_thousand_events_without_a_run_some_are_rejected_at_a_time() -> None:
    crowd = many("approve", 1000, created_at=at("11:00"))

    decision = decide(
        None, never_started(*crowd, looked_at=LATE), executions(), LATE, orphan_timeout=HOUR
    )

    assert len(every(Settle, decision.before)) == 64


def test_a_run_that_is_created_while_its_event_is_being_rejected_does_not_get_it_yet() -> None:
    run = waiting_run()
    early, later = event("approve", created_at=at("11:00")), event("reject")
    doubted = replace(view(run, early, later), in_doubt=frozenset({early.uid}))

    unsure = decide(run, doubted, executions(), NOON)
    refused = decide(run, view(run, early, later), executions(), NOON)

    assert every(Dispatch, unsure.before) == []
    assert every(ListEvents, unsure.before) == []
    assert [each.event for each in every(Dispatch, refused.before)] == [early]


def test_a_finished_run_does_not_reject_an_event_that_is_being_rejected() -> None:
    run = finished_run()
    early = event("approve", created_at=at("11:00"))
    doubted = replace(view(run, early), in_doubt=frozenset({early.uid}))

    assert status_of(decide(run, doubted, executions(), NOON)).settled == ()

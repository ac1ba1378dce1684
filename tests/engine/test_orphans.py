"""Events of an id that has no run: they wait, and none waits for what cannot come."""

from dataclasses import replace

from grctl.models import EventPhase
from grctl_operator.engine import (
    Announce,
    Decision,
    Event,
    Events,
    KeepPlace,
    ReadRun,
    Release,
    Settle,
    decide,
)
from grctl_operator.engine.telling import TOLD_OF
from tests.engine.builders import (
    NOON,
    at,
    event,
    every,
    execution,
    executions,
    many,
    new_run,
    runs,
    view,
)


def without_run(*waiting: Event, read: bool = False) -> Events:
    """What is known of events whose run is not there; `read`: a read confirmed it."""
    nobody = new_run()
    return view(nobody, *waiting, listed=False, orphans=waiting if read else ())


def test_an_event_without_a_run_waits() -> None:
    early = event("approve", created_at=NOON)

    decision = decide(None, without_run(early), executions(), at("12:00:01"))

    assert decision == Decision(wake_at=at("12:00:05"))


def test_the_place_of_an_event_that_somebody_changed_is_written_down_before_its_run_comes() -> None:
    early, later = event("approve", created_at=NOON), event("reject", created_at=NOON)
    seen = replace(without_run(early, later), moved=(early,))

    decision = decide(None, seen, executions(), at("12:00:01"))

    assert every(KeepPlace, decision.before) == [KeepPlace(early)]


def test_an_event_that_is_rejected_needs_no_place_before() -> None:
    lost = event("approve", created_at=NOON, run_uid="gone")
    seen = replace(without_run(lost, read=True), moved=(lost,))

    decision = decide(None, seen, executions(), at("12:00:01"))

    assert every(KeepPlace, decision.before) == []
    assert len(every(Settle, decision.before)) == 1


def test_people_are_told_of_a_waiting_event_after_five_seconds() -> None:
    early = event("approve", created_at=NOON)

    before = decide(None, without_run(early), executions(), at("12:00:04.999"))
    after = decide(None, without_run(early), executions(), at("12:00:05"))

    assert every(Announce, before.before) == []
    told = every(Announce, after.before)
    assert [(each.reason, each.event, each.warning, each.since) for each in told] == [
        ("NoSuchRun", early, True, NOON)
    ]
    assert after.wake_at is None


def test_people_are_not_flooded() -> None:
    crowd = many("approve", TOLD_OF + 20)

    decision = decide(None, without_run(*crowd), executions(), NOON)

    assert [each.event for each in every(Announce, decision.before)] == crowd[:TOLD_OF]


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


def test_where_there_is_nothing_nothing_is_done() -> None:
    assert decide(None, Events(), executions(), NOON) == Decision()


def test_an_event_without_a_run_is_told_of_although_the_clock_stepped_back() -> None:
    waits = event("approve", created_at=at("13:00"))

    decision = decide(None, Events({waits.uid: waits}), executions(), NOON)

    assert [each.reason for each in every(Announce, decision.before)] == ["NoSuchRun"]

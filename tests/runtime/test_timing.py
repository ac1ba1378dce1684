"""When a run is looked at and written, with the time moved by the test."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from grctl.models.run import RunStatus
from grctl_operator.engine import SHOWN_AFTER, Decision, Urgency
from grctl_operator.engine.observation import Key
from grctl_operator.runtime.batching import WRITE_BATCH_WINDOW_S, Batching
from grctl_operator.runtime.timing import (
    COALESCE_S,
    FIRST_RETRY_S,
    LONGEST_RETRY_S,
    Timing,
    Why,
)
from grctl_operator.runtime.work_queue import WorkQueue
from grctl_operator.runtime.write.refresher import Refresher
from tests.runtime.virtual_time import VirtualTime

A, B = Key("shop", "a"), Key("shop", "b")
NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
A_MOMENT = WRITE_BATCH_WINDOW_S / 4
ENDS = RunStatus(message="ends", commits=1)


@dataclass
class TimingParts:
    """A queue and its timing, by a clock that the test moves."""

    batching: Batching | None = field(default_factory=Batching)
    urgency: Urgency = Urgency.BATCHED
    """Of outcomes that come."""
    clock_is_off: timedelta = timedelta()
    """By how much the API server's clock was moved."""

    def __post_init__(self) -> None:
        self.time = VirtualTime()
        self.queue = WorkQueue()
        self.timing = Timing(
            self.queue,
            self.now,
            refresher=Refresher(self.queue, lambda _: (), self.time.time),
            urgency_of_outcomes=lambda _: self.urgency,
            batching=self.batching,
            timers=self.time,
        )

    def now(self) -> datetime:
        """Return the API server's time."""
        return NOON + timedelta(seconds=self.time.now) + self.clock_is_off

    def look_in(self, seconds: float, key: Key = A) -> None:
        moment = self.now() + timedelta(seconds=seconds)
        self.timing.add(key, why=Why.DECIDED, when=moment)

    def decide(self, urgency: Urgency, *, lasted: float = 0.0) -> None:
        since = self.now() - timedelta(seconds=lasted)
        self.timing.on_decision(A, Decision(ENDS, urgency, since))

    async def reconciled(self) -> list[Key]:
        """Return the keys whose turn has come."""
        keys = []
        while len(self.queue):
            key = await self.queue.take()
            self.timing.begin(key)
            keys.append(key)
            self.queue.done(key)
        return keys

    def due_in(self, limit: float = 60.0) -> Any:
        """Return after how many seconds the status is to be written; None: not within the limit."""
        began = self.time.now
        while not self.timing.is_write_due(A):
            self.time.advance(0.001)
            if self.time.now > began + limit:
                return None
        return pytest.approx(self.time.now - began, abs=0.0011)


# When a run is looked at.


async def test_a_run_is_looked_at_when_the_engines_moment_has_come() -> None:
    parts = TimingParts()
    parts.look_in(5.0)
    parts.time.advance(4.9)
    early = await parts.reconciled()
    parts.time.advance(0.2)
    assert (early, await parts.reconciled()) == ([], [A])


async def test_of_several_moments_the_earliest_counts() -> None:
    parts = TimingParts()
    for seconds in (5.0, 1.0, 9.0):
        parts.look_in(seconds)
    parts.time.advance(1.1)
    first = await parts.reconciled()
    parts.time.advance(20.0)
    assert (first, await parts.reconciled()) == ([A], [])


async def test_a_jump_of_the_clock_wakes_every_run_that_has_a_timer() -> None:
    parts = TimingParts()
    parts.look_in(3600.0)
    parts.timing.wake_all()
    woken = await parts.reconciled()
    parts.time.advance(7200.0)
    assert (woken, await parts.reconciled()) == ([A], [])


async def test_a_jump_of_the_clock_wakes_a_run_that_is_being_reconciled_once_more() -> None:
    parts = TimingParts()
    parts.queue.add(A)
    parts.timing.begin(await parts.queue.take())
    parts.timing.wake_all()
    parts.look_in(3600.0)  # decided by the old clock
    parts.queue.done(A)
    assert await parts.reconciled() == [A]


async def test_runs_whose_timer_would_fire_soon_can_be_woken_at_once() -> None:
    parts = TimingParts()
    parts.look_in(2.0, A)
    parts.look_in(3.0, B)
    parts.timing.wake_within(2.5)
    assert await parts.reconciled() == [A]


async def test_a_reconcile_forgets_the_timer_of_its_run() -> None:
    parts = TimingParts()
    parts.look_in(5.0)
    parts.queue.add(A)
    taken = await parts.reconciled()
    parts.time.advance(10.0)
    assert (taken, await parts.reconciled()) == ([A], [])


async def test_a_run_whose_reconcile_fails_waits_longer_each_time_up_to_a_limit() -> None:
    parts, waited = TimingParts(), []
    for _ in range(12):
        parts.timing.add(A, why=Why.FAILED)
        start = parts.time.now
        while not len(parts.queue):
            parts.time.advance(FIRST_RETRY_S / 2)
        waited.append(parts.time.now - start)
        await parts.reconciled()
    assert waited == sorted(waited)
    assert waited[0] <= 2 * FIRST_RETRY_S
    assert LONGEST_RETRY_S <= waited[-1] <= LONGEST_RETRY_S + FIRST_RETRY_S


async def test_a_success_makes_the_next_failure_wait_shortly_again() -> None:
    parts = TimingParts()
    for _ in range(6):
        parts.timing.add(A, why=Why.FAILED)
        parts.time.advance(LONGEST_RETRY_S)
        await parts.reconciled()
    parts.timing.on_success(A)
    parts.timing.add(A, why=Why.FAILED)
    parts.time.advance(FIRST_RETRY_S)
    assert await parts.reconciled() == [A]


async def test_a_leader_that_goes_on_forgives_the_failures_of_the_meantime() -> None:
    parts = TimingParts()
    parts.queue.pause()
    parts.timing.add(A, why=Why.FAILED)
    parts.timing.wake_all()
    parts.queue.resume()
    assert await parts.reconciled() == [A]


async def test_a_closed_timing_wakes_no_run() -> None:
    parts = TimingParts()
    parts.look_in(1.0)
    parts.timing.close()
    parts.time.advance(2.0)
    assert await parts.reconciled() == []


@pytest.mark.parametrize("why", [Why.SETTLED, Why.WRITTEN])
async def test_a_look_that_nobody_waits_for_is_shared_with_the_next_thing(why: Why) -> None:
    parts = TimingParts()
    parts.timing.add(A, why=why)
    at_once = await parts.reconciled()
    parts.queue.add(A)
    together = await parts.reconciled()
    parts.time.advance(COALESCE_S)
    assert (at_once, together, await parts.reconciled()) == ([], [A], [])


@pytest.mark.parametrize("why", [Why.SETTLED, Why.WRITTEN])
async def test_a_look_that_nobody_waits_for_comes_after_a_moment(why: Why) -> None:
    parts = TimingParts()
    parts.timing.add(A, why=why)
    parts.time.advance(COALESCE_S)
    assert await parts.reconciled() == [A]


async def test_a_look_that_nobody_waits_for_adds_nothing_to_a_run_whose_turn_comes() -> None:
    parts = TimingParts()
    parts.queue.add(A)
    parts.timing.add(A, why=Why.SETTLED)
    taken = await parts.reconciled()
    parts.time.advance(COALESCE_S)
    assert (taken, await parts.reconciled()) == ([A], [])


async def test_a_run_is_looked_at_directly_after_its_write_if_something_is_due() -> None:
    parts = TimingParts()
    parts.timing.add(A, why=Why.WRITTEN, when=parts.now())
    assert await parts.reconciled() == [A]


# When a run is written.


def test_a_status_for_people_is_due_once_it_has_lasted() -> None:
    parts = TimingParts()
    parts.decide(Urgency.FOR_PEOPLE)
    assert parts.due_in() == 0.25


def test_a_status_for_people_is_due_at_once_if_it_has_lasted() -> None:
    parts = TimingParts()
    parts.decide(Urgency.FOR_PEOPLE, lasted=0.3)
    assert parts.timing.is_write_due(A)


def test_a_status_for_people_is_due_when_it_first_differed() -> None:
    parts = TimingParts()
    parts.decide(Urgency.FOR_PEOPLE)
    parts.time.advance(0.2)
    parts.decide(Urgency.FOR_PEOPLE)
    assert parts.due_in() == 0.05


def test_nothing_is_due_once_nothing_differs_any_more() -> None:
    parts = TimingParts()
    parts.decide(Urgency.FOR_PEOPLE)
    parts.timing.on_decision(A, Decision())
    assert parts.due_in(1.0) is None


@pytest.mark.parametrize("urgency", [Urgency.NOW, Urgency.BATCHED])
def test_a_first_commit_is_due_at_once(urgency: Urgency) -> None:
    parts = TimingParts()
    parts.decide(urgency)
    assert parts.timing.is_write_due(A)


def deferred() -> TimingParts:
    """A run that was written, and has an outcome a moment later."""
    parts = TimingParts()
    parts.timing.on_write(A, 1)
    parts.time.advance(A_MOMENT)
    parts.decide(Urgency.BATCHED)
    return parts


def test_a_batched_commit_soon_after_a_write_is_due_when_the_window_ends() -> None:
    assert deferred().due_in() == WRITE_BATCH_WINDOW_S - A_MOMENT


def test_an_urgent_commit_is_due_at_once_with_the_deferred_outcomes() -> None:
    parts = deferred()
    parts.decide(Urgency.NOW)
    assert parts.timing.is_write_due(A)


def test_a_batched_commit_is_due_before_a_status_for_people() -> None:
    parts = TimingParts()
    parts.timing.on_write(A, 1)
    parts.decide(Urgency.FOR_PEOPLE)
    parts.decide(Urgency.BATCHED)
    assert parts.due_in() == WRITE_BATCH_WINDOW_S


def test_nothing_is_due_after_a_write() -> None:
    parts = TimingParts()
    parts.decide(Urgency.NOW)
    parts.timing.on_write(A, 1)
    assert parts.due_in(1.0) is None


def test_a_decision_that_left_the_outcomes_leaves_their_write_due() -> None:
    parts = deferred()
    parts.timing.on_decision(A, Decision(urgency=Urgency.BATCHED))
    assert parts.due_in() == WRITE_BATCH_WINDOW_S - A_MOMENT


def test_a_server_clock_that_steps_back_an_hour_defers_nothing() -> None:
    parts = TimingParts()
    parts.timing.on_write(A, 1)
    parts.clock_is_off = -timedelta(hours=1)
    parts.decide(Urgency.BATCHED)
    assert parts.due_in() == WRITE_BATCH_WINDOW_S


def test_outcomes_are_batched_until_their_write_is_due() -> None:
    parts, seen = TimingParts(), []
    seen.append(parts.timing.is_deferring(A))
    parts = deferred()
    seen.append(parts.timing.is_deferring(A))
    parts.time.advance(WRITE_BATCH_WINDOW_S)
    seen.append(parts.timing.is_deferring(A))
    assert seen == [False, True, False]


async def test_an_outcome_that_may_be_batched_wakes_its_run_when_its_write_is_due() -> None:
    parts = TimingParts()
    parts.timing.on_write(A, 1)
    parts.timing.add(A, why=Why.OUTCOME)
    at_once = await parts.reconciled()
    parts.time.advance(WRITE_BATCH_WINDOW_S)
    assert (at_once, await parts.reconciled()) == ([], [A])
    assert parts.timing.is_write_due(A)


async def test_a_record_costs_no_reconcile_before_it_is_to_be_written() -> None:
    parts = TimingParts()
    parts.timing.add(A, why=Why.RECORD)
    parts.time.advance(SHOWN_AFTER.total_seconds() - 0.01)
    early = await parts.reconciled()
    parts.time.advance(0.02)
    assert (early, await parts.reconciled()) == ([], [A])


async def test_a_commit_that_comes_first_takes_the_look_at_a_record_with_it() -> None:
    parts = TimingParts(urgency=Urgency.NOW)
    parts.timing.add(A, why=Why.RECORD)
    parts.timing.add(A, why=Why.OUTCOME)
    first = await parts.reconciled()
    parts.time.advance(60.0)
    assert (first, await parts.reconciled()) == ([A], [])


async def test_an_awaited_record_wakes_its_run_at_once_and_ends_the_deferral() -> None:
    parts = deferred()
    parts.timing.add(A, why=Why.AWAITED_RECORD)
    assert await parts.reconciled() == [A]
    assert not parts.timing.is_deferring(A)
    assert parts.timing.is_write_due(A)


async def test_an_awaited_record_makes_no_write_due_before_it_is_decided_upon() -> None:
    parts = TimingParts()
    parts.timing.add(A, why=Why.AWAITED_RECORD)
    assert await parts.reconciled() == [A]
    assert not parts.timing.is_write_due(A)


async def test_outcomes_that_come_again_and_again_do_not_put_off_a_record() -> None:
    parts = TimingParts()
    parts.timing.on_write(A, 1)
    parts.decide(Urgency.FOR_PEOPLE)
    for _ in range(3):
        parts.timing.add(A, why=Why.OUTCOME)
        parts.time.advance(0.4 * WRITE_BATCH_WINDOW_S)
        parts.timing.on_decision(A, Decision(urgency=Urgency.BATCHED))
    assert parts.timing.is_write_due(A)


async def test_an_outcome_that_may_not_be_batched_wakes_its_run_at_once() -> None:
    parts = TimingParts(urgency=Urgency.NOW)
    parts.timing.on_write(A, 1)
    parts.timing.add(A, why=Why.OUTCOME)
    assert await parts.reconciled() == [A]


async def test_without_batching_no_write_is_deferred() -> None:
    parts = TimingParts(batching=None)
    parts.timing.on_write(A, 1)
    parts.timing.add(A, why=Why.OUTCOME)
    woken = await parts.reconciled()
    parts.decide(Urgency.BATCHED)
    assert woken == [A]
    assert parts.timing.is_write_due(A)
    assert not parts.timing.is_deferring(A)


def test_a_status_in_the_background_waits_for_its_turn() -> None:
    parts = TimingParts()
    decision = Decision(ENDS, Urgency.IN_BACKGROUND)
    in_turn = parts.timing.on_decision(A, decision)
    assert (in_turn.status, in_turn.urgency) == (None, None)
    assert parts.due_in(1.0) is None

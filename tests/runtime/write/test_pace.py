"""When a run is written, with moments given by the test."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from grctl.models.run import RunStatus
from grctl_operator.engine import Decision
from grctl_operator.engine.observation import Key
from grctl_operator.runtime.write.pace import ALONE, IN_VAIN, TOGETHER, Pace

NOON = 1000.0  # s, by the monotonic clock
KEY = Key("default", "order-1")
A_MOMENT = TOGETHER / 4


def server_time(now: float) -> datetime:
    return datetime(2026, 11, 27, 12, tzinfo=UTC) + timedelta(seconds=now)


def commits(now: float) -> Decision:
    return Decision(RunStatus(commits=1), write_by=server_time(now), with_next=True)


def finishes(now: float) -> Decision:
    return Decision(RunStatus(commits=1), write_by=server_time(now))


def shows(now: float) -> Decision:
    return Decision(RunStatus(message="busy"), write_by=server_time(now + 0.25))


def decided(pace: Pace, decision: Decision, now: float, key: Key = KEY) -> None:
    pace.decided(key, decision, server_time(now), now)


def written(at: float = NOON) -> Pace:
    pace = Pace()
    pace.written(KEY, at, 1)
    return pace


def due(pace: Pace, decision: Decision, now: float) -> float | None:
    decided(pace, decision, now)
    return pace.due(KEY)


def test_what_is_for_people_is_due_when_it_first_differed() -> None:
    pace = Pace()
    first = due(pace, shows(NOON), NOON)

    assert due(pace, shows(NOON + A_MOMENT), NOON + A_MOMENT) == pytest.approx(first)


def test_where_nothing_differs_any_more_nothing_is_due() -> None:
    pace = Pace()
    decided(pace, shows(NOON), NOON)

    assert due(pace, Decision(), NOON) is None


def test_an_outcome_that_comes_alone_is_written_at_once() -> None:
    assert due(Pace(), commits(NOON), NOON) == pytest.approx(NOON)
    assert due(written(), commits(NOON + TOGETHER), NOON + TOGETHER) == pytest.approx(
        NOON + TOGETHER
    )


def test_an_outcome_soon_after_a_write_waits_until_the_run_may_be_written_again() -> None:
    now = NOON + A_MOMENT

    assert due(written(), commits(now), now) == pytest.approx(NOON + TOGETHER)


def test_more_outcomes_do_not_put_off_the_write() -> None:
    pace = written()
    decided(pace, commits(NOON + A_MOMENT), NOON + A_MOMENT)
    now = NOON + 3 * A_MOMENT

    assert due(pace, commits(now), now) == pytest.approx(NOON + TOGETHER)


def test_what_ends_a_wait_is_written_at_once_with_what_waited() -> None:
    pace = written()
    decided(pace, commits(NOON + A_MOMENT), NOON + A_MOMENT)
    now = NOON + 2 * A_MOMENT

    assert due(pace, finishes(now), now) == pytest.approx(now)


def test_an_outcome_is_due_before_what_is_for_people_only() -> None:
    pace = written()
    now = NOON + A_MOMENT
    decided(pace, shows(now), now)

    assert due(pace, commits(now), now) == pytest.approx(NOON + TOGETHER)


def test_after_a_write_nothing_is_due() -> None:
    pace = Pace()
    decided(pace, commits(NOON), NOON)
    pace.written(KEY, NOON, 1)

    assert pace.due(KEY) is None


def wait_and_write(pace: Pace, outcomes: list[int]) -> float:
    """Have a commit wait and be written with so many outcomes, as often as given. Give the time."""
    now = NOON
    for each in outcomes:
        decided(pace, commits(now + A_MOMENT), now + A_MOMENT)
        now = pace.due(KEY) or now
        pace.written(KEY, now, each)
    return now


def test_where_outcomes_wait_in_vain_again_and_again_the_next_ones_do_not() -> None:
    pace = written()
    now = wait_and_write(pace, [1] * IN_VAIN)
    soon, later = now + A_MOMENT, now + ALONE

    assert due(pace, commits(soon), soon) == pytest.approx(soon)
    pace.written(KEY, later, 1)
    assert due(pace, commits(later), later) == pytest.approx(later + TOGETHER)


@pytest.mark.parametrize("outcomes", [[1] * (IN_VAIN - 1), [1] * (IN_VAIN - 1) + [2, 1]])
def test_where_they_wait_in_vain_once_in_a_while_the_next_ones_wait_too(
    outcomes: list[int],
) -> None:
    pace = written()
    now = wait_and_write(pace, outcomes)

    assert due(pace, commits(now + A_MOMENT), now + A_MOMENT) == pytest.approx(now + TOGETHER)


def test_outcomes_that_are_put_off_wait_until_their_write_is_due() -> None:
    pace, now = written(), NOON + A_MOMENT
    before = pace.waits(KEY, now)

    assert (before, pace.put_off(KEY, now)) == (False, NOON + TOGETHER)
    assert pace.due(KEY) == NOON + TOGETHER
    assert [pace.waits(KEY, at) for at in (now, NOON + TOGETHER)] == [True, False]
    pace.written(KEY, NOON + TOGETHER, 1)
    assert not pace.waits(KEY, NOON + TOGETHER)


def test_what_is_for_people_only_is_not_due_earlier_for_being_put_off() -> None:
    pace, now = written(), NOON + A_MOMENT
    shown = replace(shows(now), with_next=True)

    assert due(pace, shown, now) == pytest.approx(now + 0.25)
    assert not pace.waits(KEY, now)


def test_what_was_written_at_once_did_not_wait_in_vain() -> None:
    pace = written()
    for _ in range(IN_VAIN):
        pace.written(KEY, NOON + A_MOMENT, 1)
    soon = NOON + 2 * A_MOMENT

    assert due(pace, commits(soon), soon) == pytest.approx(NOON + A_MOMENT + TOGETHER)


def test_a_server_clock_that_steps_back_an_hour_puts_nothing_off() -> None:
    pace, now = written(), NOON + A_MOMENT
    earlier = server_time(now) - timedelta(hours=1)
    commit = Decision(RunStatus(commits=1), write_by=earlier, with_next=True)
    pace.decided(KEY, commit, earlier, now)

    assert pace.due(KEY) == NOON + TOGETHER


def test_one_runs_writes_do_not_hold_up_another_run() -> None:
    other = Key("default", "order-2")
    pace = written()
    decided(pace, commits(NOON), NOON, other)

    assert pace.due(other) == NOON


def test_of_a_thousand_runs_only_those_written_a_moment_ago_are_remembered() -> None:
    pace = Pace()
    for number in range(1000):
        pace.written(Key("default", f"order-{number}"), NOON + number * 0.3 * TOGETHER, 1)

    assert len(pace._written._moments) == 4

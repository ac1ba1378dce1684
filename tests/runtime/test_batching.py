"""Which writes are deferred, with the time passed by the test."""

import pytest

from grctl_operator.engine.observation import Key
from grctl_operator.runtime.batching import (
    MAX_VAIN_DEFERRALS,
    VAIN_DEFERRALS_LAST_S,
    WRITE_BATCH_WINDOW_S,
    Batching,
)

NOON = 1000.0  # s, by the monotonic clock
KEY = Key("default", "order-1")
A_MOMENT = WRITE_BATCH_WINDOW_S / 4


def written(at: float = NOON) -> Batching:
    batching = Batching()
    batching.on_write(KEY, at, 1)
    return batching


def test_a_single_outcome_is_written_at_once() -> None:
    assert Batching().defer(KEY, NOON) is None
    assert written().defer(KEY, NOON + WRITE_BATCH_WINDOW_S + A_MOMENT) is None


def test_an_outcome_soon_after_a_write_is_deferred_until_the_window_ends() -> None:
    assert written().defer(KEY, NOON + A_MOMENT) == NOON + WRITE_BATCH_WINDOW_S


def test_more_outcomes_do_not_defer_the_write_further() -> None:
    batching = written()
    batching.defer(KEY, NOON + A_MOMENT)

    assert batching.defer(KEY, NOON + 3 * A_MOMENT) == NOON + WRITE_BATCH_WINDOW_S


def test_a_write_is_deferred_until_it_is_made_or_forgotten() -> None:
    batching, seen = written(), []
    seen.append(batching.is_deferred(KEY))
    batching.defer(KEY, NOON + A_MOMENT)
    seen.append(batching.is_deferred(KEY))
    batching.on_write(KEY, NOON + WRITE_BATCH_WINDOW_S, 1)
    seen.append(batching.is_deferred(KEY))
    batching.defer(KEY, NOON + WRITE_BATCH_WINDOW_S + A_MOMENT)
    batching.forget(KEY)
    seen.append(batching.is_deferred(KEY))

    assert seen == [False, True, False, False]


def defer_and_write(batching: Batching, outcomes: list[int]) -> float:
    """Defer a write and make it with so many outcomes, as often as given. Return the time."""
    now = NOON
    for each in outcomes:
        now = batching.defer(KEY, now + A_MOMENT) or now + A_MOMENT
        batching.on_write(KEY, now, each)
    return now


def test_a_run_whose_writes_are_deferred_in_vain_again_and_again_is_written_at_once() -> None:
    batching = written()
    now = defer_and_write(batching, [1] * MAX_VAIN_DEFERRALS)
    later = now + VAIN_DEFERRALS_LAST_S

    assert batching.defer(KEY, now + A_MOMENT) is None
    batching.on_write(KEY, later, 1)
    assert batching.defer(KEY, later) == later + WRITE_BATCH_WINDOW_S


@pytest.mark.parametrize(
    "outcomes", [[1] * (MAX_VAIN_DEFERRALS - 1), [1] * (MAX_VAIN_DEFERRALS - 1) + [2, 1]]
)
def test_a_run_whose_writes_are_deferred_in_vain_once_in_a_while_is_deferred_again(
    outcomes: list[int],
) -> None:
    batching = written()
    now = defer_and_write(batching, outcomes)

    assert batching.defer(KEY, now + A_MOMENT) == pytest.approx(now + WRITE_BATCH_WINDOW_S)


def test_a_write_that_was_made_at_once_was_not_deferred_in_vain() -> None:
    batching = written()
    for _ in range(MAX_VAIN_DEFERRALS):
        batching.on_write(KEY, NOON + A_MOMENT, 1)

    deferred = batching.defer(KEY, NOON + 2 * A_MOMENT)

    assert deferred == pytest.approx(NOON + A_MOMENT + WRITE_BATCH_WINDOW_S)


def test_the_writes_of_one_run_do_not_defer_those_of_another() -> None:
    assert written().defer(Key("default", "order-2"), NOON) is None


def test_of_a_thousand_runs_only_those_written_a_moment_ago_are_remembered() -> None:
    batching = Batching()
    for number in range(1000):
        key = Key("default", f"order-{number}")
        batching.on_write(key, NOON + number * 0.3 * WRITE_BATCH_WINDOW_S, 1)

    assert len(batching._written._moments) == 4

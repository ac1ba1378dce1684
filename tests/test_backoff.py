"""Waits between tries: they grow to a bound, and jitter takes any part of it."""

from grctl.backoff import Backoff


def test_waits_double_up_to_the_longest() -> None:
    backoff = Backoff(0.05, 1.0, uniform=lambda _low, high: high)

    assert [backoff.next() for _ in range(7)] == [0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


def test_jitter_takes_any_part_from_nothing_on() -> None:
    backoff = Backoff(0.05, 1.0, uniform=lambda low, _high: low)

    assert backoff.next() == 0.0


def test_a_success_begins_anew() -> None:
    backoff = Backoff(0.05, 1.0, uniform=lambda _low, high: high)
    backoff.next()
    backoff.next()

    backoff.reset()

    assert backoff.next() == 0.05

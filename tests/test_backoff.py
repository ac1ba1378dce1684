"""The waits between attempts: they grow up to a limit, and jitter shortens them."""

from grctl.backoff import Backoff


def test_waits_double_up_to_the_longest() -> None:
    backoff = Backoff(0.05, 1.0, uniform=lambda _low, high: high)

    assert [backoff.next() for _ in range(7)] == [0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


def test_jitter_can_shorten_a_wait_to_nothing() -> None:
    backoff = Backoff(0.05, 1.0, uniform=lambda low, _high: low)

    assert backoff.next() == 0.0


def test_a_reset_restores_the_first_wait() -> None:
    backoff = Backoff(0.05, 1.0, uniform=lambda _low, high: high)
    backoff.next()
    backoff.next()

    backoff.reset()

    assert backoff.next() == 0.05

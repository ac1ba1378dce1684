import pytest

from grctl_operator.runtime.workers.connection_limits import (
    ACCOUNT_KNOWN_S,
    MAX_GREETINGS_PER_ACCOUNT,
    MAX_NAMES_REMEMBERED,
    MAX_REFUSALS_AT_ONCE,
    MAX_UNACCEPTED_CONNECTIONS,
    MAX_UNACCEPTED_PER_ADDRESS,
    REFUSAL_REFILL_S,
    ConnectionLimits,
    TooManyConnectionsError,
)
from grctl_operator.runtime.workers.leader_gate import NotHereError


class Limited:
    """ConnectionLimits, and a clock that the test moves."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.limits = ConnectionLimits(lambda: self.time)

    def tries(self, name: str) -> bool:
        """Return whether a name may try; if so, it is refused."""
        try:
            self.limits.check(name)
        except NotHereError:
            return False
        self.limits.on_refusal(name, "may not")
        return True


def test_a_refused_name_may_try_some_times_at_once_and_then_once_in_a_while() -> None:
    limited = Limited()
    assert [limited.tries("a") for _ in range(100)].count(True) == MAX_REFUSALS_AT_ONCE
    for _ in range(10):
        limited.time += REFUSAL_REFILL_S
        assert [limited.tries("a") for _ in range(10)].count(True) == 1
    limited.time += MAX_REFUSALS_AT_ONCE * REFUSAL_REFILL_S
    assert [limited.tries("a") for _ in range(100)].count(True) == MAX_REFUSALS_AT_ONCE


def test_refusals_of_one_name_cost_no_other_name_a_try() -> None:
    limited = Limited()
    for _ in range(100):
        limited.tries("a")
    assert limited.tries("b")


def test_the_number_of_remembered_names_is_bounded() -> None:
    limited = Limited()
    for number in range(MAX_NAMES_REMEMBERED + 100):
        limited.tries(str(number))
    assert len(limited.limits._refused._spent) == MAX_NAMES_REMEMBERED


def test_an_account_is_known_for_a_while_after_a_worker_was_accepted() -> None:
    limited = Limited()
    assert not limited.limits.is_known("a")
    limited.limits.on_accept("a")
    limited.time += ACCOUNT_KNOWN_S - 1
    assert limited.limits.is_known("a")
    limited.time += 1
    assert not limited.limits.is_known("a")


def test_unaccepted_connections_are_bounded_for_an_address_and_in_all() -> None:
    limits = Limited().limits
    for _ in range(MAX_UNACCEPTED_PER_ADDRESS):
        limits.add("a")
    with pytest.raises(TooManyConnectionsError):
        limits.add("a")
    for number in range(MAX_UNACCEPTED_CONNECTIONS - MAX_UNACCEPTED_PER_ADDRESS):
        limits.add(str(number))
    with pytest.raises(TooManyConnectionsError):
        limits.add("b")
    limits.remove("a")
    limits.add("b")


async def test_turns_of_an_account_are_freed() -> None:
    limits = Limited().limits
    for _ in range(MAX_GREETINGS_PER_ACCOUNT * 3):
        await limits.begin_greeting("a")
        limits.end_greeting("a")
    assert limits._greeting == {}

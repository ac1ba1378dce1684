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


class Place:
    """A connection_limits, and time that the test moves."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.limits = ConnectionLimits(lambda: self.time)

    def tries(self, name: str) -> bool:
        """Return whether somebody may try; if so, it is refused."""
        try:
            self.limits.check(name)
        except NotHereError:
            return False
        self.limits.on_refusal(name, "may not")
        return True


def test_who_is_refused_may_try_so_often_at_once_and_then_once_in_a_while() -> None:
    place = Place()
    assert [place.tries("a") for _ in range(100)].count(True) == MAX_REFUSALS_AT_ONCE
    for _ in range(10):
        place.time += REFUSAL_REFILL_S
        assert [place.tries("a") for _ in range(10)].count(True) == 1
    place.time += MAX_REFUSALS_AT_ONCE * REFUSAL_REFILL_S
    assert [place.tries("a") for _ in range(100)].count(True) == MAX_REFUSALS_AT_ONCE


def test_the_refusals_of_one_cost_no_other_a_try() -> None:
    place = Place()
    for _ in range(100):
        place.tries("a")
    assert place.tries("b")


def test_what_is_remembered_of_refused_ones_is_bounded() -> None:
    place = Place()
    for number in range(MAX_NAMES_REMEMBERED + 100):
        place.tries(str(number))
    assert len(place.limits._refused._spent) == MAX_NAMES_REMEMBERED


def test_an_account_is_known_for_a_while_after_it_was_let_in() -> None:
    place = Place()
    assert not place.limits.is_known("a")
    place.limits.on_accept("a")
    place.time += ACCOUNT_KNOWN_S - 1
    assert place.limits.is_known("a")
    place.time += 1
    assert not place.limits.is_known("a")


def test_waiting_connections_are_bounded_for_an_address_and_all_together() -> None:
    limits = Place().limits
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


async def test_turns_of_an_account_are_given_back() -> None:
    limits = Place().limits
    for _ in range(MAX_GREETINGS_PER_ACCOUNT * 3):
        await limits.begin_greeting("a")
        limits.end_greeting("a")
    assert limits._greeting == {}

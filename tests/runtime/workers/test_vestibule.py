import pytest

from grctl_operator.runtime.workers.admission import NotHereError
from grctl_operator.runtime.workers.vestibule import (
    GREETING_AT_ONCE,
    KNOWN_FOR,
    MOST_OF_ADDRESS,
    MOST_WAITING,
    REFUSAL_EVERY,
    REFUSALS_AT_ONCE,
    REMEMBERED,
    FullError,
    Vestibule,
)


class Place:
    """A vestibule, and time that the test moves."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.vestibule = Vestibule(lambda: self.time)

    def tries(self, name: str) -> bool:
        """Return whether somebody may try; if so, it is refused."""
        try:
            self.vestibule.check(name)
        except NotHereError:
            return False
        self.vestibule.refuse(name, "may not")
        return True


def test_who_is_refused_may_try_so_often_at_once_and_then_once_in_a_while() -> None:
    place = Place()
    assert [place.tries("a") for _ in range(100)].count(True) == REFUSALS_AT_ONCE
    for _ in range(10):
        place.time += REFUSAL_EVERY
        assert [place.tries("a") for _ in range(10)].count(True) == 1
    place.time += REFUSALS_AT_ONCE * REFUSAL_EVERY
    assert [place.tries("a") for _ in range(100)].count(True) == REFUSALS_AT_ONCE


def test_the_refusals_of_one_cost_no_other_a_try() -> None:
    place = Place()
    for _ in range(100):
        place.tries("a")
    assert place.tries("b")


def test_what_is_remembered_of_refused_ones_is_bounded() -> None:
    place = Place()
    for number in range(REMEMBERED + 100):
        place.tries(str(number))
    assert len(place.vestibule._refused._spent) == REMEMBERED


def test_an_account_is_known_for_a_while_after_it_was_let_in() -> None:
    place = Place()
    assert not place.vestibule.knows("a")
    place.vestibule.let_in("a")
    place.time += KNOWN_FOR - 1
    assert place.vestibule.knows("a")
    place.time += 1
    assert not place.vestibule.knows("a")


def test_waiting_connections_are_bounded_for_an_address_and_all_together() -> None:
    vestibule = Place().vestibule
    for _ in range(MOST_OF_ADDRESS):
        vestibule.enter("a")
    with pytest.raises(FullError):
        vestibule.enter("a")
    for number in range(MOST_WAITING - MOST_OF_ADDRESS):
        vestibule.enter(str(number))
    with pytest.raises(FullError):
        vestibule.enter("b")
    vestibule.leave("a")
    vestibule.enter("b")


async def test_turns_of_an_account_are_given_back() -> None:
    vestibule = Place().vestibule
    for _ in range(GREETING_AT_ONCE * 3):
        await vestibule.begin_greeting("a")
        vestibule.end_greeting("a")
    assert vestibule._greeting == {}

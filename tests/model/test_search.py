"""The search finds the shortest violation, and says if it could not look at everything."""

from collections.abc import Iterator

import pytest

from tests.model import search as searching
from tests.model.search import Found, Step, TooManyStatesError, search


def count_to(limit: int, broken_at: int | None) -> Found | None:
    def steps(number: int) -> Iterator[Step[int]]:
        for by in (1, 3):
            reached = min(number + by, limit)
            yield Step(f"+{by}", reached, "reached" if reached == broken_at else None)

    return search(0, steps)


def test_the_shortest_way_to_a_violation_is_found() -> None:
    assert count_to(10, broken_at=6) == Found("reached", ("+3", "+3"))


def test_a_search_without_a_violation_finds_nothing() -> None:
    assert count_to(10, broken_at=None) is None


def test_a_search_that_could_not_see_all_states_proves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(searching, "MAX_STATES_COUNT", 5)

    with pytest.raises(TooManyStatesError):
        count_to(10, broken_at=None)


def test_a_violation_reads_as_a_numbered_trace() -> None:
    assert str(Found("reached", ("+1", "+3"))) == "reached\n 1. +1\n 2. +3"

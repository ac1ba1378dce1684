"""Both sides use the highest version that both speak; if there is none, the error names a side."""

import pytest

from grctl.models.protocol import SPOKEN, Spoken, disagreement


@pytest.mark.parametrize(
    ("worker", "operator", "agreed"),
    [
        ((2, 2), (2, 3), 2),
        ((2, 3), (2, 2), 2),
        ((2, 5), (3, 4), 4),
        ((4, 4), (2, 4), 4),
        ((1, 9), (3, 3), 3),
        ((2, 3), (4, 5), None),
        ((4, 5), (2, 3), None),
        ((3, 2), (2, 3), None),
    ],
)
def test_the_highest_common_version_is_used(
    worker: tuple[int, int], operator: tuple[int, int], agreed: int | None
) -> None:
    assert Spoken(*worker).agree(Spoken(*operator)) == agreed
    assert Spoken(*operator).agree(Spoken(*worker)) == agreed


def test_a_release_speaks_the_version_of_the_one_before_it() -> None:
    assert SPOKEN.lowest < SPOKEN.highest


@pytest.mark.parametrize(
    ("worker", "operator", "text"),
    [
        (
            (2, 3),
            (4, 5),
            "speaks protocols 2 to 3, the operator protocols 4 to 5: upgrade the worker",
        ),
        ((4, 5), (3, 3), "speaks protocols 4 to 5, the operator protocol 3: upgrade the operator"),
    ],
)
def test_a_refusal_names_both_ranges_and_the_side_to_upgrade(
    worker: tuple[int, int], operator: tuple[int, int], text: str
) -> None:
    assert disagreement(Spoken(*worker), Spoken(*operator)) == f"The worker {text}"

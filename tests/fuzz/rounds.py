"""Run a search in rounds, each with a seed of its own and from an empty memory.

hypothesis keeps whatever it tried, and generates from it. After some thousand examples of large
texts that is more than a gigabyte, which Python's garbage collector walks through again and again:
the search slows down until it stands still. Beginning anew costs nothing, and finds more.
"""

import os
from collections.abc import Callable
from math import ceil

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

MAX_EXAMPLES_PER_ROUND = 50
OBJECTS_PER_EXAMPLE = 20
OBJECTS = int(os.environ.get("GRCTL_FUZZ_EXAMPLES", "400"))
"""Objects or messages that are tried by each search."""
FIRST_SEED = int(os.environ.get("GRCTL_FUZZ_SEED", "0"))


def examples_of(objects: int) -> int:
    """Return how many examples try so many objects."""
    return ceil(objects / OBJECTS_PER_EXAMPLE)


Round = Callable[[int], None]


def in_rounds(
    examples: int, *drawn: SearchStrategy[object]
) -> Callable[[Callable[..., None]], Round]:
    """Make a test of drawn values one test for each round, named by its seed."""
    rounds = ceil(examples / MAX_EXAMPLES_PER_ROUND)
    most = settings(
        max_examples=ceil(examples / rounds),
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        phases=(Phase.explicit, Phase.generate),  # shrinking takes long, and the places are named
    )

    def decorate(test: Callable[..., None]) -> Round:
        def one_round(number: int) -> None:
            search = given(*drawn)(test)
            seed(number)(most(search))()

        one_round.__name__, one_round.__doc__ = test.__name__, test.__doc__
        one_round.__module__ = test.__module__
        numbers = range(FIRST_SEED, FIRST_SEED + rounds)
        return pytest.mark.parametrize("number", numbers)(one_round)

    return decorate

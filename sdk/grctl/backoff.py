"""How long to wait before something is tried again: exponential, with full jitter.

Full jitter: any time from nothing to the bound, so that many who failed together do not come back
together.
"""

import random
from collections.abc import Callable

Uniform = Callable[[float, float], float]
"""Gives a number between two others, as `random.uniform`."""


class Backoff:
    """The waits of one series of tries, in seconds."""

    def __init__(self, first: float, longest: float, uniform: Uniform = random.uniform) -> None:
        self._first = first
        self._longest = longest
        self._uniform = uniform
        self._bound = first

    def next(self) -> float:
        """Give the next wait and double its bound."""
        bound, self._bound = self._bound, min(self._bound * 2, self._longest)
        return self._uniform(0.0, bound)

    def reset(self) -> None:
        """Begin anew: a try succeeded."""
        self._bound = self._first

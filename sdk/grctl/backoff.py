"""Back-off: how long to wait before the next try. Exponential, with full jitter.

Full jitter means that a wait is any time from zero to the bound. So many clients that failed at the
same moment do not try again at the same moment.
"""

import random
from collections.abc import Callable

Uniform = Callable[[float, float], float]
"""Returns a number between two others, as `random.uniform`."""


class Backoff:
    """The waits of one series of tries, in seconds.

    Args:
        first: Bound of the first wait. Each next one is twice as large.
        longest: The largest bound.
        uniform: Source of jitter.
    """

    def __init__(self, first: float, longest: float, uniform: Uniform = random.uniform) -> None:
        self._first = first
        self._longest = longest
        self._uniform = uniform
        self._bound = first

    def next(self) -> float:
        """Return the next wait, and double its bound."""
        bound, self._bound = self._bound, min(self._bound * 2, self._longest)
        return self._uniform(0.0, bound)

    def reset(self) -> None:
        """Go back to the first bound, as a try succeeded."""
        self._bound = self._first

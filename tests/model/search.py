"""A breadth-first search for the shortest trace that breaks an invariant.

A model is a state, which is a tuple, and a function that returns all next steps of a state. The
search visits each state once, so a search that ends without a violation has seen all interleavings
of that model.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

State = TypeVar("State")
MAX_STATES_COUNT = 400_000


class Step(NamedTuple, Generic[State]):
    """One step of somebody."""

    text: str
    state: State
    broken: str | None = None
    """The invariant that the step breaks; the text begins with its name."""


class Found(NamedTuple):
    """A violation, and the shortest way to it."""

    violation: str
    trace: tuple[str, ...]

    def __str__(self) -> str:
        """Return the trace, a line for each step."""
        lines = (f"{number:2d}. {text}" for number, text in enumerate(self.trace, 1))
        return "\n".join((self.violation, *lines))


class TooManyStatesError(Exception):
    """The model is too large to be searched: its result would prove nothing."""


def search(initial: State, steps: Callable[[State], Iterable[Step[State]]]) -> Found | None:
    """Return the shortest violation, or None if no interleaving breaks an invariant."""
    came_from: dict[State, tuple[State, str] | None] = {initial: None}
    queue = deque([initial])
    while queue:
        state = queue.popleft()
        for text, following, broken in steps(state):
            if broken is not None:
                return Found(broken, (*_trace(came_from, state), text))
            if following not in came_from:
                came_from[following] = state, text
                queue.append(following)
        if len(came_from) > MAX_STATES_COUNT:
            raise TooManyStatesError
    return None


def _trace(came_from: dict[State, tuple[State, str] | None], state: State) -> tuple[str, ...]:
    texts = []
    while (link := came_from[state]) is not None:
        state, text = link
        texts.append(text)
    return tuple(reversed(texts))


class Searchable(Protocol):
    """A model, as the tests search it."""

    def initial(self) -> Any:
        """Return the state in which it begins."""

    def steps(self, state: Any) -> Iterable[Step[Any]]:
        """Return the next steps of a state."""


def find(model: Searchable) -> Found | None:
    """Return the shortest violation of a model, or None if there is none."""
    return search(model.initial(), model.steps)


def check_broken(model: Searchable, invariant: str) -> None:
    """Check that the shortest violation of a model breaks this invariant."""
    found = find(model)

    assert found is not None
    assert found.violation.startswith(f"{invariant}:"), found


def check_whole(model: Searchable) -> None:
    """Check that no interleaving of a model breaks an invariant."""
    found = find(model)

    assert found is None, found

"""Query: an async function that reads a run's store and answers a question of people.

1. It handles no event and changes nothing. After each handler, the worker computes the answer over
   the store that the handler leaves, and the answer is committed with the outcome.
2. Calling a query calls its function, and a query stands for its workflow, as a handler does.
"""

import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from grctl.workflow.handler import Handler, HandlerFunction

if TYPE_CHECKING:
    from grctl.workflow.workflow import Workflow

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")

QueryFunction = Callable[P, Coroutine[Any, Any, R]]


class Query(Generic[P, R]):
    """A query of a workflow, as `@workflow.query()` makes it.

    Attributes:
        workflow: The workflow that it belongs to.
        name: Name of the query, and of its answer in `status.answers`.
        function: The function as written.
    """

    __name__: str

    def __init__(self, workflow: "Workflow", name: str, function: QueryFunction[P, R]) -> None:
        functools.update_wrapper(self, function)
        self.workflow = workflow
        self.name = name
        self.function = function
        _check_parameters(function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        """Call the function."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<query {self.name!r} of {self.workflow.workflow_type}>"

    def start(self, function: None = None, /) -> Callable[[HandlerFunction[Q]], Handler[Q]]:
        """Define a start handler of the same workflow: see `Workflow.start`."""
        return self.workflow.start(function)

    def step(self, name: str | None = None) -> Callable[[HandlerFunction[Q]], Handler[Q]]:
        """Define a step of the same workflow: see `Workflow.step`."""
        return self.workflow.step(name)

    def event(self, name: str | None = None) -> Callable[[HandlerFunction[Q]], Handler[Q]]:
        """Define an event handler of the same workflow: see `Workflow.event`."""
        return self.workflow.event(name)

    def query(self, name: str | None = None) -> "Callable[[QueryFunction[Q, S]], Query[Q, S]]":
        """Define another query of the same workflow: see `Workflow.query`."""
        return self.workflow.query(name)


def _check_parameters(function: Callable[..., Any]) -> None:
    """Raise ValueError unless the function can be called with a context alone."""
    name, signature = function.__name__, inspect.signature(function)
    try:
        signature.bind(object())
    except TypeError:
        raise ValueError(
            f"{name}{signature} cannot be a query, which takes its context and nothing else: write"
            f" `async def {name}(ctx: Context) -> str:`"
        ) from None

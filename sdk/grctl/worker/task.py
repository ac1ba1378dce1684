"""@task: an async function that handlers call for side effects outside the run.

It is called like the function that it wraps. It is an object, so that retries and recorded results
can be added later without a change to the code that calls it.
"""

import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Task(Generic[P, R]):
    """A function under `@task`.

    Attributes:
        name: Name of the function.
        function: The function as written.
    """

    def __init__(self, function: Callable[P, Coroutine[Any, Any, R]]) -> None:
        functools.update_wrapper(self, function)
        self.name = function.__name__
        self.function = function

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        """Call the function. Await the result."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<task {self.name!r}>"


def task(function: Callable[P, Coroutine[Any, Any, R]]) -> Task[P, R]:
    """Make a task of an async function.

    Raises:
        ValueError: it is not an async function.

    Example:
        >>> @task
        ... async def call_greeting_api(name: str) -> str:
        ...     return f"Hello, {name}"
    """
    if inspect.isfunction(function) and inspect.iscoroutinefunction(function):
        return Task(function)
    name = getattr(function, "__name__", "my_task")
    raise ValueError(
        f"{name!r} ({type(function).__name__}) cannot be a task, which is an async function:"
        f" write `async def {name}(...):`"
    )

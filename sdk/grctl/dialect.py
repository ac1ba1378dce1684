"""What the first grctl spells otherwise: its names and arguments, and what stands for them here.

1. An argument that only has another name is taken under both.
2. What does not exist here raises an error that says what to use instead, when it is imported, read
   or passed. Nothing is taken and then ignored.
3. Type checkers see the spelling of this project only.
"""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")


def also_called(**names: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Accept arguments of a function by other names too.

    Args:
        names: The name of an argument here, by its other name.

    Example:
        >>> @also_called(id="workflow_id")
        ... async def start_workflow(workflow_id: str) -> None: ...
        >>> await start_workflow(id="order-abc")
    """

    def rename(function: Callable[..., Any], given: dict[str, Any]) -> dict[str, Any]:
        for other in names.keys() & given.keys():
            if names[other] in given:
                raise TypeError(
                    f"{_called(function)}() got {names[other]!r} twice: {other!r} is its name"
                    " in the first grctl."
                )
        return {names.get(name, name): value for name, value in given.items()}

    return functools.partial(_with_arguments, rename)


def without(**reasons: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Refuse arguments of the first grctl that a function does not have.

    Args:
        reasons: What to use instead, by the argument's name.

    Example:
        >>> @without(connection="leave it out")
        ... def connect(url: str) -> None: ...
        >>> connect(connection=None)
        TypeError: connect() has no argument 'connection': leave it out.
    """

    def refuse(function: Callable[..., Any], given: dict[str, Any]) -> dict[str, Any]:
        for name in reasons.keys() & given.keys():
            raise TypeError(f"{_called(function)}() has no argument {name!r}: {reasons[name]}.")
        return given

    return functools.partial(_with_arguments, refuse)


def names_elsewhere(module: str, reasons: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the `__getattr__` of a module: importing one of these names says what to use instead.

    Args:
        module: Name of the module.
        reasons: What to use instead, by name.
    """

    def find(name: str) -> Any:
        if name in reasons:
            raise ImportError(f"{module} has no {name}: {reasons[name]}.", name=module)
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return find


def attribute_elsewhere(owner: object, name: str, reasons: Mapping[str, str]) -> AttributeError:
    """Return the error for an attribute that an object does not have.

    Args:
        owner: The object.
        name: Name of the attribute.
        reasons: What to use instead, by name.
    """
    kind = type(owner).__name__
    if name in reasons:
        return AttributeError(f"{kind} has no {name!r}: {reasons[name]}.", name=name, obj=owner)
    return AttributeError(f"{kind!r} object has no attribute {name!r}", name=name, obj=owner)


def _with_arguments(
    change: Callable[[Callable[..., Any], dict[str, Any]], dict[str, Any]],
    function: Callable[P, R],
) -> Callable[P, R]:
    """Return a function that is called with its keyword arguments changed."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **change(function, kwargs))

    @functools.wraps(function)
    async def call_async(*args: Any, **kwargs: Any) -> Any:
        return await cast("Any", function(*args, **change(function, kwargs)))

    return cast("Callable[P, R]", call_async if inspect.iscoroutinefunction(function) else call)


def _called(function: Callable[..., Any]) -> str:
    """Return a function's name as its caller writes it: a class instead of its `__init__`."""
    return function.__qualname__.removesuffix(".__init__")

"""Our exceptions survive a process pool, a queue and a copy."""

import copy
import importlib
import inspect
import pickle
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

import grctl
import grctl_local
import grctl_operator
from grctl.models.run import RunError
from grctl.worker.problems import Problem

PACKAGES = (grctl, grctl_operator, grctl_local)

GIVEN: dict[str, Any] = {
    "bool": True,
    "int": 409,
    "str": "a text",
    "str | None": "another text",
    "list": [Problem("a text")],
    "Sequence": ("a text", "another"),
    "dict[str, typing.Any] | None": {"kind": "pods"},
    "grctl.models.run.RunError | None": RunError(type="E", message="m", stack_trace="s"),
}
"""A value for each type of an exception's arguments."""


def classes() -> list[type[Exception]]:
    """Return every exception that a module of ours defines."""
    found = {
        each
        for package in PACKAGES
        for module in modules(package)
        for each in vars(module).values()
        if inspect.isclass(each)
        and issubclass(each, Exception)
        and each.__module__ == module.__name__
    }
    return sorted(found, key=lambda each: f"{each.__module__}.{each.__qualname__}")


def modules(package: ModuleType) -> Iterator[ModuleType]:
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not info.name.endswith("__main__"):
            yield importlib.import_module(info.name)


def made(kind: type[Exception]) -> Exception:
    """Return an exception that is made as our code makes it."""
    if inspect.isfunction(kind.__init__):  # one of ours
        _, *parameters = inspect.signature(kind.__init__).parameters.values()
        named = [each for each in parameters if each.kind is each.KEYWORD_ONLY]
        plain = [each for each in parameters if each not in named]
        error = kind(*map(_given, plain), **{each.name: _given(each) for each in named})
    else:
        error = kind("a text")
    error.add_note("a note")
    return error


def _given(parameter: inspect.Parameter) -> Any:
    return GIVEN[str(getattr(parameter.annotation, "__name__", parameter.annotation))]


def pickled(error: Exception) -> Any:
    return pickle.loads(pickle.dumps(error))  # noqa: S301  our own


def test_each_package_defines_exceptions() -> None:
    roots = {each.__module__.partition(".")[0] for each in classes()}
    assert roots == {package.__name__ for package in PACKAGES}


@pytest.mark.parametrize("kind", classes(), ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
@pytest.mark.parametrize("way", [pickled, copy.copy])
def test_a_copied_or_pickled_exception_is_unchanged(kind: type[Exception], way: Any) -> None:
    error = made(kind)
    back = way(error)
    assert type(back) is kind
    assert (str(back), back.args, vars(back)) == (str(error), error.args, vars(error))

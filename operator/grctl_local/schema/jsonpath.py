"""The JSON paths of printer columns: `.spec.a`, `.spec['a']`, `.list[0]`, `.list[*].b`, filters.

A path is compiled once. It returns the list of the values that it finds in an object.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

Step = Callable[[Any], Iterator[Any]]
Path = Callable[[Any], list[Any]]

PATH_TOKEN = re.compile(
    r"""\.(?P<name>[^.\[\]'"()]+)
      | \[\s*'(?P<quoted>(?:[^'\\]|\\.)*)'\s*\]
      | \[\s*"(?P<double>(?:[^"\\]|\\.)*)"\s*\]
      | \[(?P<index>-?\d+)\]
      | (?P<all>\[\*\]|\.\*)
      | \[\?\(\s*@(?P<filter>[^=!\s]+)\s*(?P<operator>==|!=)\s*(?P<operand>"[^"]*"|'[^']*')\s*\)\]
    """,
    re.VERBOSE,
)


def compile_path(text: str) -> Path:
    """Return the compiled path of a text with or without braces.

    Raises:
        ValueError: the text is not a path.
    """
    rest = text.strip().removeprefix("{").removesuffix("}").removeprefix("$")
    steps: list[Step] = []
    while rest:
        found = PATH_TOKEN.match(rest)
        if not found:
            raise ValueError(f"unrecognized character in path: {rest}")
        steps.append(_step(found))
        rest = rest[found.end() :]
    return lambda value: _follow(steps, value)


def field_names(text: str) -> list[str] | None:
    """Return the names of a path that has fields only, as `.spec.color`; None for other paths."""
    names = [found.group("name") for found in PATH_TOKEN.finditer(text)]
    plain = [name for name in names if name]
    return plain if "".join(f".{name}" for name in plain) == text else None


def _follow(steps: list[Step], value: Any) -> list[Any]:
    found = [value]
    for step in steps:
        found = [below for here in found for below in step(here)]
    return found


def _step(token: re.Match[str]) -> Step:
    if token.group("all"):
        return _every
    if token.group("index"):
        return _at(int(token.group("index")))
    if token.group("filter"):
        return _where(token)
    name = token.group("name") or token.group("quoted") or token.group("double") or ""
    return _field(name.replace("\\", ""))


def _field(name: str) -> Step:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, dict) and name in value:
            yield value[name]

    return step


def _at(index: int) -> Step:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, list) and -len(value) <= index < len(value):
            yield value[index]

    return step


def _where(token: re.Match[str]) -> Step:
    path = compile_path(token.group("filter"))
    operand = token.group("operand")[1:-1]
    equal = token.group("operator") == "=="

    def step(value: Any) -> Iterator[Any]:
        for item in value if isinstance(value, list) else []:
            if ([str(found) for found in path(item)] == [operand]) == equal:
                yield item

    return step


def _every(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        yield from value
    elif isinstance(value, dict):
        yield from value.values()

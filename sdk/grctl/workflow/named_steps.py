"""Find the steps that a handler names in its code, to find a mistyped name before a run waits.

1. Only certain cases count: a constant in `ctx.next.step("...")`, or as the timeout step in
   `ctx.next.wait_for_event(...)`, where `ctx` is the handler's first parameter.
2. Any other name (in a variable, an f-string, a helper function) is checked when the handler runs.
   So are all names in a function whose source cannot be read.
3. The source may have been edited after it was loaded. A name that is not a constant of the loaded
   code is left out.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any, NamedTuple

TIMEOUT_STEP = "timeout_step_name"
Function = ast.AsyncFunctionDef | ast.FunctionDef | ast.Lambda


class NamedStep(NamedTuple):
    """The name of a step in a handler's code."""

    name: str
    line: int
    """Line in the file."""


def named_steps(function: Callable[..., Any]) -> tuple[NamedStep, ...]:
    """Return the steps that a handler's function names by a constant."""
    try:
        lines, first = inspect.getsourcelines(function)
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, SyntaxError, TypeError):
        return ()
    body = tree.body[0] if tree.body else None
    if not isinstance(body, ast.AsyncFunctionDef):
        return ()
    context, held = _first_parameter(body), set(_constants(function.__code__))
    if context is None or _is_assigned(body, context):
        return ()
    named = [NamedStep(name, first + line - 1) for name, line in _find(body, context)]
    return tuple(sorted((step for step in named if step.name in held), key=lambda step: step.line))


def _first_parameter(function: Function) -> str | None:
    parameters = (*function.args.posonlyargs, *function.args.args)
    return parameters[0].arg if parameters else None


def _is_assigned(function: Function, name: str) -> bool:
    """Return whether a part of the function gives a name another meaning."""
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and node.id == name and not isinstance(node.ctx, ast.Load):
            return True
        if isinstance(node, Function) and node is not function and name in _parameters(node):
            return True
    return False


def _parameters(function: Function) -> set[str]:
    return {each.arg for each in ast.walk(function.args) if isinstance(each, ast.arg)}


def _find(function: Function, context: str) -> Iterator[tuple[str, int]]:
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and (transition := _transition(node.func, context)):
            argument = _step_argument(node, transition)
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                yield argument.value, argument.lineno


def _transition(called: ast.expr, context: str) -> str | None:
    """Return X of `ctx.next.X`."""
    match called:
        case ast.Attribute(
            value=ast.Attribute(value=ast.Name(id=name), attr="next"), attr=transition
        ) if name == context:
            return transition
    return None


def _step_argument(call: ast.Call, transition: str) -> ast.expr | None:
    position, keyword = {"step": (0, "step"), "wait_for_event": (1, TIMEOUT_STEP)}.get(
        transition, (None, "")
    )
    if position is None or any(isinstance(each, ast.Starred) for each in call.args):
        return None
    if position < len(call.args):
        return call.args[position]
    return next((each.value for each in call.keywords if each.arg == keyword), None)


def _constants(code: CodeType) -> Iterator[object]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _constants(constant)
        elif isinstance(constant, tuple):
            yield from constant
        else:
            yield constant

"""Find the steps and events that a handler names in its code: a mistyped one before a run waits.

1. Only certain cases count: a constant in `ctx.next.step("...")`, or as the timeout step or among
   the events of `ctx.next.wait_for_event(...)`, where `ctx` is the handler's first parameter.
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

from grctl.models.phases import HandlerKind

Function = ast.AsyncFunctionDef | ast.FunctionDef | ast.Lambda


class NamedHandler(NamedTuple):
    """The name of a step or an event in a handler's code."""

    kind: HandlerKind
    """step or event."""
    name: str
    line: int
    """Line in the file."""


class Argument(NamedTuple):
    """An argument of a transition that names handlers."""

    kind: HandlerKind
    keyword: str
    position: int | None = None
    """None: it is passed by keyword only."""


WAITED_EVENTS = Argument(HandlerKind.EVENT, "events")
ARGUMENTS = {
    "step": (Argument(HandlerKind.STEP, "step", 0),),
    "wait_for_event": (Argument(HandlerKind.STEP, "timeout_step_name", 1), WAITED_EVENTS),
    "wait": (Argument(HandlerKind.STEP, "on_timeout", 1), WAITED_EVENTS),
}
"""The arguments that name handlers, by the transition."""


def named_handlers(function: Callable[..., Any]) -> tuple[NamedHandler, ...]:
    """Return the steps and events that a handler's function names by a constant."""
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
    named = [
        NamedHandler(kind, name, first + line - 1)
        for kind, name, line in _find(body, context)
        if name in held
    ]
    return tuple(sorted(named, key=lambda each: each.line))


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


def _find(function: Function, context: str) -> Iterator[tuple[HandlerKind, str, int]]:
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and (transition := _transition(node.func, context)):
            for argument in ARGUMENTS.get(transition, ()):
                for text, line in _texts(_value_of(argument, node)):
                    yield argument.kind, text, line


def _transition(called: ast.expr, context: str) -> str | None:
    """Return X of `ctx.next.X`."""
    match called:
        case ast.Attribute(
            value=ast.Attribute(value=ast.Name(id=name), attr="next"), attr=transition
        ) if name == context:
            return transition
    return None


def _value_of(argument: Argument, call: ast.Call) -> ast.expr | None:
    at = argument.position
    if at is not None and any(isinstance(each, ast.Starred) for each in call.args):
        return None
    if at is not None and at < len(call.args):
        return call.args[at]
    return next((each.value for each in call.keywords if each.arg == argument.keyword), None)


def _texts(value: ast.expr | None) -> Iterator[tuple[str, int]]:
    """Yield a constant text, or those in a list, a tuple or a set, each with its line."""
    for each in value.elts if isinstance(value, ast.List | ast.Tuple | ast.Set) else (value,):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.value, each.lineno


def _constants(code: CodeType) -> Iterator[object]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _constants(constant)
        elif isinstance(constant, tuple | frozenset):
            yield from constant
        else:
            yield constant

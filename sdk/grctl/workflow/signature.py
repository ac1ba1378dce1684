"""Signature: the parameters of a handler, the context first, then those that a payload binds to.

1. The kinds of the parameters are checked when the handler is defined, so a wrong one never reaches
   a worker.
2. The types are looked up when they are first needed, because they may be defined further down in
   the module. The context's type is never looked up: it may be imported for type checkers only.
"""

import builtins
import inspect
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from types import SimpleNamespace
from typing import Any, get_type_hints

from pydantic import TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticUserError

from grctl.workflow.parameter import Parameter, default_text

VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class Signature:
    """The parameters of a handler, without its context.

    Attributes:
        name: Name of the function.
        written: The parameters as Python reads them from the code.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.name = function.__name__
        self._function = function
        written = tuple(inspect.signature(function).parameters.values())
        self._check_context(written[0] if written else None)
        self.written = written[1:]
        for parameter in self.written:
            self._check_payload(parameter)

    def __str__(self) -> str:
        """Return it as in code, without the context: `update_quantity(item_id: str, qty: int)`."""
        module = self._function.__module__
        return f"{self.name}({', '.join(_text(each, module) for each in self.written)})"

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the parameters that have no default."""
        return tuple(each.name for each in self.parameters if each.required)

    @property
    def needs_payload(self) -> bool:
        """Whether a parameter has no default, as far as the code tells without its types."""
        return any(
            Parameter(each, Any if isinstance(each.annotation, str) else each.annotation).required
            for each in self.written
        )

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters with their types.

        Raises:
            ValueError: a type cannot be found, or pydantic cannot make it from JSON.
        """
        hints = self._hints()
        return tuple(self._parameter(each, hints.get(each.name, Any)) for each in self.written)

    def json_schema(self) -> dict[str, Any] | None:
        """Return the JSON schema of the payloads that fit; None if payloads are ignored."""
        if not self.written:
            return None
        try:
            return self._json_schema()
        except PydanticInvalidForJsonSchema:
            return {}  # a type of the user's has no JSON schema: any payload may fit

    def _json_schema(self) -> dict[str, Any]:
        wanted = [(each.name, "validation", each.adapter) for each in self.parameters]
        schemas, shared = TypeAdapter.json_schemas(wanted)  # type: ignore[arg-type]
        values = [(each, schemas[each.name, "validation"]) for each in self.parameters]
        unpacked = {
            "type": "object",
            "properties": {key: each for of, value in values for key, each in of.schemas(value)},
            "required": [key for each, _ in values if (key := each.required_key)],
            "additionalProperties": False,
        }
        if len(values) == 1:
            return {**shared, "anyOf": [values[0][1], unpacked]}
        return {**shared, **unpacked}

    def _check_context(self, parameter: inspect.Parameter | None) -> None:
        if parameter is None or parameter.kind in {inspect.Parameter.KEYWORD_ONLY, *VARIADIC}:
            came = "no parameter" if parameter is None else f"{parameter} first"
        elif _is_builtin(parameter.annotation):
            came = f"{parameter} first"
        else:
            return
        raise ValueError(
            f"{self.name} takes {came}, but a handler's first parameter is its context: write"
            f" `async def {self.name}(ctx: Context, ...) -> Directive:`"
        )

    def _check_payload(self, parameter: inspect.Parameter) -> None:
        if parameter.kind in VARIADIC:
            why = "every field of a payload needs a parameter of its own"
        elif parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
            why = "payload fields are passed by name; remove the `/`"
        else:
            return
        raise ValueError(f"{self.name} takes {parameter}, which no payload can bind to: {why}.")

    def _hints(self) -> dict[str, Any]:
        written = {
            each.name: each.annotation
            for each in self.written
            if each.annotation is not inspect.Parameter.empty
        }
        module = inspect.unwrap(self._function).__globals__
        try:
            return get_type_hints(
                SimpleNamespace(__annotations__=written), globalns=module, include_extras=True
            )
        except (NameError, AttributeError) as error:
            raise ValueError(
                f"{self}: {error}. Types of parameters must be known when the worker runs: import"
                " them at the top of the module, not under TYPE_CHECKING or inside a function."
            ) from error

    def _parameter(self, written: inspect.Parameter, annotation: Any) -> Parameter:
        try:
            parameter = Parameter(written, annotation)
            _ = parameter.adapter
        except PydanticUserError as error:
            raise ValueError(
                f"{self}: {written.name} cannot be made from a payload: {error.message}"
            ) from error
        return parameter


def _is_builtin(annotation: Any) -> bool:
    if isinstance(annotation, str):
        return annotation != "object" and hasattr(builtins, annotation)
    return annotation is not object and getattr(annotation, "__module__", "") == "builtins"


def _text(parameter: inspect.Parameter, module: str) -> str:
    """Return a parameter as in a module's code: the module's own types have no prefix."""
    kind, text = parameter.annotation, parameter.name
    if kind is not inspect.Parameter.empty:
        text += f": {kind if isinstance(kind, str) else _type_text(kind, module)}"
    default = default_text(parameter.default)
    return f"{text} = {default}" if default else text


def _type_text(kind: Any, module: str) -> str:
    """Return a type as in code, without the metadata of `Annotated`."""
    with suppress(NameError):  # a part of it is defined further down
        kind = get_type_hints(SimpleNamespace(__annotations__={"it": kind}))["it"]
    return inspect.formatannotation(kind, module)

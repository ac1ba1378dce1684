"""From a payload to the arguments of a handler.

1. No parameter: the payload is not looked at.
2. One: an object that holds its name gives that value, otherwise the whole payload is the value.
   So a model, a list or an object can be one parameter.
3. Several: an object, unpacked by name. Defaults hold; unknown names are refused.
4. Values are validated by the annotations. What does not fit is told field by field.
"""

import inspect
from typing import Any, NamedTuple

import orjson
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from grctl.workflow.signature import Signature, has_default

LONGEST_VALUE = 60  # characters of a value that a message quotes
JSON_NAMES = {
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "a list",
    dict: "an object",
}


class Problem(NamedTuple):
    """What is wrong with one field."""

    text: str
    whole: bool = False
    """The value as a whole does not fit, not something in it."""


class BadPayloadError(ValueError):
    """A payload does not fit a handler's parameters: its text has what is wrong, by field."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(problem.text for problem in problems))


def bind(signature: Signature, payload: Any) -> dict[str, Any]:
    """Give the arguments that a payload (JSON, or None) makes for a handler.

    Raises:
        BadPayloadError: it does not fit; says what is wrong with which field.

    Example:
        >>> bind(update_quantity.signature, {"item_id": "a", "qty": "2"})
        {'item_id': 'a', 'qty': 2}
    """
    if not signature.parameters:
        return {}
    if payload is None and not signature.required:
        return {}
    if len(signature.parameters) == 1:
        return _bind_one(signature, payload)
    return _bind_by_name(signature, payload)


def _bind_one(signature: Signature, payload: Any) -> dict[str, Any]:
    (parameter,) = signature.parameters
    if isinstance(payload, dict) and parameter.name in payload:
        return _bind_by_name(signature, payload)
    value, problems = _validate(signature.adapters[parameter.name], parameter.name, payload)
    if not problems:
        return {parameter.name: value}
    takes_no_such = all(problem.whole for problem in problems)
    if takes_no_such and (payload is None or isinstance(payload, dict)):
        return _bind_by_name(signature, payload)
    raise BadPayloadError(problems)


def _bind_by_name(signature: Signature, payload: Any) -> dict[str, Any]:
    if payload is not None and not isinstance(payload, dict):
        names = ", ".join(each.name for each in signature.parameters)
        text = f"it {_came(payload)}, not an object with the fields {names}"
        raise BadPayloadError([Problem(text)])
    fields: dict[str, Any] = payload or {}
    arguments: dict[str, Any] = {}
    problems: list[Problem] = []
    for parameter in signature.parameters:
        problems += _bind_field(signature, parameter, fields, arguments)
    unknown = [name for name in fields if name not in signature.adapters]
    problems += [Problem(f"{name}: is unknown") for name in unknown]
    if problems:
        raise BadPayloadError(problems)
    return arguments


def _bind_field(
    signature: Signature,
    parameter: inspect.Parameter,
    fields: dict[str, Any],
    arguments: dict[str, Any],
) -> list[Problem]:
    name = parameter.name
    if name not in fields:
        return [] if has_default(parameter) else [Problem(f"{name}: is missing")]
    arguments[name], problems = _validate(signature.adapters[name], name, fields[name])
    return problems


def _validate(adapter: TypeAdapter[Any], name: str, value: Any) -> tuple[Any, list[Problem]]:
    try:
        return adapter.validate_python(value), []
    except ValidationError as error:
        return None, [_problem(name, value, each) for each in error.errors(include_url=False)]
    except Exception as error:  # noqa: BLE001  a validator of the user's that expected other input
        text = f"{name}: {type(error).__name__}: {error} (it {_came(value)})"
        return None, [Problem(text, whole=True)]


def _problem(name: str, value: Any, error: ErrorDetails) -> Problem:
    place = name + "".join(
        f"[{each}]" if isinstance(each, int) else f".{each}" for each in error["loc"]
    )
    if error["type"] == "missing":
        return Problem(f"{place}: is missing")
    message = error["msg"][:1].lower() + error["msg"][1:]
    text = f"{place}: {message} (it {_came(error['input'])})"
    return Problem(text, whole=error["input"] is value)


def _came(value: Any) -> str:
    """Say what came, shortly."""
    if value is None:
        return "is null"
    kind = JSON_NAMES.get(type(value), type(value).__name__)
    text = orjson.dumps(value, default=str).decode()
    if len(text) > LONGEST_VALUE:
        text = f"{text[:LONGEST_VALUE]}..."
    return f"is {kind}, {text}"

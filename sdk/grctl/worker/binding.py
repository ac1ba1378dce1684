"""From a payload to the arguments of a handler.

1. No parameter: the payload is not looked at.
2. One: an object that holds its name gives that value, otherwise the whole payload is the value.
   So a model, a list or an object can be one parameter. Where only the other reading fits, it is
   taken.
3. Several: an object, unpacked by name. Defaults hold; unknown names are refused.
4. Values are validated by the annotations, as pydantic reads JSON. What does not fit is told field
   by field.
"""

from typing import Any, NamedTuple

import orjson
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from grctl.json.core_schema import tags_of
from grctl.json.equality import same_json
from grctl.worker.validating import validate_json
from grctl.workflow.parameter import ABSENT, Parameter
from grctl.workflow.signature import Signature

ERRORS_ABOUT_A_TYPE = frozenset({"enum", "is_instance_of", "literal_error", "none_required"})
"""pydantic's errors about the type of a value, beside those that end in `_type`."""
OTHER_VALUE = {"grctl": ["no payload has this"]}
MAX_QUOTED_VALUE_CHARS = 60  # characters of a value that a message quotes
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
    """The parameter takes no value of this JSON type."""


class Reading(NamedTuple):
    """One way to read a payload: the arguments it makes, and what does not fit."""

    arguments: dict[str, Any]
    problems: list[Problem]


class BadPayloadError(ValueError):
    """A payload does not fit a handler's parameters: its text has what is wrong, by field."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(problems)  # what a copy of it is made with
        self._problems = problems

    def __str__(self) -> str:
        """Return what is wrong, by field."""
        return "; ".join(problem.text for problem in self._problems)


def bind(signature: Signature, payload: Any) -> dict[str, Any]:
    """Give the arguments that a payload (JSON, or None) makes for a handler.

    Raises:
        BadPayloadError: it does not fit; says what is wrong with which field.

    Example:
        >>> bind(update_quantity.signature, {"item_id": "a", "qty": "2"})
        {'item_id': 'a', 'qty': 2}
    """
    if not signature.written:
        return {}
    if payload is None and not signature.required:
        return _arguments(_by_name(signature, {}))
    if len(signature.parameters) == 1:
        return _arguments(_bind_one(signature, payload))
    return _arguments(_by_name(signature, payload))


def _arguments(reading: Reading) -> dict[str, Any]:
    if reading.problems:
        raise BadPayloadError(reading.problems)
    return reading.arguments


def _bind_one(signature: Signature, payload: Any) -> Reading:
    """Read a payload as rule 2 says; if that does not fit, in the other way."""
    (parameter,) = signature.parameters
    if isinstance(payload, dict) and parameter.find(payload) is not ABSENT:
        named = _by_name(signature, payload)
        return named if not named.problems else _if_it_fits(parameter, payload) or named
    whole = _as_a_whole(parameter, payload)
    takes_no_such = whole.problems and all(problem.whole for problem in whole.problems)
    if takes_no_such and (payload is None or isinstance(payload, dict)):
        return _by_name(signature, payload)
    return whole


def _if_it_fits(parameter: Parameter, payload: dict[str, Any]) -> Reading | None:
    """Read as a whole a payload that has a key of the parameter's name, if its type knows the key.

    A model that ignores unknown keys takes anything: it would lose that value in silence. So the
    type must make something else of the payload if another value is under these keys.
    """
    reading = _as_a_whole(parameter, payload)
    if reading.problems:
        return None
    other = _as_a_whole(parameter, payload | dict.fromkeys(parameter.keys, OTHER_VALUE))
    return None if other.arguments == reading.arguments else reading


def _as_a_whole(parameter: Parameter, payload: Any) -> Reading:
    value, problems = _validate(parameter, payload)
    return Reading({} if problems else {parameter.name: value}, problems)


def _by_name(signature: Signature, payload: Any) -> Reading:
    if payload is not None and not isinstance(payload, dict):
        names = ", ".join(each.shown for each in signature.parameters)
        text = f"it {_came(payload)}, not an object with the fields {names}"
        return Reading({}, [Problem(text)])
    fields: dict[str, Any] = payload or {}
    reading = Reading({}, [])
    for parameter in signature.parameters:
        _bind_field(parameter, fields, reading)
    known = {key for each in signature.parameters for key in each.keys}
    reading.problems.extend(Problem(f"{name}: is unknown") for name in fields if name not in known)
    return reading


def _bind_field(parameter: Parameter, fields: dict[str, Any], reading: Reading) -> None:
    value = parameter.find(fields)
    problems: list[Problem] = []
    if value is not ABSENT:
        value, problems = _validate(parameter, value)
    elif parameter.required:
        problems = [Problem(f"{parameter.shown}: is missing")]
    elif not reading.problems:  # a default may be made from the arguments before it
        value, problems = _default(parameter, reading.arguments)
    reading.problems.extend(problems)
    if not problems and value is not ABSENT:
        reading.arguments[parameter.name] = value


def _default(parameter: Parameter, arguments: dict[str, Any]) -> tuple[Any, list[Problem]]:
    try:
        return parameter.default(arguments), []
    except ValidationError as error:
        why = error.errors(include_url=False)[0]["msg"]
    except Exception as error:  # noqa: BLE001  a factory of the user's
        why = f"{type(error).__name__}: {error}"
    return ABSENT, [Problem(f"{parameter.shown}: is missing, and its default fails: {why}")]


def _validate(parameter: Parameter, value: Any) -> tuple[Any, list[Problem]]:
    name = parameter.shown
    try:
        return validate_json(parameter.adapter, value), []
    except ValidationError as error:
        details = error.errors(include_url=False)
        return None, [_problem(parameter, value, each) for each in details]
    except Exception as error:  # noqa: BLE001  a validator of the user's that expected other input
        text = f"{name}: {type(error).__name__}: {error} (it {_came(value)})"
        return None, [Problem(text, whole=True)]


def _problem(parameter: Parameter, value: Any, error: ErrorDetails) -> Problem:
    place = parameter.shown + "".join(
        f"[{each}]" if isinstance(each, int) else f".{each}" for each in error["loc"]
    )
    if error["type"] == "missing":
        return Problem(f"{place}: is missing")
    message = error["msg"]
    if message[1:2].islower():
        message = message[0].lower() + message[1:]
    if error["type"] == "union_tag_not_found":
        tags = tags_of(parameter.adapter.core_schema, error["ctx"]["discriminator"])
        message += f"; tags: {', '.join(tags)}"
    text = f"{place}: {message} (it {_came(error['input'])})"
    return Problem(text, whole=_is_of_no_such_type(error) and same_json(error["input"], value))


def _is_of_no_such_type(error: ErrorDetails) -> bool:
    """Return whether the error is about the JSON type of a value, not about the value itself."""
    return error["type"].endswith("_type") or error["type"] in ERRORS_ABOUT_A_TYPE


def _came(value: Any) -> str:
    """Say what came, shortly."""
    if value is None:
        return "is null"
    kind = JSON_NAMES.get(type(value), type(value).__name__)
    try:
        text = orjson.dumps(value, default=str).decode()
    except orjson.JSONEncodeError:
        return f"is {kind}, nested too deep to be shown"
    if len(text) > MAX_QUOTED_VALUE_CHARS:
        text = f"{text[:MAX_QUOTED_VALUE_CHARS]}..."
    return f"is {kind}, {text}"

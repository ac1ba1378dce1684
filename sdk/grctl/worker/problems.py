"""Why a payload does not fit a handler, field by field, in words for the payload's sender."""

from typing import Any, NamedTuple

import orjson
from pydantic_core import ErrorDetails

from grctl.json.core_schema import tags_of
from grctl.json.equality import same_json
from grctl.workflow.parameter import Parameter

ERRORS_ABOUT_A_TYPE = frozenset({"enum", "is_instance_of", "literal_error", "none_required"})
"""pydantic's errors about the type of a value, beside those that end in `_type`."""
MAX_QUOTED_VALUE_CHARS = 60
JSON_TYPE_NAMES = {
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "a list",
    dict: "an object",
}


class Problem(NamedTuple):
    """One field that does not fit, and the reason."""

    text: str
    wrong_type: bool = False
    """The parameter takes no value of this JSON type, whatever is in it."""


class BadPayloadError(ValueError):
    """A payload does not fit a handler's parameters. Its text lists the problems."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(problems)  # a copy of the error is made from these arguments
        self._problems = problems

    def __str__(self) -> str:
        """Return the problems, in the order of the fields."""
        return "; ".join(problem.text for problem in self._problems)


def problem_of(parameter: Parameter, value: Any, error: ErrorDetails) -> Problem:
    """Return the problem that pydantic found in a parameter's value."""
    place = parameter.shown_name + "".join(
        f"[{each}]" if isinstance(each, int) else f".{each}" for each in error["loc"]
    )
    if error["type"] == "missing":
        return Problem(f"{place}: is missing")
    text = f"{place}: {_message(parameter, error)} (it {describe_value(error['input'])})"
    return Problem(text, wrong_type=_is_about_a_type(error) and same_json(error["input"], value))


def describe_value(value: Any) -> str:
    """Return a short description of a JSON value: `is a string, "high"`."""
    if value is None:
        return "is null"
    type_name = JSON_TYPE_NAMES.get(type(value), type(value).__name__)
    try:
        text = orjson.dumps(value, default=str).decode()
    except orjson.JSONEncodeError:
        return f"is {type_name}, nested too deep to be shown"
    if len(text) > MAX_QUOTED_VALUE_CHARS:
        text = f"{text[:MAX_QUOTED_VALUE_CHARS]}..."
    return f"is {type_name}, {text}"


def _message(parameter: Parameter, error: ErrorDetails) -> str:
    """Return pydantic's message as a part of our sentence; for a union, with its tags."""
    message = error["msg"]
    if message[1:2].islower():  # not an abbreviation such as "URL"
        message = message[0].lower() + message[1:]
    if error["type"] == "union_tag_not_found":
        tags = tags_of(parameter.adapter.core_schema, error["ctx"]["discriminator"])
        message += f"; tags: {', '.join(tags)}"
    return message


def _is_about_a_type(error: ErrorDetails) -> bool:
    """Return whether the error is about the JSON type of a value, not about the value itself."""
    return error["type"].endswith("_type") or error["type"] in ERRORS_ABOUT_A_TYPE

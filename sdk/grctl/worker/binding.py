"""Bind a payload to the parameters of a handler.

There are two readings of a payload. *By name*: it is an object, and each parameter takes the value
under its own key. *Whole*: all of it is the value of the handler's only parameter.

1. A handler without parameters ignores the payload.
2. With one parameter, a payload that has the parameter's key is read by name, any other whole. If
   that reading does not fit, the other one is tried. So one parameter can be a model, a list or an
   object.
3. With several parameters, a payload is read by name. Defaults apply; unknown keys are refused.
4. Values are validated by the annotations, as pydantic reads JSON. An error names each field that
   does not fit.
"""

from typing import Any, NamedTuple

from pydantic import ValidationError

from grctl.json.validating import validate_json
from grctl.worker.problems import BadPayloadError, Problem, describe_value, problem_of
from grctl.workflow.parameter import ABSENT, Parameter
from grctl.workflow.signature import Signature

PROBE_VALUE = {"grctl": ["no payload has this"]}


class Reading(NamedTuple):
    """What one reading of a payload gives. It fits if there are no problems."""

    arguments: dict[str, Any]
    problems: list[Problem]


def bind(signature: Signature, payload: Any) -> dict[str, Any]:
    """Return the arguments that a payload (JSON, or None) makes for a handler.

    Raises:
        BadPayloadError: the payload does not fit; names each field, and what is wrong with it.

    Example:
        >>> bind(update_quantity.signature, {"item_id": "a", "qty": "2"})
        {'item_id': 'a', 'qty': 2}
    """
    if not signature.written:
        return {}
    if payload is None and not signature.required:
        reading = _read_by_name(signature, {})
    elif len(signature.parameters) == 1:
        reading = _read_for_one_parameter(signature, payload)
    else:
        reading = _read_by_name(signature, payload)
    if reading.problems:
        raise BadPayloadError(reading.problems)
    return reading.arguments


def _read_for_one_parameter(signature: Signature, payload: Any) -> Reading:
    (parameter,) = signature.parameters
    if isinstance(payload, dict) and parameter.find(payload) is not ABSENT:
        by_name = _read_by_name(signature, payload)
        if not by_name.problems:
            return by_name
        return _read_whole_if_its_key_counts(parameter, payload) or by_name
    whole = _read_whole(parameter, payload)
    if _is_of_a_wrong_type(whole) and (payload is None or isinstance(payload, dict)):
        return _read_by_name(signature, payload)
    return whole


def _is_of_a_wrong_type(reading: Reading) -> bool:
    """Return whether the parameter takes no value of the payload's JSON type."""
    problems = reading.problems
    return bool(problems) and all(problem.wrong_type for problem in problems)


def _read_whole_if_its_key_counts(parameter: Parameter, payload: dict[str, Any]) -> Reading | None:
    """Read whole a payload that has the parameter's key, if the parameter's type uses that key.

    A model that ignores unknown keys takes any object, and the value under that key would be lost
    in silence. So the payload is read twice, the second time with another value under the key. If
    both readings are equal, the type ignores the key, and None is returned.
    """
    reading = _read_whole(parameter, payload)
    if reading.problems:
        return None
    probe = _read_whole(parameter, payload | dict.fromkeys(parameter.keys, PROBE_VALUE))
    return None if probe.arguments == reading.arguments else reading


def _read_whole(parameter: Parameter, payload: Any) -> Reading:
    value, problems = _validate(parameter, payload)
    return Reading({} if problems else {parameter.name: value}, problems)


def _read_by_name(signature: Signature, payload: Any) -> Reading:
    if payload is not None and not isinstance(payload, dict):
        names = ", ".join(each.shown_name for each in signature.parameters)
        text = f"it {describe_value(payload)}, not an object with the fields {names}"
        return Reading({}, [Problem(text)])
    fields: dict[str, Any] = payload or {}
    reading = Reading({}, [])
    for parameter in signature.parameters:
        _read_field(parameter, fields, reading)
    known = {key for each in signature.parameters for key in each.keys}
    reading.problems.extend(Problem(f"{name}: is unknown") for name in fields if name not in known)
    return reading


def _read_field(parameter: Parameter, fields: dict[str, Any], reading: Reading) -> None:
    """Add one parameter's argument, or its problems, to a reading."""
    value = parameter.find(fields)
    problems: list[Problem] = []
    if value is not ABSENT:
        value, problems = _validate(parameter, value)
    elif parameter.required:
        problems = [Problem(f"{parameter.shown_name}: is missing")]
    elif not reading.problems:  # a default may be made from the arguments before it
        value, problems = _default(parameter, reading.arguments)
    reading.problems.extend(problems)
    if not problems and value is not ABSENT:
        reading.arguments[parameter.name] = value


def _default(parameter: Parameter, arguments: dict[str, Any]) -> tuple[Any, list[Problem]]:
    """Return a parameter's default, or the problem that making it meets."""
    try:
        return parameter.default(arguments), []
    except ValidationError as error:
        why = error.errors(include_url=False)[0]["msg"]
    except Exception as error:  # noqa: BLE001  a factory of the user's
        why = f"{type(error).__name__}: {error}"
    return ABSENT, [Problem(f"{parameter.shown_name}: is missing, and its default fails: {why}")]


def _validate(parameter: Parameter, value: Any) -> tuple[Any, list[Problem]]:
    """Return a JSON value as a parameter's type, or the problems that the type finds in it."""
    try:
        return validate_json(parameter.adapter, value), []
    except ValidationError as error:
        details = error.errors(include_url=False)
        return None, [problem_of(parameter, value, each) for each in details]
    except Exception as error:  # noqa: BLE001  a validator of the user's that expected other input
        text = (
            f"{parameter.shown_name}: {type(error).__name__}: {error} (it {describe_value(value)})"
        )
        return None, [Problem(text, wrong_type=True)]

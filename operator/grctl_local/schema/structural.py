"""Check the schema of a new or changed definition: types, patterns and validation rules."""

import re
from collections.abc import Iterator

import orjson

from grctl_local.errors import Cause, Json
from grctl_local.schema.rules import Rule, RuleError

UNTYPED = ("x-kubernetes-preserve-unknown-fields", "x-kubernetes-int-or-string")
SELF_FIELD = re.compile(
    r"(?<![\w.])(?:self|oldSelf)(?P<dot>\.)(?P<field>[A-Za-z_]\w*)(?!\s*\()(?![\w(])"
)


def schema_causes(source: Json, path: str) -> Iterator[Cause]:
    """Return what is wrong with a schema and with all schemas below it."""
    if not source.get("type") and not any(source.get(mark) for mark in UNTYPED):
        message = "Required value: must not be empty for specified object fields"
        yield Cause("FieldValueRequired", f"{path}.type", message)
    yield from _pattern_causes(source, path)
    yield from _rule_causes(source, path)
    for name, below in source.get("properties", {}).items():
        yield from schema_causes(below, f"{path}.properties[{name}]")
    for name in ("items", "additionalProperties"):
        if isinstance(below := source.get(name), dict):
            yield from schema_causes(below, f"{path}.{name}")


def _pattern_causes(source: Json, path: str) -> Iterator[Cause]:
    try:
        re.compile(source.get("pattern", ""))
    except re.error as error:
        found = source["pattern"]
        message = (
            f'Invalid value: "{found}": must be a valid regular expression, but isn\'t: {error}'
        )
        yield Cause("FieldValueInvalid", f"{path}.pattern", message)


def _rule_causes(source: Json, path: str) -> Iterator[Cause]:
    for index, rule in enumerate(source.get("x-kubernetes-validations", ())):
        field = f"{path}.x-kubernetes-validations[{index}].rule"
        try:
            Rule.read(rule)
        except RuleError as error:
            yield _compilation_failed(rule, str(error), field)
            continue
        for found in SELF_FIELD.finditer(rule["rule"]):
            if not _is_typed_field(source, found["field"]):
                yield _compilation_failed(rule, _undefined(found), field)


def _is_typed_field(source: Json, name: str) -> bool:
    """Return whether a CEL rule can read a field. CEL does not see fields of free form."""
    if source.get("type") != "object" or not source.get("properties"):
        return True  # a map, or a type that this check does not know
    below = source["properties"].get(name)
    if below is None:
        return name in {"metadata", "apiVersion", "kind"}
    return bool(below.get("type") or below.get("x-kubernetes-int-or-string"))


def _undefined(found: re.Match[str]) -> str:
    """Return the error of CEL for an unknown field: line, column, and an arrow below the field."""
    line, column = found.string.count("\n", 0, found.start("dot")) + 1, found.start("dot")
    text = found.string.split("\n")[line - 1]
    column -= found.string.rfind("\n", 0, found.start("dot")) + 1
    return (
        f"ERROR: <input>:{line}:{column + 1}: undefined field '{found['field']}'\n | {text}\n | "
        + "." * column
        + "^"
    )


def _compilation_failed(rule: Json, error: str, field: str) -> Cause:
    shown = {
        "Rule": rule.get("rule", ""),
        "Message": rule.get("message", ""),
        "MessageExpression": rule.get("messageExpression", ""),
        "Reason": rule.get("reason"),
        "FieldPath": rule.get("fieldPath", ""),
        "OptionalOldSelf": rule.get("optionalOldSelf"),
    }
    message = f"Invalid value: {orjson.dumps(shown).decode()}: compilation failed: {error}"
    return Cause("FieldValueInvalid", field, message)

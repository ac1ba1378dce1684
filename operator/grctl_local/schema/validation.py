"""Validation: whether a value fits its schema, with the messages of the API server.

1. All errors are returned at once.
2. CEL rules are evaluated only if the value has the right types. Otherwise the last cause says that
   rules were not checked.
3. A part that an update does not change is not validated again. So a rule or a limit that was
   added later does not lock old objects (Kubernetes calls this ratcheting).
"""

import operator
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from grctl_local.errors import Cause, Json
from grctl_local.schema.formats import FORMATS
from grctl_local.schema.node import Node
from grctl_local.store import dump, is_same

NOT_ALL_CHECKED = Cause(
    "FieldValueInvalid",
    "<nil>",
    "Invalid value: null: some validation rules were not checked because the object was invalid;"
    " correct the existing errors to complete validation",
)
BLOCKING = frozenset(
    {
        "FieldValueRequired",
        "FieldValueTypeInvalid",
        "FieldValueNotSupported",
        "FieldValueTooLong",
        "FieldValueTooMany",
    }
)
"""If one of these reasons was found, a kube-apiserver evaluates no rules."""

INT32_LIMIT = 1 << 31
Check = Callable[[Node, Any, str], Iterator[Cause]]


def validate(
    root: Node, value: Json, old: Json | None = None, known: Iterable[Cause] = ()
) -> list[Cause]:
    """Return what is wrong with an object: first the causes in `known`, then those found here."""
    causes = [*known, *_check(root, value, old, "")]
    if root.has_rules:
        if any(cause.reason in BLOCKING for cause in causes):
            return [*causes, NOT_ALL_CHECKED]
        causes += _check_rules(root, value, old, "")
    return causes


def _check(node: Node, value: Any, old: Any, path: str) -> Iterator[Cause]:
    if node.is_free or (value is old and value is not None):
        return
    if value is None and node.nullable:
        return
    if not _has_type(node, value):
        yield _wrong_type(node, value, path)
        return
    below = (cause for each in _children(node, value, old, path) for cause in _check(*each))
    if isinstance(value, list):
        yield from below
    for cause in (*CHECKS[_json_type(value)](node, value, path), *_check_enum(node, value, path)):
        if not _is_unchanged(value, old):
            yield cause
    yield from below


def _children(node: Node, value: Any, old: Any, path: str) -> Iterator[tuple[Node, Any, Any, str]]:
    """Yield what is directly below a value, each with its node, its old value and its path."""
    if isinstance(value, dict):
        before = old if isinstance(old, dict) else {}
        for name, found in value.items():
            below = node.below(name)
            if below:
                yield below, found, before.get(name), _join(path, name)
    elif isinstance(value, list) and node.items:
        for index, item in enumerate(value):
            yield node.items, item, None, f"{path}[{index}]"


def _check_rules(node: Node, value: Any, old: Any, path: str) -> Iterator[Cause]:
    if not node.has_rules or value is old or value is None:
        return
    for rule in node.rules:
        if rule.transition and old is None:
            continue
        failure = rule.failure(value, old)
        if failure and not (failure.allowed_if_unchanged and _is_unchanged(value, old)):
            field = path + rule.source.get("fieldPath", "")
            reason = rule.source.get("reason") or "FieldValueInvalid"
            yield Cause(reason, field or "<nil>", f"Invalid value: {failure.message}")
    for each in _children(node, value, old, path):
        yield from _check_rules(*each)


def _is_unchanged(value: Any, old: Any) -> bool:
    return old is not None and is_same(value, old)


def _has_type(node: Node, value: Any) -> bool:
    found = _json_type(value)
    if node.int_or_string:
        return found in {"integer", "string"}
    if node.type == "number":
        return found in {"integer", "number"}
    if node.type == "integer" and found == "number":
        return float(value).is_integer()
    return not node.type or found == node.type


def _wrong_type(node: Node, value: Any, path: str) -> Cause:
    found = _json_type(value)
    wanted = "integer,string" if node.int_or_string else node.type
    message = f'Invalid value: "{found}": {path} in body must be of type {wanted}: "{found}"'
    return Cause("FieldValueTypeInvalid", path or "<nil>", message)


def _check_enum(node: Node, value: Any, path: str) -> Iterator[Cause]:
    options = node.source.get("enum")
    if options is None or (isinstance(value, str) and value in options):
        return
    if not any(is_same(value, option) for option in options):
        supported = ", ".join(_quoted(option) for option in options)
        message = f"Unsupported value: {_quoted(value)}: supported values: {supported}"
        yield Cause("FieldValueNotSupported", path, message)


def _check_string(node: Node, value: str, path: str) -> Iterator[Cause]:
    source = node.source
    if len(value) < source.get("minLength", 0):
        yield _invalid(value, path, f"should be at least {source['minLength']} chars long")
    elif len(value) > source.get("maxLength", len(value)):
        message = f"Too long: may not be more than {source['maxLength']} bytes"
        yield Cause("FieldValueTooLong", path, message)
    elif node.pattern and not node.pattern.search(value):
        yield _invalid(value, path, f"should match '{source['pattern']}'")
    known = FORMATS.get(source.get("format", ""))
    if known and not known(value):
        message = f"must be of type {source['format']}: {_quoted(value)}"
        yield _invalid(value, path, message, reason="FieldValueTypeInvalid")


def _check_number(node: Node, value: float, path: str) -> Iterator[Cause]:
    source = node.source
    if source.get("multipleOf") and value % source["multipleOf"]:
        yield _invalid(value, path, f"should be a multiple of {source['multipleOf']}")
    yield from _check_limit(source, "minimum", value, path, beyond=operator.lt)
    yield from _check_limit(source, "maximum", value, path, beyond=operator.gt)
    if source.get("format") == "int32" and not -INT32_LIMIT <= value < INT32_LIMIT:
        what = f"Checked value must be of type integer with format int32 in {path}"
        yield Cause("FieldValueInvalid", "<nil>", f'Invalid value: "": {what}')


def _check_limit(
    source: Json, name: str, value: float, path: str, *, beyond: Callable[[Any, Any], bool]
) -> Iterator[Cause]:
    limit = source.get(name)
    if limit is None:
        return
    exclusive = bool(source.get(f"exclusive{name.capitalize()}"))
    if beyond(value, limit) or (exclusive and value == limit):
        word = "greater" if name == "minimum" else "less"
        equal = "" if exclusive else " or equal to"
        yield _invalid(value, path, f"should be {word} than{equal} {limit}")


def _check_array(node: Node, value: list[Any], path: str) -> Iterator[Cause]:
    source = node.source
    if len(value) < source.get("minItems", 0):
        yield _invalid(len(value), path, f"should have at least {source['minItems']} items")
    if len(value) > source.get("maxItems", len(value)):
        yield _too_many(path, len(value), source["maxItems"])
    yield from _check_unique(node, value, path)


def _check_unique(node: Node, value: list[Any], path: str) -> Iterator[Cause]:
    keys = node.source.get("x-kubernetes-list-map-keys")
    if not keys and node.source.get("x-kubernetes-list-type") != "set":
        return
    seen = set()
    for index, item in enumerate(value):
        if keys and not isinstance(item, dict):
            continue  # the check of the items reports the wrong type
        mark = {key: item[key] for key in keys if key in item} if keys else item
        if (text := dump(mark)) in seen:
            message = f"Duplicate value: {text.decode()}"
            yield Cause("FieldValueDuplicate", f"{path}[{index}]", message)
        seen.add(text)


def _check_object(node: Node, value: Json, path: str) -> Iterator[Cause]:
    source = node.source
    for name in node.required:
        if name not in value:
            yield Cause("FieldValueRequired", _join(path, name), "Required value")
    if len(value) < source.get("minProperties", 0):
        wanted = source["minProperties"]
        yield _invalid(len(value), path, f"should have at least {wanted} properties")
    if len(value) > source.get("maxProperties", len(value)):
        yield _too_many(path, len(value), source["maxProperties"])


def _check_nothing(_node: Node, _value: Any, _path: str) -> Iterator[Cause]:
    return iter(())


CHECKS: dict[str, Check] = {
    "string": _check_string,
    "integer": _check_number,
    "number": _check_number,
    "array": _check_array,
    "object": _check_object,
    "boolean": _check_nothing,
    "null": _check_nothing,
}

TYPES = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    list: "array",
    dict: "object",
    type(None): "null",
}


def _json_type(value: Any) -> str:
    return TYPES[type(value)]


def _invalid(value: Any, path: str, message: str, reason: str = "FieldValueInvalid") -> Cause:
    return Cause(reason, path, f"Invalid value: {_quoted(value)}: {path} in body {message}")


def _too_many(path: str, found: int, most: int) -> Cause:
    return Cause("FieldValueTooMany", path, f"Too many: {found}: must have at most {most} items")


def _quoted(value: Any) -> str:
    return dump(value).decode()


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name

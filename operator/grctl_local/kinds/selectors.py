"""Label and field selectors: parsed once, then evaluated for many objects.

1. A selector is refused if it cannot be parsed or names a field that the kind does not offer.
2. A missing field counts as empty text.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from grctl_local.errors import Json, bad_request
from grctl_local.kinds.kind import FieldValue, Kind
from grctl_local.kinds.names import key_errors, value_errors

Selector = Callable[[Json], bool]

LABEL_TOKEN = re.compile(r"\s*(==|!=|=|!|,|\(|\)|<|>|[^\s=!,()<>]+)")
OPERATORS = frozenset({"=", "==", "!=", "in", "notin", ">", "<"})
FIELD_TERM = re.compile(r"((?:[^\\=!,]|\\.)*)(==|!=|=)(.*)", re.DOTALL)


def selector(kind: Kind, labels: str, fields: str) -> Selector | None:
    """Return one selector for labels and fields, or None if every object fits.

    Raises:
        StatusError: a selector is refused.
    """
    found = [*_label_terms(labels), *_field_terms(kind, fields)]
    if not found:
        return None
    return found[0] if len(found) == 1 else lambda value: all(fits(value) for fits in found)


def _field_terms(kind: Kind, text: str) -> Iterator[Selector]:
    for term in re.split(r"(?<!\\),", text):
        if not term or term in {"=", "=="}:
            continue
        found = FIELD_TERM.fullmatch(term)
        if not found:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{term}'")
        name, operator, operand = found.groups()
        read = _field(kind, name)
        yield _field_term(read, re.sub(r"\\(.)", r"\1", operand), equal=operator != "!=")


def _field_term(read: FieldValue, operand: str, *, equal: bool) -> Selector:
    if equal:
        return lambda value: read(value) == operand
    return lambda value: read(value) != operand


def _field(kind: Kind, name: str) -> FieldValue:
    if name in {"metadata.name", "metadata.namespace"}:
        field = name.removeprefix("metadata.")
        return lambda value: str(value["metadata"].get(field, ""))
    read = kind.selectable.get(name)
    if read:
        return read
    if kind.custom or kind.selectable:
        raise bad_request(f"field label not supported: {name}")
    raise bad_request(
        f'"{name}" is not a known field selector: only "metadata.name", "metadata.namespace"'
    )


def _label_terms(text: str) -> Iterator[Selector]:
    tokens = _Tokens(text)
    while tokens.peek():
        yield _label_term(tokens)
        if tokens.peek():
            tokens.take(",")


def _label_term(tokens: "_Tokens") -> Selector:
    if tokens.peek() == "!":
        tokens.take("!")
        key = _key(tokens)
        return lambda value: key not in _labels(value)
    key = _key(tokens)
    operator = tokens.peek()
    if operator in {"", ","}:
        return lambda value: key in _labels(value)
    if operator not in OPERATORS:
        expected = "in, notin, =, ==, !=, gt, lt"
        raise _unparsable(f"found '{operator}', expected: {expected}")
    tokens.take(operator)
    return _comparison(key, operator, tokens)


def _comparison(key: str, operator: str, tokens: "_Tokens") -> Selector:
    if operator in {"in", "notin"}:
        options = frozenset(_options(tokens))
        if operator == "in":
            return lambda value: _labels(value).get(key) in options
        return lambda value: _labels(value).get(key) not in options
    operand = _operand(tokens)
    if operator in {"<", ">"}:
        return _order(key, operator, operand)
    if operator == "!=":
        return lambda value: _labels(value).get(key) != operand
    return lambda value: _labels(value).get(key) == operand


def _order(key: str, operator: str, operand: str) -> Selector:
    if not re.fullmatch(r"-?\d+", operand):
        raise _unparsable(f"for 'Gt', 'Lt' operators, the value must be an integer: {operand}")
    limit = int(operand)

    def fits(value: Json) -> bool:
        label = _labels(value).get(key, "")
        if not re.fullmatch(r"-?\d+", label):
            return False
        return int(label) > limit if operator == ">" else int(label) < limit

    return fits


def _labels(value: Json) -> dict[str, Any]:
    labels: dict[str, Any] = value["metadata"].get("labels") or {}
    return labels


def _key(tokens: "_Tokens") -> str:
    key = tokens.word()
    for words in key_errors(key):
        raise _unparsable(f'<nil>: Invalid value: "{key}": {words}')
    return key


def _operand(tokens: "_Tokens") -> str:
    if tokens.peek() in {"", ","}:
        return ""
    operand = tokens.word()
    for words in value_errors(operand):
        raise _unparsable(f'values[0][]: Invalid value: "{operand}": {words}')
    return operand


def _options(tokens: "_Tokens") -> list[str]:
    tokens.take("(")
    options = [_option(tokens)]
    while tokens.peek() == ",":
        tokens.take(",")
        options.append(_option(tokens))
    tokens.take(")")
    return options


def _option(tokens: "_Tokens") -> str:
    return "" if tokens.peek() in {",", ")"} else tokens.word()


def _unparsable(why: str) -> Exception:
    return bad_request(f"unable to parse requirement: {why}")


class _Tokens:
    """Reads the words and signs of a label selector from left to right."""

    def __init__(self, text: str) -> None:
        self._tokens = LABEL_TOKEN.findall(text)
        self._next = 0

    def peek(self) -> str:
        """Return the next token, or "" at the end."""
        return self._tokens[self._next] if self._next < len(self._tokens) else ""

    def take(self, wanted: str) -> None:
        """Skip the next token, which must be `wanted`."""
        if self.peek() != wanted:
            raise _unparsable(f"found '{self.peek()}' expected: '{wanted}'")
        self._next += 1

    def word(self) -> str:
        """Return the next token, which must be a word, and skip it."""
        found = self.peek()
        if not found or not re.match(r"[^=!,()<>]", found):
            raise _unparsable(f"found '{found}', expected: identifier")
        self._next += 1
        return found

"""Pruning, defaulting and validation, where the conformance suite does not test them."""

from typing import Any

import pytest

from grctl_local.errors import Json
from grctl_local.schema.defaulting import default
from grctl_local.schema.node import compile_schema
from grctl_local.schema.pruning import prune
from grctl_local.schema.validation import validate

KEEP = {"x-kubernetes-preserve-unknown-fields": True}


def schema_of(spec: Json) -> Json:
    return {"type": "object", "properties": {"spec": spec}}


def invalid_fields(spec_schema: Json, spec: Any, old: Any = None) -> list[str]:
    """Return the fields that do not fit."""
    root = compile_schema(schema_of(spec_schema))
    before = None if old is None else {"spec": old}
    return [cause.field for cause in validate(root, {"spec": spec}, before)]


def test_known_fields_below_preserved_ones_are_still_pruned() -> None:
    inner = {"type": "object", "properties": {"x": {"type": "integer"}}}
    root = compile_schema(schema_of({"type": "object", **KEEP, "properties": {"inner": inner}}))
    value = {"spec": {"other": {"y": 1}, "inner": {"x": 1, "y": 2}}}

    assert prune(root, value) == ["spec.inner.y"]
    assert value == {"spec": {"other": {"y": 1}, "inner": {"x": 1}}}


def test_an_embedded_resource_keeps_its_type_and_metadata() -> None:
    embedded = {"type": "object", "x-kubernetes-embedded-resource": True}
    root = compile_schema(schema_of(embedded))
    value = {"spec": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": {}}}

    assert prune(root, value) == ["spec.spec"]


def test_a_default_is_never_shared() -> None:
    root = compile_schema(schema_of({"type": "object", "default": {"list": []}, **KEEP}))
    first: Json = {}
    second: Json = {}
    default(root, first)
    default(root, second)
    first["spec"]["list"].append(1)

    assert second == {"spec": {"list": []}}


def test_items_get_their_defaults() -> None:
    item = {"type": "object", "properties": {"n": {"type": "integer", "default": 1}}}
    root = compile_schema(schema_of({"type": "array", "items": item}))
    value: Json = {"spec": [{}, {"n": 2}]}
    default(root, value)

    assert value == {"spec": [{"n": 1}, {"n": 2}]}


def test_a_set_refuses_a_duplicate() -> None:
    schema = {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}}

    assert invalid_fields(schema, ["a", "b", "a"]) == ["spec[2]"]


@pytest.mark.parametrize("value", [True, 1.5, "1", [1]])
def test_an_enum_of_numbers_accepts_no_other_value(value: Any) -> None:
    schema = {"x-kubernetes-preserve-unknown-fields": True, "enum": [1, 0]}

    assert len(invalid_fields(schema, value)) == 1
    assert invalid_fields(schema, 1) == []


@pytest.mark.parametrize(("value", "fits"), [(0, False), (0.5, True), (10, True), (10.5, False)])
def test_a_limit_can_be_exclusive(value: float, *, fits: bool) -> None:
    schema = {"type": "number", "minimum": 0, "exclusiveMinimum": True, "maximum": 10}

    assert (invalid_fields(schema, value) == []) is fits


def test_true_is_not_a_number() -> None:
    assert invalid_fields({"type": "integer"}, spec=True) == ["spec"]


def test_a_value_that_an_update_does_not_change_is_not_validated_again() -> None:
    limited = {"type": "array", "maxItems": 1, "items": {"type": "string"}}
    schema = {"type": "object", "properties": {"list": limited, "n": {"type": "integer"}}}
    too_long = ["a", "b"]

    assert invalid_fields(schema, {"list": ["a", "b"], "n": 2}, {"list": too_long, "n": 1}) == []
    assert invalid_fields(schema, {"list": ["a", "c"]}, {"list": too_long}) == ["spec.list"]

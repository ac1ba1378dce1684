"""JSON equality: values that are equal in Python and not in JSON, and the reverse."""

from typing import Any

import orjson
import pytest

from grctl.json.equality import same_json

OTHER_VALUES: list[tuple[Any, Any]] = [
    (0, False),
    (1, True),
    (0.0, False),
    (1.0, True),
    ([0], [False]),
    ({"paid": 0}, {"paid": False}),
    ({"a": [{"b": 1}]}, {"a": [{"b": True}]}),
    (None, False),
    (None, 0),
    ("", None),
    ("1", 1),
    ([], {}),
    ([], None),
    ({}, None),
    ({"a": None}, {}),
    ([1, 2], [2, 1]),
    ([1], [1, 1]),
    ({"a": 1}, {"b": 1}),
    ("a", "A"),
    ("\u00e9", "e\u0301"),
    (2**53, 2**53 + 1),
    (2.0**53, 2**53 + 1),
]
SAME_VALUES: list[tuple[Any, Any]] = [
    (1, 1.0),
    (0, -0.0),
    (10**18, 1e18),
    ([1, {"a": 2}], [1.0, {"a": 2.0}]),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    (None, None),
    (True, True),
    ("\u00e9", "\u00e9"),
    ({}, {}),
]


@pytest.mark.parametrize(("one", "other"), OTHER_VALUES, ids=repr)
def test_values_that_json_tells_apart_are_not_the_same(one: Any, other: Any) -> None:
    assert not same_json(one, other)
    assert not same_json(other, one)


@pytest.mark.parametrize(("one", "other"), SAME_VALUES, ids=repr)
def test_values_that_json_does_not_tell_apart_are_the_same(one: Any, other: Any) -> None:
    assert same_json(one, other)
    assert same_json(other, one)


@pytest.mark.parametrize(("one", "_other"), OTHER_VALUES, ids=repr)
def test_a_value_that_was_written_and_read_is_the_same(one: Any, _other: Any) -> None:
    assert same_json(one, orjson.loads(orjson.dumps(one)))

"""RawJson and Uncarriable; and a reader of JSON that raises one kind of error."""

from typing import Any

import orjson
import pytest

from grctl.json.raw_json import RawJson, Uncarriable, dumps, to_raw_json
from grctl.json.reading import UnreadableJsonError, prune, read_json
from grctl.json.serialization import NotJsonError, to_json

TOO_DEEP = Uncarriable("is nested deeper than 100 levels")


def nested(levels: int) -> Any:
    value: Any = []
    for _ in range(levels - 1):
        value = [value]
    return value


def test_a_value_of_a_hundred_levels_is_carried_and_one_of_more_is_not() -> None:
    assert to_raw_json(nested(100)) == RawJson(b"[" * 100 + b"]" * 100)
    for levels in (101, 254, 255, 1000):
        assert to_raw_json(nested(levels)) == TOO_DEEP


def test_the_sdk_and_the_operator_draw_the_line_at_the_same_level() -> None:
    assert to_raw_json(to_json(nested(100), "payload")) == to_raw_json(nested(100))
    with pytest.raises(NotJsonError, match="deeper than 100 levels"):
        to_json(nested(101), "payload")


def test_many_shallow_values_are_not_deep() -> None:
    assert to_raw_json([[] for _ in range(1000)]) == RawJson(
        b"[" + b",".join([b"[]"] * 1000) + b"]"
    )
    assert to_raw_json("[" * 1000) == RawJson(b'"' + b"[" * 1000 + b'"')


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, "\ud800", {1: 2}, {"a": object()}])
def test_a_value_without_json_is_uncarriable(value: Any) -> None:
    assert isinstance(to_raw_json(value), Uncarriable)


def test_a_raw_value_is_written_with_its_own_bytes() -> None:
    raw = to_raw_json({"b": 1, "a": [1.0, None]})
    assert (
        dumps({"payload": raw, "none": TOO_DEEP})
        == b'{"payload":{"b":1,"a":[1.0,null]},"none":null}'
    )
    assert to_raw_json(raw) is raw


def test_the_repr_of_a_raw_value_does_not_show_the_value() -> None:
    assert "secret" not in repr(to_raw_json({"password": "secret"}))


@pytest.mark.parametrize("levels", [1000, 1025, 10_000, 200_000])
def test_json_of_any_depth_is_read(levels: int) -> None:
    text = b'{"deep":' + b'{"a":[' * levels + b"]}" * levels + b',"b":"]}\\"[{","c":[1,{"d":2}]}'
    value = read_json(text)
    assert value["b"] == ']}"[{'
    assert value["c"] == [1, {"d": 2}]
    assert to_raw_json(value["deep"]) == TOO_DEEP


def test_pruned_json_keeps_values_that_are_not_too_deep() -> None:
    assert prune(b'[[[1]],{"a":[2]},3]', 2) == b'[[null],{"a":null},3]'
    assert prune(b"[[1],[2]]", 2) == b"[[1],[2]]"


def test_text_that_is_not_unicode_is_read_with_replacement_characters() -> None:
    assert read_json(rb'["\ud800","\ud83d\ude00","\\ud800"]') == ["\ufffd", "\U0001f600", "\\ud800"]
    assert read_json(b'["\xff"]') == ["\ufffd"]


@pytest.mark.parametrize("text", [b"", b"<html>", b"[1", b"[1]]", b"nul", b"]" * 2000])
def test_any_text_that_is_not_json_raises_one_kind_of_error(text: bytes) -> None:
    with pytest.raises(UnreadableJsonError):
        read_json(text)


def test_numbers_that_no_float_holds_are_null() -> None:
    text = b"[NaN,-Infinity,1e999,%b,18446744073709551616,-5]" % (b"9" * 10_000)
    assert read_json(text) == [None, None, None, None, 2.0**64, -5]


def test_the_last_of_duplicated_keys_counts_as_in_kubernetes() -> None:
    assert read_json(b'{"a":1,"a":2}') == {"a": 2}


def test_a_large_integer_is_read_as_the_api_server_reads_it() -> None:
    assert orjson.loads(dumps(read_json(b"[18446744073709551616]"))) == [2.0**64]

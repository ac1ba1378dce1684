"""The JSON paths of printer columns."""

from typing import Any

import pytest

from grctl_local.schema.jsonpath import compile_path, field_names

VALUE: dict[str, Any] = {
    "spec": {"color": "red", "a.b/c": 1, "list": [{"n": 1}, {"n": 2}], "none": None},
    "status": {"conditions": [{"type": "A", "status": "x"}, {"type": "B", "status": "y"}]},
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".spec.color", ["red"]),
        ("{.spec.color}", ["red"]),
        ("$.spec.color", ["red"]),
        (".spec['a.b/c']", [1]),
        (r".spec.a\.b/c", []),
        (".spec.list[0].n", [1]),
        (".spec.list[-1].n", [2]),
        (".spec.list[9].n", []),
        (".spec.list[*].n", [1, 2]),
        (".spec.none", [None]),
        (".spec.nothing.below", []),
        ('.status.conditions[?(@.type=="B")].status', ["y"]),
        ('.status.conditions[?(@.type!="B")].status', ["x"]),
    ],
)
def test_a_path_finds_values(path: str, found: list[Any]) -> None:
    assert compile_path(path)(VALUE) == found


@pytest.mark.parametrize("path", ["spec", ".spec[", ".spec[?(@.x)]"])
def test_a_path_that_cannot_be_parsed_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="unrecognized character"):
        compile_path(path)


def test_a_path_of_fields_has_names() -> None:
    assert field_names(".spec.color") == ["spec", "color"]
    assert field_names(".spec.list[0]") is None

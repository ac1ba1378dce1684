"""Values that Python calls equal and JSON does not: a boolean is not a number."""

from typing import Any

import pytest

from tests.conformance.test_patch import apply, json_patch
from tests.conformance.widgets import Widgets, causes, revision

CHANGES: list[tuple[Any, Any]] = [
    (0, False),
    (True, 1),
    ([1, {"a": 0}], [1, {"a": False}]),
    ({"a": True}, {"a": 1}),
    ("", None),
    ({}, []),
    ("1", 1),
]
ids = [f"{before!r}->{after!r}" for before, after in CHANGES]


@pytest.mark.parametrize(("before", "after"), CHANGES, ids=ids)
async def test_a_changed_value_of_the_spec_is_written_and_counted(
    widgets: Widgets, before: Any, after: Any
) -> None:
    widget = await widgets.create("a", free={"x": before})
    operation = {"op": "replace", "path": "/spec/free/x", "value": after}
    changed = (await json_patch(widgets, operation)).expect(200)

    assert repr(changed["spec"]["free"]["x"]) == repr(after)
    assert changed["metadata"]["generation"] == 2
    assert revision(changed) != revision(widget)


@pytest.mark.parametrize(("before", "after"), CHANGES, ids=ids)
async def test_a_changed_value_of_the_status_is_written(
    widgets: Widgets, before: Any, after: Any
) -> None:
    await widgets.create("a")
    widget = await widgets.set_status("a", store={"x": before})
    changed = await widgets.set_status("a", store={"x": after})

    assert repr(changed["status"]["store"]["x"]) == repr(after)
    assert revision(changed) != revision(widget)


@pytest.mark.parametrize(("before", "after"), CHANGES, ids=ids)
async def test_a_locked_field_cannot_change_to_a_value_of_another_type(
    widgets: Widgets, before: Any, after: Any
) -> None:
    await widgets.create("a", locked={"key": "k", "input": {"x": before}})
    operation = {"op": "replace", "path": "/spec/locked/input/x", "value": after}

    assert "spec.locked" in causes((await json_patch(widgets, operation)).expect(422))


@pytest.mark.parametrize(
    ("kept", "asked", "status"),
    [
        (0, False, 422),
        (True, 1, 422),
        ([1, {"a": 0}], [1, {"a": False}], 422),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, 200),
        (False, False, 200),
        (1, 1, 200),
    ],
)
async def test_the_test_of_a_json_patch_compares_json(
    widgets: Widgets, kept: Any, asked: Any, status: int
) -> None:
    await widgets.create("a", free={"x": kept})
    operation = {"op": "test", "path": "/spec/free/x", "value": asked}

    assert (await json_patch(widgets, operation)).status == status


async def test_managers_that_apply_0_and_false_conflict(widgets: Widgets) -> None:
    await apply(widgets, "me", widgets.new("a", free={"x": 0}))
    refusal = (await apply(widgets, "you", widgets.new("a", free={"x": False}))).expect(409)

    assert "spec.free" in refusal["message"]


@pytest.mark.parametrize("written", [b"1.0", b"1e0", b"10.0e-1", b"1"])
async def test_a_whole_number_is_kept_as_an_integer(widgets: Widgets, written: bytes) -> None:
    body = (
        b'{"apiVersion": "%s/v1", "kind": "Widget", "metadata": {"name": "a"},'
        b' "spec": {"color": "red", "free": {"x": %s}}}' % (widgets.group.encode(), written)
    )
    widget = (await widgets.api.post(widgets.path, body)).expect(201)

    assert repr(widget["spec"]["free"]["x"]) == "1"
    assert repr((await widgets.get("a"))["spec"]["free"]["x"]) == "1"


async def test_a_whole_number_beyond_64_bits_is_kept(widgets: Widgets) -> None:
    widget = await widgets.create("a", free={"x": 1e20})
    assert widget["spec"]["free"]["x"] == 10**20
    assert (await widgets.get("a"))["spec"]["free"]["x"] == 10**20


async def test_a_whole_number_of_yaml_is_kept_as_an_integer(widgets: Widgets) -> None:
    text = f"""
apiVersion: {widgets.group}/v1
kind: Widget
metadata:
  name: a
spec:
  color: red
  free:
    x: 1.0
"""
    answer = await widgets.api.patch(
        widgets.at("a"), text.encode(), "apply-patch+yaml", fieldManager="me"
    )
    answer.expect(201)

    assert repr((await widgets.get("a"))["spec"]["free"]) == "{'x': 1}"

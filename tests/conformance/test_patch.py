"""Patches: JSON patch, merge patch, server-side apply."""

from typing import Any

import pytest

from tests.conformance.client import Answer, Json
from tests.conformance.widgets import Widgets, causes, revision

JSON_PATCH = "json-patch+json"
APPLY = "apply-patch+yaml"


async def apply(widgets: Widgets, manager: str, manifest: Json, **params: str) -> Answer:
    """Apply a manifest server-side."""
    path = widgets.at(manifest["metadata"]["name"])
    return await widgets.api.patch(path, manifest, APPLY, fieldManager=manager, **params)


async def json_patch(widgets: Widgets, *operations: Json) -> Answer:
    """Patch widget a with JSON operations."""
    return await widgets.api.patch(widgets.at("a"), list(operations), JSON_PATCH)


async def test_a_merge_patch_merges_objects_and_removes_nulls(widgets: Widgets) -> None:
    await widgets.create("a", free={"x": 1, "y": {"z": 2}}, tags=["p", "q"])
    patch = {"free": {"x": None, "y": {"w": 3}}, "tags": ["r"]}
    widget = await widgets.set_spec("a", **patch)

    assert widget["spec"]["free"] == {"y": {"w": 3, "z": 2}}
    assert widget["spec"]["tags"] == ["r"]
    assert widget["spec"]["color"] == "red"


async def test_a_merge_patch_may_name_the_version_it_is_for(widgets: Widgets) -> None:
    widget = await widgets.create("a")
    await widgets.set_spec("a", size=4)
    patch = {"metadata": {"resourceVersion": revision(widget)}, "spec": {"size": 5}}
    refusal = (await widgets.api.patch(widgets.at("a"), patch)).expect(409)

    assert refusal["reason"] == "Conflict"


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"'])
async def test_a_merge_patch_must_be_an_object(widgets: Widgets, body: bytes) -> None:
    await widgets.create("a")
    refusal = (await widgets.api.patch(widgets.at("a"), body)).expect(400)

    assert refusal["message"].startswith("error decoding patch: ")


async def test_a_patch_of_a_missing_object_is_not_found(widgets: Widgets) -> None:
    answer = await widgets.api.patch(widgets.at("a"), {"spec": {}})

    assert answer.expect(404)["reason"] == "NotFound"


async def test_a_patch_cannot_rename(widgets: Widgets) -> None:
    await widgets.create("a")
    refusal = (await widgets.api.patch(widgets.at("a"), {"metadata": {"name": "b"}})).expect(400)

    assert "does not match the name on the URL" in refusal["message"]


async def test_a_patch_cannot_change_the_uid(widgets: Widgets) -> None:
    await widgets.create("a")
    refusal = (await widgets.api.patch(widgets.at("a"), {"metadata": {"uid": "b"}})).expect(422)

    assert causes(refusal)["metadata.uid"] == 'Invalid value: "b": field is immutable'


async def test_a_patched_object_is_validated(widgets: Widgets) -> None:
    await widgets.create("a")
    refusal = (await widgets.api.patch(widgets.at("a"), {"spec": {"size": 99}})).expect(422)

    assert "spec.size" in causes(refusal)


async def test_each_operation_of_a_json_patch_is_applied(widgets: Widgets) -> None:
    await widgets.create("a", size=4, tags=["p"], free={"x/y": 1, "list": [1, 2]})
    answer = await json_patch(
        widgets,
        {"op": "test", "path": "/spec/size", "value": 4},
        {"op": "replace", "path": "/spec/size", "value": 5},
        {"op": "add", "path": "/spec/tags/-", "value": "q"},
        {"op": "add", "path": "/spec/tags/0", "value": "o"},
        {"op": "remove", "path": "/spec/tags/1"},
        {"op": "move", "from": "/spec/free/x~1y", "path": "/spec/free/moved"},
        {"op": "copy", "from": "/spec/free/list", "path": "/spec/free/copied"},
        {"op": "remove", "path": "/spec/free/list/0"},
    )

    spec = answer.expect(200)["spec"]
    assert (spec["size"], spec["tags"]) == (5, ["o", "q"])
    assert spec["free"] == {"moved": 1, "list": [2], "copied": [1, 2]}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/spec/color", "value": "blue"},
        {"op": "remove", "path": "/spec/nothing"},
        {"op": "replace", "path": "/spec/nothing/below", "value": 1},
        {"op": "add", "path": "/spec/tags/7", "value": "x"},
    ],
)
async def test_a_json_patch_that_does_not_fit_changes_nothing(
    widgets: Widgets, operation: dict[str, Any]
) -> None:
    widget = await widgets.create("a", tags=["p"])
    answer = await json_patch(
        widgets, {"op": "replace", "path": "/spec/size", "value": 9}, operation
    )

    assert answer.expect(422)["reason"] == "Invalid"
    assert await widgets.get("a") == widget


async def test_a_json_patch_can_demand_a_version(widgets: Widgets) -> None:
    widget = await widgets.create("a")
    path = "/metadata/resourceVersion"
    stale = {"op": "test", "path": path, "value": "1"}
    fresh = {"op": "test", "path": path, "value": revision(widget)}
    change = {"op": "replace", "path": "/spec/size", "value": 9}

    assert (await json_patch(widgets, stale, change)).status == 422
    assert (await json_patch(widgets, fresh, change)).status == 200


@pytest.mark.parametrize("kind", ["strategic-merge-patch+json", "json"])
async def test_a_patch_of_another_format_is_refused(widgets: Widgets, kind: str) -> None:
    await widgets.create("a")
    refusal = (await widgets.api.patch(widgets.at("a"), {}, kind)).expect(415)

    assert "application/json-patch+json, application/merge-patch+json" in refusal["message"]


async def test_a_built_in_kind_takes_strategic_merge_patches(widgets: Widgets) -> None:
    path = f"/api/v1/namespaces/{widgets.namespace}/configmaps"
    config = {"metadata": {"name": "c"}, "data": {"a": "b", "c": "d"}}
    (await widgets.api.post(path, config)).expect(201)
    patch = {"data": {"a": "z", "c": None}}
    answer = await widgets.api.patch(f"{path}/c", patch, "strategic-merge-patch+json")

    assert answer.expect(200)["data"] == {"a": "z"}


async def test_apply_creates(widgets: Widgets) -> None:
    answer = await apply(widgets, "me", widgets.new("a", size=4))

    created = answer.expect(201)
    assert created["spec"]["size"] == 4
    [entry] = created["metadata"]["managedFields"]
    assert (entry["manager"], entry["operation"]) == ("me", "Apply")
    assert entry["fieldsV1"] == {"f:spec": {"f:color": {}, "f:size": {}}}


async def test_an_unchanged_apply_is_not_written(widgets: Widgets) -> None:
    await apply(widgets, "me", widgets.new("a", size=4, free={"x": [1]}))
    first = await widgets.set_status("a", phase="Running")
    second = (await apply(widgets, "me", widgets.new("a", size=4, free={"x": [1]}))).expect(200)

    assert revision(second) == revision(first)


async def test_apply_removes_fields_that_its_manager_no_longer_sends(widgets: Widgets) -> None:
    await apply(widgets, "me", widgets.new("a", size=4, label="abc", free={"x": 1, "y": 2}))
    answer = await apply(widgets, "me", widgets.new("a", free={"y": 2}))

    spec = answer.expect(200)["spec"]
    assert spec == {"color": "red", "size": 3, "greeting": "hello", "free": {"y": 2}}


async def test_apply_keeps_fields_of_other_managers(widgets: Widgets) -> None:
    await apply(widgets, "me", widgets.new("a", size=4))
    await widgets.set_spec("a", label="abc")
    answer = await apply(widgets, "me", widgets.new("a", size=5))

    spec = answer.expect(200)["spec"]
    assert (spec["label"], spec["size"]) == ("abc", 5)


async def test_apply_conflicts_with_a_field_of_another_manager(widgets: Widgets) -> None:
    await apply(widgets, "me", widgets.new("a", size=4))
    manifest = widgets.new("a", size=5)
    refusal = (await apply(widgets, "you", manifest)).expect(409)
    forced = (await apply(widgets, "you", manifest, force="true")).expect(200)

    assert refusal["message"] == 'Apply failed with 1 conflict: conflict with "me": .spec.size'
    assert refusal["details"]["causes"] == [
        {
            "reason": "FieldManagerConflict",
            "message": 'conflict with "me"',
            "field": ".spec.size",
        }
    ]
    assert forced["spec"]["size"] == 5
    assert "spec.size" not in str(await apply(widgets, "you", manifest))


async def test_managers_that_apply_the_same_value_share_a_field(widgets: Widgets) -> None:
    await apply(widgets, "me", widgets.new("a", size=4))
    (await apply(widgets, "you", widgets.new("a", size=4))).expect(200)
    dropped = (await apply(widgets, "me", widgets.new("a"))).expect(200)

    assert dropped["spec"]["size"] == 4


async def test_an_atomic_map_is_owned_and_set_as_a_whole(widgets: Widgets) -> None:
    first = await apply(widgets, "me", widgets.new("a", whole={"depth": 1, "width": 2}))
    less = widgets.new("a", whole={"depth": 1})
    refusal = (await apply(widgets, "you", less)).expect(409)
    forced = (await apply(widgets, "you", less, force="true")).expect(200)

    [entry] = first.expect(201)["metadata"]["managedFields"]
    assert entry["fieldsV1"] == {"f:spec": {"f:color": {}, "f:whole": {}}}
    assert refusal["message"] == 'Apply failed with 1 conflict: conflict with "me": .spec.whole'
    assert forced["spec"]["whole"] == {"depth": 1}


async def test_apply_needs_a_manager(widgets: Widgets) -> None:
    answer = await widgets.api.patch(widgets.at("a"), widgets.new("a"), APPLY)

    assert causes(answer.expect(422)) == {
        "fieldManager": "Required value: is required for apply patch"
    }


async def test_an_applied_object_is_validated(widgets: Widgets) -> None:
    answer = await apply(widgets, "me", widgets.new("a", color="pink"))

    assert "spec.color" in causes(answer.expect(422))


async def test_a_dry_run_of_a_patch_stores_nothing(widgets: Widgets) -> None:
    widget = await widgets.create("a")
    answer = await widgets.api.patch(widgets.at("a"), {"spec": {"size": 9}}, dryRun="All")

    assert answer.expect(200)["spec"]["size"] == 9
    assert await widgets.get("a") == widget

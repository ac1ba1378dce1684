"""Schemas: pruning, defaulting and validation, and which schemas are refused."""

from typing import Any

import pytest

from tests.conformance.client import Answer, Json, eventually
from tests.conformance.widgets import CRDS, Widgets, causes, definition


async def test_unknown_fields_are_dropped(widgets: Widgets) -> None:
    answer = await widgets.try_create(
        "a", unknown=1, nested={"depth": 2, "other": {"x": 1}}, parts=[{"name": "p", "x": 1}]
    )

    spec = answer.expect(201)["spec"]
    assert spec["nested"] == {"depth": 2}
    assert spec["parts"] == [{"name": "p"}]
    assert "unknown" not in spec


async def test_free_form_fields_are_kept(widgets: Widgets) -> None:
    free: Json = {"x": None, "list": [{"y": []}, "", 0, False], "deep": {"deeper": {}}}
    widget = await widgets.create("a", free=free)

    assert widget["spec"]["free"] == free


@pytest.mark.parametrize("free", [[], {}, "", 0, False, [[1]], "text"])
async def test_a_free_form_field_takes_any_json(widgets: Widgets, free: object) -> None:
    assert (await widgets.create("a", free=free))["spec"]["free"] == free


async def test_an_unknown_field_is_a_warning(widgets: Widgets) -> None:
    answer = await widgets.try_create("a", unknown=1)

    assert answer.status == 201
    assert answer.headers["Warning"] == '299 - "unknown field \\"spec.unknown\\""'


async def test_strict_validation_refuses_unknown_fields(widgets: Widgets) -> None:
    manifest = {**widgets.new("a", unknown=1, nested={"other": 1}), "extra": 1}
    answer = await widgets.api.post(widgets.path, manifest, fieldValidation="Strict")

    message = answer.expect(400)["message"]
    assert message.startswith(
        'Widget in version "v1" cannot be handled as a Widget: strict decoding error: '
    )
    for path in ("extra", "spec.unknown", "spec.nested.other"):
        assert f'unknown field "{path}"' in message


async def test_strict_validation_knows_the_fields_of_metadata(widgets: Widgets) -> None:
    manifest = widgets.new("a", metadata={"lables": {}})
    answer = await widgets.api.post(widgets.path, manifest, fieldValidation="Strict")

    assert 'unknown field "metadata.lables"' in answer.expect(400)["message"]


async def test_unknown_fields_can_be_ignored(widgets: Widgets) -> None:
    manifest = widgets.new("a", unknown=1)
    answer = await widgets.api.post(widgets.path, manifest, fieldValidation="Ignore")

    assert answer.status == 201
    assert "Warning" not in answer.headers


async def test_another_field_validation_is_refused(widgets: Widgets) -> None:
    answer = await widgets.api.post(widgets.path, widgets.new("a"), fieldValidation="Lenient")

    assert "fieldValidation" in causes(answer.expect(422))


async def test_defaults_are_filled_in(widgets: Widgets) -> None:
    widget = await widgets.create("a", nested={})

    assert widget["spec"] == {
        "color": "red",
        "size": 3,
        "greeting": "hello",
        "nested": {"depth": 1},
    }


async def test_a_default_below_a_missing_object_is_not_filled_in(widgets: Widgets) -> None:
    assert "nested" not in (await widgets.create("a"))["spec"]


async def test_a_null_stays_only_in_a_nullable_field(widgets: Widgets) -> None:
    widget = await widgets.create("a", size=None, label=None, maybe=None, greeting=None)

    assert widget["spec"] == {"color": "red", "size": 3, "maybe": None, "greeting": None}


async def test_removing_a_field_brings_its_default_back(widgets: Widgets) -> None:
    await widgets.create("a", size=7)

    assert (await widgets.set_spec("a", size=None))["spec"]["size"] == 3


@pytest.mark.parametrize(
    ("spec", "field", "message"),
    [
        (
            {"color": "pink"},
            "spec.color",
            'Unsupported value: "pink": supported values: "red", "green", "blue"',
        ),
        ({"color": None}, "spec.color", "Required value"),
        (
            {"size": "big"},
            "spec.size",
            'Invalid value: "string": spec.size in body must be of type integer: "string"',
        ),
        (
            {"size": 1.5},
            "spec.size",
            'Invalid value: "number": spec.size in body must be of type integer: "number"',
        ),
        (
            {"size": 0},
            "spec.size",
            "Invalid value: 0: spec.size in body should be greater than or equal to 1",
        ),
        (
            {"size": 11},
            "spec.size",
            "Invalid value: 11: spec.size in body should be less than or equal to 10",
        ),
        (
            {"label": "x"},
            "spec.label",
            'Invalid value: "x": spec.label in body should be at least 2 chars long',
        ),
        ({"label": "abcdef"}, "spec.label", "Too long: may not be more than 5 bytes"),
        (
            {"label": "AB"},
            "spec.label",
            "Invalid value: \"AB\": spec.label in body should match '^[a-z]*$'",
        ),
        (
            {"when": "noon"},
            "spec.when",
            'Invalid value: "noon": spec.when in body must be of type date-time: "noon"',
        ),
        (
            {"flag": "yes"},
            "spec.flag",
            'Invalid value: "string": spec.flag in body must be of type boolean: "string"',
        ),
        ({"tags": ["a", "b", "c"]}, "spec.tags", "Too many: 3: must have at most 2 items"),
        (
            {"tags": ["a", 1]},
            "spec.tags[1]",
            'Invalid value: "integer": spec.tags[1] in body must be of type string: "integer"',
        ),
        ({"parts": [{"count": 1}]}, "spec.parts[0].name", "Required value"),
        (
            {"parts": [{"name": "p"}, {"name": "p", "count": 1}]},
            "spec.parts[1]",
            'Duplicate value: {"name":"p"}',
        ),
        (
            {"port": 1.5},
            "spec.port",
            'Invalid value: "number": spec.port in body must be of type integer,string: "number"',
        ),
        (
            {"counts": {"x": "y"}},
            "spec.counts.x",
            'Invalid value: "string": spec.counts.x in body must be of type integer: "string"',
        ),
        (
            {"locked": []},
            "spec.locked",
            'Invalid value: "array": spec.locked in body must be of type object: "array"',
        ),
    ],
)
async def test_a_value_that_does_not_fit_the_schema_is_refused(
    widgets: Widgets, spec: dict[str, Any], field: str, message: str
) -> None:
    manifest = widgets.new("a")
    manifest["spec"].update(spec)
    refusal = (await widgets.api.post(widgets.path, manifest)).expect(422)

    assert refusal["reason"] == "Invalid"
    assert causes(refusal)[field] == message
    assert refusal["message"].startswith(f'Widget.{widgets.group} "a" is invalid: ')
    assert f"{field}: {message}" in refusal["message"]
    details = refusal["details"]
    assert (details["name"], details["kind"], details["group"]) == ("a", "Widget", widgets.group)


async def test_all_errors_are_answered_at_once(widgets: Widgets) -> None:
    refusal = (await widgets.try_create("a", size=99, flag="yes", tags=["a", "b", "c"])).expect(422)

    assert {"spec.size", "spec.flag", "spec.tags"} <= set(causes(refusal))


async def test_a_missing_spec_is_refused(widgets: Widgets) -> None:
    manifest = {**widgets.new("a")}
    del manifest["spec"]
    refusal = (await widgets.api.post(widgets.path, manifest)).expect(422)

    assert causes(refusal)["spec"] == "Required value"


@pytest.mark.parametrize("port", [80, "http"])
async def test_a_number_or_a_text_fits_int_or_string(widgets: Widgets, port: object) -> None:
    assert (await widgets.create("a", port=port))["spec"]["port"] == port


@pytest.mark.parametrize(
    "when", ["2020-01-01T00:00:00Z", "2020-01-01T00:00:00.123456Z", "2020-01-01T00:00:00+01:00"]
)
async def test_a_time_is_kept_as_it_was_written(widgets: Widgets, when: str) -> None:
    assert (await widgets.create("a", when=when))["spec"]["when"] == when


def changed_definition(group: str, **version: Any) -> Json:
    """Return the definition of Widget with changes to its version."""
    manifest = definition(f"bad.{group}")
    manifest["spec"]["versions"][0].update(version)
    return manifest


async def define(widgets: Widgets, manifest: Json) -> Answer:
    """Return the answer to a definition in a dry run."""
    return await widgets.api.post(CRDS, manifest, dryRun="All")


async def test_a_stricter_schema_does_not_lock_existing_objects(widgets: Widgets) -> None:
    group = f"stricter.{widgets.group}"
    (await widgets.api.post(CRDS, definition(group))).expect(201)
    path = f"{CRDS}/widgets.{group}"
    strict = Widgets(widgets.api, group, widgets.namespace)
    await widgets.api.until_status(strict.path, 200)
    await strict.create("a", size=9, low=5)

    current = (await widgets.api.get(path)).expect(200)
    spec = current["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    spec["properties"]["size"]["maximum"] = 5
    spec["properties"]["low"]["x-kubernetes-validations"] = [{"rule": "self < 3"}]
    (await widgets.api.put(path, current)).expect(200)

    async def is_strict() -> bool:
        answer = await widgets.api.post(strict.path, strict.new("b", size=9), dryRun="All")
        return answer.status == 422

    await eventually(is_strict)
    assert (await strict.set_spec("a", flag=True))["spec"]["flag"] is True
    patch = {"spec": {"size": 8, "low": 4}}
    refusal = (await widgets.api.patch(strict.at("a"), patch)).expect(422)
    assert {"spec.size", "spec.low"} <= set(causes(refusal))
    await widgets.api.delete(path)


async def test_a_kind_is_served_in_all_its_versions(widgets: Widgets) -> None:
    manifest = definition(f"versions.{widgets.group}")
    second = {**manifest["spec"]["versions"][0], "name": "v2", "storage": False}
    manifest["spec"]["versions"].append(second)
    (await widgets.api.post(CRDS, manifest)).expect(201)
    old = Widgets(widgets.api, f"versions.{widgets.group}", widgets.namespace)
    new_path = old.at("a").replace("/v1/", "/v2/")
    await widgets.api.until_status(old.path, 200)
    await widgets.api.until_status(old.path.replace("/v1/", "/v2/"), 200)

    created = await old.create("a", size=4)
    seen = (await widgets.api.get(new_path)).expect(200)
    seen["spec"]["size"] = 5
    (await widgets.api.put(new_path, seen)).expect(200)

    assert seen["apiVersion"] == f"versions.{widgets.group}/v2"
    changed = await old.get("a")
    assert (changed["apiVersion"], changed["spec"]["size"]) == (created["apiVersion"], 5)
    await widgets.api.delete(f"{CRDS}/widgets.versions.{widgets.group}")


async def test_a_valid_definition_is_accepted(widgets: Widgets) -> None:
    (await define(widgets, changed_definition(widgets.group))).expect(201)


async def test_a_definition_must_be_named_for_its_resource(widgets: Widgets) -> None:
    manifest = changed_definition(widgets.group)
    manifest["metadata"]["name"] = "something.else"
    refusal = (await define(widgets, manifest)).expect(422)

    assert causes(refusal)["metadata.name"].endswith('must be spec.names.plural+"."+spec.group')


async def test_every_field_needs_a_type(widgets: Widgets) -> None:
    schema = {"type": "object", "properties": {"x": {}}}
    manifest = changed_definition(
        widgets.group, schema={"openAPIV3Schema": schema}, selectableFields=[]
    )
    refusal = (await define(widgets, manifest)).expect(422)

    assert causes(refusal) == {
        "spec.validation.openAPIV3Schema.properties[x].type": (
            "Required value: must not be empty for specified object fields"
        )
    }


async def test_a_version_needs_a_schema(widgets: Widgets) -> None:
    manifest = changed_definition(widgets.group, selectableFields=[])
    del manifest["spec"]["versions"][0]["schema"]
    refusal = (await define(widgets, manifest)).expect(422)

    assert causes(refusal)["spec.versions[0].schema.openAPIV3Schema"] == "Required value"


@pytest.mark.parametrize("path", [".spec.nope", ".spec.free", ".spec.tags"])
async def test_only_scalar_fields_can_be_selected(widgets: Widgets, path: str) -> None:
    manifest = changed_definition(widgets.group, selectableFields=[{"jsonPath": path}])
    refusal = (await define(widgets, manifest)).expect(422)

    assert "spec.selectableFields[0].jsonPath" in causes(refusal)


async def test_a_changed_schema_applies_to_existing_objects(widgets: Widgets) -> None:
    group = f"changing.{widgets.group}"
    (await widgets.api.post(CRDS, definition(group))).expect(201)
    path = f"{CRDS}/widgets.{group}"
    changing = Widgets(widgets.api, group, widgets.namespace)
    await widgets.api.until_status(changing.path, 200)
    before = await changing.create("a")

    current = (await widgets.api.get(path)).expect(200)
    schema = current["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    properties = schema["properties"]["spec"]["properties"]
    properties["extra"] = {"type": "string", "default": "new"}
    (await widgets.api.put(path, current)).expect(200)

    async def is_filled_in() -> bool:
        return "extra" in (await changing.get("a"))["spec"]

    await eventually(is_filled_in)
    before["spec"]["extra"] = "new"
    assert await changing.get("a") == before
    await widgets.api.delete(path)

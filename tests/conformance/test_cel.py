"""CEL rules of a schema."""

import pytest

from tests.conformance.client import Json, eventually
from tests.conformance.widgets import CRDS, Widgets, causes, definition

UNCHECKED = "some validation rules were not checked because the object was invalid"


async def test_an_object_that_keeps_a_rule_is_accepted(widgets: Widgets) -> None:
    await widgets.create("a", low=1, high=2)


async def test_an_object_that_breaks_a_rule_is_refused_with_the_rules_message(
    widgets: Widgets,
) -> None:
    refusal = (await widgets.try_create("a", low=3, high=2)).expect(422)

    assert refusal["message"] == (
        f'Widget.{widgets.group} "a" is invalid: spec: Invalid value: low must be at most high'
    )
    assert causes(refusal) == {"spec": "Invalid value: low must be at most high"}


async def test_a_rule_holds_for_updates(widgets: Widgets) -> None:
    await widgets.create("a", low=1, high=2)
    answer = await widgets.api.patch(widgets.at("a"), {"spec": {"low": 9}})

    assert causes(answer.expect(422)) == {"spec": "Invalid value: low must be at most high"}


@pytest.mark.parametrize(
    "change",
    [
        {"key": "other"},
        {"key": None},
        {"input": {"x": [1, {"y": 3}]}},
        {"input": {"x": [1, {"y": 2}], "z": 0}},
        {"input": None},
    ],
)
async def test_a_locked_field_cannot_change(widgets: Widgets, change: Json) -> None:
    await widgets.create("a", locked={"key": "k", "input": {"x": [1, {"y": 2}]}})
    answer = await widgets.api.patch(widgets.at("a"), {"spec": {"locked": change}})

    assert causes(answer.expect(422)) == {
        "spec.locked": "Invalid value: spec.locked cannot be changed"
    }


async def test_a_field_beside_a_locked_one_can_change(widgets: Widgets) -> None:
    await widgets.create("a", locked={"key": "k", "input": [1, None, {"x": 0.5}]})

    assert (await widgets.set_spec("a", size=9))["spec"]["size"] == 9
    assert (await widgets.set_status("a", phase="Running"))["status"]["phase"] == "Running"


async def test_a_locked_field_may_be_written_with_the_same_value(widgets: Widgets) -> None:
    locked = {"key": "k", "input": {"list": [1, "two", None, {"three": 3.5}], "empty": {}}}
    widget = await widgets.create("a", locked=locked)
    widget["spec"]["size"] = 9
    widget["metadata"]["labels"] = {"changed": "yes"}

    (await widgets.api.put(widgets.at("a"), widget)).expect(200)


async def test_a_locked_field_can_be_set_for_the_first_time(widgets: Widgets) -> None:
    await widgets.create("a")

    assert (await widgets.set_spec("a", locked={"key": "k"}))["spec"]["locked"] == {"key": "k"}


async def test_rules_are_not_evaluated_for_a_value_of_the_wrong_type(widgets: Widgets) -> None:
    refusal = (await widgets.try_create("a", low="x", high=2)).expect(422)

    assert UNCHECKED in causes(refusal)["<nil>"]
    assert "spec" not in causes(refusal)


def definition_with_rules(group: str, spec: Json, *rules: Json) -> Json:
    """Return a definition whose spec has these rules."""
    manifest = definition(group)
    spec = {"type": "object", "properties": spec, "x-kubernetes-validations": list(rules)}
    version = manifest["spec"]["versions"][0]
    version["schema"]["openAPIV3Schema"]["properties"]["spec"] = spec
    version["selectableFields"] = []
    return manifest


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("self.( ==", "Syntax error"),
        ("self.nope == 1", "undefined field 'nope'"),
        ("self.free == 1", "undefined field 'free'"),
        ("oldSelf.nope == 1", "undefined field 'nope'"),
    ],
)
async def test_a_rule_that_does_not_compile_is_refused(
    widgets: Widgets, rule: str, why: str
) -> None:
    fields = {"free": {"x-kubernetes-preserve-unknown-fields": True}, "n": {"type": "integer"}}
    manifest = definition_with_rules(f"ruled.{widgets.group}", fields, {"rule": rule})
    refusal = (await widgets.api.post(CRDS, manifest, dryRun="All")).expect(422)

    [(field, message)] = causes(refusal).items()
    assert field == (
        "spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[0].rule"
    )
    assert "compilation failed: ERROR: <input>:1:" in message
    assert why in message


async def test_rules_of_all_kinds_are_evaluated(widgets: Widgets) -> None:
    fields: Json = {
        "name": {"type": "string", "maxLength": 20},
        "items": {"type": "array", "maxItems": 10, "items": {"type": "integer"}},
        "counts": {
            "type": "object",
            "maxProperties": 10,
            "additionalProperties": {"type": "integer"},
        },
    }
    manifest = definition_with_rules(
        f"ruled.{widgets.group}",
        fields,
        {"rule": "!has(self.name) || self.name.startsWith('w-')", "message": "name"},
        {"rule": "!has(self.items) || self.items.all(i, i > 0)", "message": "items"},
        {"rule": "!has(self.counts) || self.counts.all(k, self.counts[k] < 5)"},
        {
            "rule": "!has(self.name) || size(self.name) < 6",
            "messageExpression": "'too long: ' + self.name",
        },
        {"rule": "!has(self.name) || self.name.matches('^[a-z-]*$')", "fieldPath": ".name"},
    )
    (await widgets.api.post(CRDS, manifest)).expect(201)
    path = f"{CRDS}/{manifest['metadata']['name']}"
    strict = Widgets(widgets.api, f"ruled.{widgets.group}", widgets.namespace)
    await widgets.api.until_status(strict.path, 200)

    good = {**strict.new("good"), "spec": {"name": "w-x", "items": [1], "counts": {"a": 4}}}
    (await widgets.api.post(strict.path, good)).expect(201)
    bad = {**strict.new("bad"), "spec": {"name": "LONGER", "items": [0], "counts": {"a": 9}}}
    refusal = (await widgets.api.post(strict.path, bad)).expect(422)
    broken = "Invalid value: failed rule: "
    assert [(cause["field"], cause["message"]) for cause in refusal["details"]["causes"]] == [
        ("spec", "Invalid value: name"),
        ("spec", "Invalid value: items"),
        ("spec", f"{broken}!has(self.counts) || self.counts.all(k, self.counts[k] < 5)"),
        ("spec", "Invalid value: too long: LONGER"),
        ("spec.name", f"{broken}!has(self.name) || self.name.matches('^[a-z-]*$')"),
    ]
    await widgets.api.delete(path)


async def test_a_rule_that_cannot_be_evaluated_refuses_the_object(widgets: Widgets) -> None:
    length = {"rule": "duration(self) > duration('1s')", "message": "over a second"}
    fields: Json = {"length": {"type": "string", "x-kubernetes-validations": [length]}}
    manifest = definition_with_rules(f"timed.{widgets.group}", fields, {"rule": "true"})
    (await widgets.api.post(CRDS, manifest)).expect(201)
    path = f"{CRDS}/{manifest['metadata']['name']}"
    strict = Widgets(widgets.api, f"timed.{widgets.group}", widgets.namespace)
    await widgets.api.until_status(strict.path, 200)

    for text, held in (("1h30m", True), ("1s", False), ("tomorrow", False)):
        widget = {**strict.new("w"), "spec": {"length": text}}
        answer = await widgets.api.post(strict.path, widget, dryRun="All")
        if held:
            answer.expect(201)
        else:
            assert causes(answer.expect(422))["spec.length"].endswith("over a second")
    await widgets.api.delete(path)


async def test_a_later_rule_spares_an_unchanged_value_unless_it_cannot_be_evaluated(
    widgets: Widgets,
) -> None:
    fields: Json = {"length": {"type": "string"}, "size": {"type": "integer"}}
    manifest = definition_with_rules(f"later.{widgets.group}", fields, {"rule": "true"})
    (await widgets.api.post(CRDS, manifest)).expect(201)
    path = f"{CRDS}/{manifest['metadata']['name']}"
    strict = Widgets(widgets.api, f"later.{widgets.group}", widgets.namespace)
    await widgets.api.until_status(strict.path, 200)
    for name, length in (("short", "1s"), ("odd", "tomorrow")):
        widget = {**strict.new(name), "spec": {"length": length}}
        (await widgets.api.post(strict.path, widget)).expect(201)

    rule = {"rule": "duration(self) > duration('1s')", "message": "over a second"}
    fields["length"]["x-kubernetes-validations"] = [rule]
    changed = definition_with_rules(f"later.{widgets.group}", fields, {"rule": "true"})
    (await widgets.api.patch(path, {"spec": changed["spec"]})).expect(200)
    refused = {**strict.new("new"), "spec": {"length": "1s"}}
    await eventually(lambda: is_refused(strict, refused))

    answer = await widgets.api.patch(strict.at("short"), {"spec": {"size": 1}})
    assert answer.expect(200)["spec"] == {"length": "1s", "size": 1}
    answer = await widgets.api.patch(strict.at("odd"), {"spec": {"size": 1}})
    assert causes(answer.expect(422))["spec.length"].endswith("evaluating rule: over a second")
    await widgets.api.delete(path)


async def is_refused(widgets: Widgets, widget: Json) -> bool:
    return (await widgets.api.post(widgets.path, widget, dryRun="All")).status == 422

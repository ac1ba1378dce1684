"""The CustomResourceDefinitions: what `kubectl explain` shows and the API server enforces."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from grctl.models import limits
from grctl.models.base import LONGEST_DURATION
from grctl.models.crds import all_crds, event_crd, run_crd

Schema = dict[str, Any]

CRDS = Path(__file__).parents[2] / "crds"
STANDARD = {"apiVersion", "kind", "metadata"}


def schema_of(crd: Schema) -> Schema:
    schema: Schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


def property_of(crd: Schema, path: str) -> Schema:
    schema = schema_of(crd)
    for name in path.split("."):
        schema = schema["properties"][name]
    return schema


def fields(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Yield every field below a schema, with its path."""
    for name, value in schema.get("properties", {}).items():
        yield f"{path}.{name}", value
        yield from fields(value, f"{path}.{name}")
        yield from fields(value.get("items", {}), f"{path}.{name}[]")


def words(schema: Any) -> Iterator[str]:
    """Yield every keyword of a schema, without the names of its fields."""
    if isinstance(schema, dict):
        for key, value in schema.items():
            yield key
            inside = value.values() if key == "properties" else [value]
            for each in inside:
                yield from words(each)
    if isinstance(schema, list):
        for each in schema:
            yield from words(each)


@pytest.mark.parametrize("crd", all_crds(), ids=lambda crd: crd["spec"]["names"]["kind"])
def test_the_generated_files_agree_with_the_models(crd: Schema) -> None:
    path = CRDS / f"{crd['spec']['names']['plural']}.yaml"

    assert yaml.safe_load(path.read_text(encoding="utf-8")) == crd


def test_all_files_in_crds_are_generated() -> None:
    plurals = {crd["spec"]["names"]["plural"] for crd in all_crds()}

    assert {path.name for path in CRDS.iterdir()} == {f"{plural}.yaml" for plural in plurals}


@pytest.mark.parametrize("crd", all_crds(), ids=lambda crd: crd["spec"]["names"]["kind"])
def test_every_field_has_a_description(crd: Schema) -> None:
    schema = schema_of(crd)
    bare = [path for path, value in fields(schema) if not value.get("description")]

    assert schema["description"]
    assert set(bare) == {f".{name}" for name in STANDARD}


def without_text(schema: Any) -> Any:
    """Return a definition without its descriptions."""
    if isinstance(schema, list):
        return [without_text(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    texts = {key for key, value in schema.items() if key == "description" and value == str(value)}
    return {key: without_text(value) for key, value in schema.items() if key not in texts}


def test_python_without_docstrings_makes_the_same_definitions_but_for_their_text() -> None:
    program = "import json; from grctl.models.crds import all_crds; print(json.dumps(all_crds()))"
    made = subprocess.run(
        [sys.executable, "-OO", "-c", program], capture_output=True, check=True, text=True
    )

    assert without_text(json.loads(made.stdout)) == [
        without_text(json.loads(json.dumps(each))) for each in all_crds()
    ]


@pytest.mark.parametrize("crd", all_crds(), ids=lambda crd: crd["spec"]["names"]["kind"])
def test_a_schema_is_structural(crd: Schema) -> None:
    forbidden = {
        "$ref",
        "$defs",
        "anyOf",
        "allOf",
        "oneOf",
        "title",
        "const",
        "discriminator",
        "additionalProperties",
    }

    assert not forbidden & set(words(schema_of(crd)))


@pytest.mark.parametrize("crd", all_crds(), ids=lambda crd: crd["spec"]["names"]["kind"])
def test_every_field_has_a_type_or_is_free(crd: Schema) -> None:
    untyped = [
        path
        for path, value in fields(schema_of(crd))
        if "type" not in value and "x-kubernetes-preserve-unknown-fields" not in value
    ]

    assert untyped == []


@pytest.mark.parametrize("crd", all_crds(), ids=lambda crd: crd["spec"]["names"]["kind"])
def test_status_has_a_default_for_people_and_no_other_field_has_one(crd: Schema) -> None:
    defaults = {path for path, value in fields(schema_of(crd)) if "default" in value}

    assert defaults == {".status"}
    assert property_of(crd, "status")["default"] == {"phase": "Pending", "observedGeneration": 0}


@pytest.mark.parametrize("crd", all_crds(), ids=lambda crd: crd["spec"]["names"]["kind"])
def test_a_status_of_an_older_operator_may_lack_any_field(crd: Schema) -> None:
    status = property_of(crd, "status")
    required = [path for path, value in fields(status) if "required" in value]

    assert "required" not in status
    assert required == []


def test_the_workflow_of_a_run_cannot_be_changed_and_its_desired_state_can() -> None:
    (rule,) = property_of(run_crd(), "spec.workflow")["x-kubernetes-validations"]

    assert rule["rule"] == "self == oldSelf"
    assert "cannot be changed" in rule["message"]
    assert "x-kubernetes-validations" not in property_of(run_crd(), "spec")


def test_the_spec_of_an_event_cannot_be_changed() -> None:
    (rule,) = property_of(event_crd(), "spec")["x-kubernetes-validations"]

    assert rule["rule"] == "self == oldSelf"
    assert "cannot be changed" in rule["message"]


@pytest.mark.parametrize(
    ("crd", "path"),
    [
        (run_crd(), "spec.workflow.input"),
        (run_crd(), "status.result"),
        (run_crd(), "status.store"),
        (event_crd(), "spec.payload"),
    ],
)
def test_free_json_keeps_fields_without_a_schema(crd: Schema, path: str) -> None:
    assert property_of(crd, path)["x-kubernetes-preserve-unknown-fields"] is True


@pytest.mark.parametrize("crd_path", ["spec.workflow.input", "status.result"])
def test_any_json_is_of_no_type(crd_path: str) -> None:
    assert "type" not in property_of(run_crd(), crd_path)


@pytest.mark.parametrize(
    ("crd", "name"),
    [
        (run_crd(), "inbox"),
        (run_crd(), "settled"),
        (run_crd(), "history"),
        (run_crd(), "conditions"),
        (event_crd(), "conditions"),
    ],
)
def test_a_list_of_objects_is_free_as_a_whole(crd: Schema, name: str) -> None:
    schema = property_of(crd, f"status.{name}")

    assert schema.keys() == {"description", "x-kubernetes-preserve-unknown-fields"}


@pytest.mark.parametrize(
    ("crd", "path"),
    [
        (run_crd(), "status"),
        (run_crd(), "spec.workflow"),
        (event_crd(), "status"),
        (event_crd(), "spec"),
    ],
)
def test_an_object_that_is_written_as_a_whole_is_one_value(crd: Schema, path: str) -> None:
    assert property_of(crd, path)["x-kubernetes-map-type"] == "atomic"


def test_only_fields_that_a_reader_needs_are_required() -> None:
    run, sent = schema_of(run_crd()), schema_of(event_crd())

    assert (run["required"], sent["required"]) == (["spec"], ["spec"])
    assert property_of(run_crd(), "spec")["required"] == ["workflow"]
    assert property_of(run_crd(), "spec.workflow")["required"] == ["type"]
    assert property_of(event_crd(), "spec")["required"] == ["workflowId", "eventName"]


def test_a_timeout_is_written_as_kubernetes_writes_durations() -> None:
    timeout = property_of(run_crd(), "spec.workflow.timeout")

    assert (timeout["type"], timeout["pattern"]) == ("string", r"^([0-9]+(\.[0-9]+)?(h|m|s|ms))+$")


BOUNDS = {"string": {"maxLength", "enum", "format"}, "integer": {"maximum"}, "array": {"maxItems"}}


@pytest.mark.parametrize("crd", all_crds(), ids=lambda crd: crd["spec"]["names"]["kind"])
def test_every_text_number_and_typed_list_has_a_bound(crd: Schema) -> None:
    ours = {f"{part}": property_of(crd, part) for part in ("spec", "status")}
    unbounded = [
        f"{part}{path}"
        for part, schema in ours.items()
        for path, value in fields(schema)
        if value.get("type") in BOUNDS and not BOUNDS[value["type"]] & value.keys()
    ]

    assert unbounded == []


def test_a_range_that_a_pattern_cannot_say_is_a_rule_with_a_message() -> None:
    (rule,) = property_of(run_crd(), "spec.workflow.timeout")["x-kubernetes-validations"]

    longest = LONGEST_DURATION // timedelta(hours=1)
    assert rule["rule"].endswith(f"duration('{longest}h')")
    assert f"{longest}h" in rule["message"]


def test_the_longest_texts_of_the_operator_are_within_the_bounds() -> None:
    message = property_of(run_crd(), "status.message")["maxLength"]
    trace = property_of(run_crd(), "status.error.stackTrace")["maxLength"]

    assert (message > limits.MAX_MESSAGE_BYTES, trace > limits.MAX_STACK_TRACE_BYTES) == (
        True,
        True,
    )


def test_the_phases_are_listed() -> None:
    assert property_of(event_crd(), "status.phase")["enum"] == [
        "Pending",
        "Processed",
        "Failed",
        "Rejected",
    ]
    assert "WaitEvent" in property_of(run_crd(), "status.phase")["enum"]


@pytest.mark.parametrize(
    ("crd", "kind", "plural", "short"),
    [
        (run_crd(), "WorkflowRun", "workflowruns", "wfr"),
        (event_crd(), "WorkflowEvent", "workflowevents", "wfe"),
    ],
)
def test_the_names_of_a_resource(crd: Schema, kind: str, plural: str, short: str) -> None:
    names = crd["spec"]["names"]

    assert crd["metadata"]["name"] == f"{plural}.grctl.dev"
    assert (names["kind"], names["plural"], names["shortNames"]) == (kind, plural, [short])
    assert (names["categories"], crd["spec"]["scope"]) == (["grctl"], "Namespaced")


def test_fields_in_selectors_of_the_operator_and_of_people_are_selectable() -> None:
    def selectable(crd: Schema) -> list[str]:
        return [each["jsonPath"] for each in crd["spec"]["versions"][0]["selectableFields"]]

    assert selectable(run_crd()) == [".spec.workflow.type", ".status.phase"]
    assert selectable(event_crd()) == [".spec.workflowId", ".status.phase"]


@pytest.mark.parametrize("crd", all_crds(), ids=lambda crd: crd["spec"]["names"]["kind"])
def test_status_is_a_subresource_and_every_column_names_a_field(crd: Schema) -> None:
    version = crd["spec"]["versions"][0]
    known = {path for path, _ in fields(schema_of(crd))}
    known |= {".metadata.creationTimestamp", ".status.answers.summary"}

    assert version["subresources"] == {"status": {}}
    for column in version["additionalPrinterColumns"]:
        assert column["jsonPath"] in known

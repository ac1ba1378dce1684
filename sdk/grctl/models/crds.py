"""Make the CustomResourceDefinitions from the models. `crds/` holds the files.

1. A CRD schema is structural: no `$ref`, no `anyOf` with null, no titles, no `const`.
2. Every field has a description: `kubectl explain` shows it.
3. Free JSON, free maps and lists of objects are `x-kubernetes-preserve-unknown-fields` as a whole.
   A typed item costs the API server up to four times the processor time of a free one at every
   write. A list of free items costs a fifth more garbage than a list that is free itself.
4. CEL cannot see free JSON through a parent, so all fields that must not change lie in one object.
5. `status` has a default for people only; no decision depends on it.
6. An object that is written as a whole, or never, is declared as one value (`atomic`): `status`, an
   event's `spec` and a run's `spec.workflow`. Otherwise the API server stores and compares at each
   write who wrote which field of it. For `status` alone that is a twelfth of the cost of an event.
7. Each duration, number, text and typed list has bounds. Lists of objects are free and have none,
   so a reader must survive whatever a person writes there (see `salvage`).
"""

from typing import Any

from grctl.models.base import GROUP, NAME_PATTERN, VERSION, Model
from grctl.models.event import WorkflowEvent
from grctl.models.run import WorkflowRun

Schema = dict[str, Any]

FREE_JSON: Schema = {"x-kubernetes-preserve-unknown-fields": True}
ONE_VALUE: Schema = {"x-kubernetes-map-type": "atomic"}
FREE_MAP: Schema = {"type": "object", **FREE_JSON}
FREE_STATUS: dict[str, Schema] = {
    "conditions": FREE_JSON,
    "inbox": FREE_JSON,
    "settled": FREE_JSON,
    "history": FREE_JSON,
    "store": FREE_MAP,
    "journal": FREE_MAP,
    "answers": FREE_MAP,
}

UNCHANGED = "self == oldSelf"
WORKFLOW_CHANGED = (
    "spec.workflow cannot be changed: another workflow, input or timeout is another run."
    " Delete this run first, or take another name"
)
EVENT_CHANGED = (
    "the spec of a WorkflowEvent cannot be changed: it was sent by creating it, and may be handled"
    " already. Create another one, under another name"
)
COUNTABLE = (
    "^([0-9]{1,6}([.][0-9]+)?h)?"
    "([0-9]{1,7}([.][0-9]+)?m|[0-9]{1,9}([.][0-9]+)?s|[0-9]{1,12}([.][0-9]+)?ms)*$"
)
"""Durations of at most DURATION_LENGTH characters that CEL can count.

The API server accepts a change of an object from before a rule if the rule runs and is not met. A
rule that fails to run would make such an object unchangeable.
"""
IN_RANGE = (
    f"self.matches('{COUNTABLE}') && duration(self) >= duration('1ms')"
    " && duration(self) <= duration('876000h')"
)
OUT_OF_RANGE = (
    "a timeout is at least 1ms and at most 876000h (100 years), as in 90s, 15m or 1h30m; leave it"
    " out and the run never times out"
)
NO_NAME = (
    "no run can have this name: a workflow id has lower-case letters, digits, '-' and '.', and"
    " begins and ends with a letter or digit"
)

Column = dict[str, str | int]

RUN_COLUMNS: list[Column] = [
    {"name": "Workflow", "type": "string", "jsonPath": ".spec.workflow.type"},
    {"name": "Phase", "type": "string", "jsonPath": ".status.phase"},
    {"name": "Step", "type": "string", "jsonPath": ".status.step.name"},
    {"name": "Inbox", "type": "integer", "jsonPath": ".status.inboxLength"},
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    {"name": "Summary", "type": "string", "jsonPath": ".status.answers.summary"},
    {"name": "Message", "type": "string", "jsonPath": ".status.message"},
    {"name": "Worker", "type": "string", "jsonPath": ".status.step.worker", "priority": 1},
    {"name": "Held", "type": "string", "jsonPath": ".status.step.stall.reason", "priority": 1},
]
EVENT_COLUMNS: list[Column] = [
    {"name": "Run", "type": "string", "jsonPath": ".spec.workflowId"},
    {"name": "Event", "type": "string", "jsonPath": ".spec.eventName"},
    {"name": "Phase", "type": "string", "jsonPath": ".status.phase"},
    {"name": "Reason", "type": "string", "jsonPath": ".status.reason"},
    {"name": "Sequence", "type": "integer", "jsonPath": ".status.sequence"},
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    {"name": "Message", "type": "string", "jsonPath": ".status.message", "priority": 1},
]


def _inline(schema: Any, definitions: dict[str, Schema]) -> Any:
    """Replace each reference to a definition by the definition."""
    if isinstance(schema, list):
        return [_inline(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        target = definitions[schema["$ref"].rpartition("/")[2]]
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        return _inline({**target, **beside}, definitions)
    return {key: _inline(value, definitions) for key, value in schema.items() if key != "$defs"}


def _optional(schema: Schema) -> Schema:
    """Turn `anyOf: [x, null]` into x: in this API a null field is left out."""
    for word in ("anyOf", "allOf"):
        variants = [each for each in schema.get(word, ()) if each.get("type") != "null"]
        if len(variants) == 1:
            rest = {key: value for key, value in schema.items() if key != word}
            return {**variants[0], **rest}
    return schema


def _structural(schema: Schema) -> Schema:
    """Return a property's schema in the structural form that the API server takes."""
    schema = _optional(schema)
    dropped = {"title", "default", "additionalProperties"}
    made = {key: value for key, value in schema.items() if key not in dropped}
    if "properties" in made:
        made["properties"] = {
            name: _structural(value) for name, value in made["properties"].items()
        }
    if "items" in made:
        made["items"] = _structural(made["items"])
    if "type" not in made:
        made |= FREE_JSON
    return made


def _object_schema(model: type[Model]) -> Schema:
    raw = model.model_json_schema(by_alias=True, mode="serialization")
    schema = _structural(_inline(raw, raw.get("$defs", {})))
    properties = schema["properties"]
    spec = _required_only(properties["spec"], model.model_fields["spec"].annotation)
    status = _free_parts(properties["status"])
    status |= {**ONE_VALUE, "default": {"phase": "Pending", "observedGeneration": 0}}
    # Python -OO drops docstrings, and with them the descriptions of classes: only text is missing.
    described = {"description": schema["description"]} if "description" in schema else {}
    return {
        "type": "object",
        **described,
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": status,
        },
    }


def _required_only(schema: Schema, model: Any) -> Schema:
    """Require only the fields that the model needs to read an object, not all that it writes."""
    required = [
        field.alias or name for name, field in model.model_fields.items() if field.is_required()
    ]
    properties = dict(schema["properties"])
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Model):
            key = field.alias or name
            properties[key] = _required_only(properties[key], field.annotation)
    return {**schema, "properties": properties, "required": required}


def _free_parts(status: Schema) -> Schema:
    """Leave the fields of FREE_STATUS untyped: they grow, or no person reads them by field."""
    properties = {
        name: {**FREE_STATUS[name], "description": value["description"]}
        if name in FREE_STATUS
        else _without_required(value)
        for name, value in status["properties"].items()
    }
    made = {key: value for key, value in status.items() if key != "required"}
    return {**made, "properties": properties}


def _without_required(schema: Schema) -> Schema:
    """Require nothing inside status: an older operator may have written less."""
    made = {key: value for key, value in schema.items() if key != "required"}
    if "properties" in made:
        made["properties"] = {
            name: _without_required(value) for name, value in made["properties"].items()
        }
    return made


def _with_rule(schema: Schema, rule: str, message: str) -> Schema:
    return {**schema, "x-kubernetes-validations": [{"rule": rule, "message": message}]}


def _unchangeable(schema: Schema, message: str) -> Schema:
    return {**_with_rule(schema, UNCHANGED, message), **ONE_VALUE}


def _definition(
    schema: Schema, kind: str, short: str, columns: list[Column], selectable: list[str]
) -> dict[str, Any]:
    plural = kind.lower() + "s"
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
        "additionalPrinterColumns": columns,
        "selectableFields": [{"jsonPath": path} for path in selectable],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": kind.lower(),
                "shortNames": [short],
                "categories": ["grctl"],
            },
            "versions": [version],
        },
    }


def run_crd() -> dict[str, Any]:
    """Make the CRD of WorkflowRun."""
    schema = _object_schema(WorkflowRun)
    spec = schema["properties"]["spec"]["properties"]
    workflow = spec["workflow"]["properties"]
    workflow["timeout"] = _with_rule(workflow["timeout"], IN_RANGE, OUT_OF_RANGE)
    spec["workflow"] = _unchangeable(spec["workflow"], WORKFLOW_CHANGED)
    selectable = [".spec.workflow.type", ".status.phase"]
    return _definition(schema, "WorkflowRun", "wfr", RUN_COLUMNS, selectable)


def event_crd() -> dict[str, Any]:
    """Make the CRD of WorkflowEvent."""
    schema = _object_schema(WorkflowEvent)
    properties = schema["properties"]
    properties["spec"] = _unchangeable(properties["spec"], EVENT_CHANGED)
    spec = properties["spec"]["properties"]
    spec["workflowId"] = _with_rule(spec["workflowId"], f"self.matches(r'{NAME_PATTERN}')", NO_NAME)
    selectable = [".spec.workflowId", ".status.phase"]
    return _definition(schema, "WorkflowEvent", "wfe", EVENT_COLUMNS, selectable)


def all_crds() -> tuple[dict[str, Any], ...]:
    """Make every CRD of this project, in the order to apply them."""
    return (run_crd(), event_crd())

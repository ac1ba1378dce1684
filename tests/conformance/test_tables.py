"""Tables: the answers that `kubectl get` prints."""

import pytest

from tests.conformance.client import Json
from tests.conformance.widgets import Widgets, revision

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


async def table(widgets: Widgets, path: str = "", **params: str) -> Json:
    """Return the answer to a request for a table."""
    answer = await widgets.api.get(path or widgets.path, accept=TABLE, **params)
    return answer.expect(200)


async def test_a_list_is_a_table_of_the_columns_of_the_definition(widgets: Widgets) -> None:
    await widgets.create("a", color="blue", tags=["x", "y"])
    found = await table(widgets)

    assert (found["kind"], found["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert [
        (column["name"], column["type"], column["priority"])
        for column in found["columnDefinitions"]
    ] == [
        ("Name", "string", 0),
        ("Color", "string", 0),
        ("Size", "integer", 0),
        ("Phase", "string", 0),
        ("Age", "date", 0),
        ("Tags", "string", 1),
    ]
    [row] = found["rows"]
    assert row["cells"][:4] == ["a", "blue", 3, "Pending"]
    assert row["cells"][4].endswith("s")
    assert row["cells"][5] == '["x","y"]'


async def test_columns_are_described(widgets: Widgets) -> None:
    columns = (await table(widgets))["columnDefinitions"]

    assert columns[0]["format"] == "name"
    assert columns[1]["description"] == "The color."
    assert columns[2]["description"] == (
        "Custom resource definition column (in JSONPath format): .spec.size"
    )


async def test_a_missing_value_is_null(widgets: Widgets) -> None:
    await widgets.create("a")
    [row] = (await table(widgets))["rows"]

    assert row["cells"][5] is None


async def test_an_object_is_a_table_of_one_row(widgets: Widgets) -> None:
    widget = await widgets.create("a")
    found = await table(widgets, widgets.at("a"))

    assert found["metadata"]["resourceVersion"] == revision(widget)
    assert [row["cells"][0] for row in found["rows"]] == ["a"]


@pytest.mark.parametrize(
    ("include", "kind"), [("", "PartialObjectMetadata"), ("Object", "Widget"), ("None", None)]
)
async def test_a_row_has_the_object_in_the_requested_form(
    widgets: Widgets, include: str, kind: str | None
) -> None:
    await widgets.create("a")
    [row] = (await table(widgets, includeObject=include))["rows"]

    assert (row["object"] or {}).get("kind") == kind
    assert ("spec" in (row["object"] or {})) == (include == "Object")


async def test_another_form_of_the_object_is_refused(widgets: Widgets) -> None:
    await widgets.create("a")
    answer = await widgets.api.get(widgets.path, accept=TABLE, includeObject="Some")

    assert "must be 'Metadata', 'Object', 'None', or empty" in answer.expect(400)["message"]


async def test_pages_are_tables_too(widgets: Widgets) -> None:
    for name in "abc":
        await widgets.create(name)
    first = await table(widgets, limit="2")
    rest = await table(widgets, limit="2", **{"continue": first["metadata"]["continue"]})

    assert [row["cells"][0] for row in first["rows"] + rest["rows"]] == ["a", "b", "c"]


async def test_json_is_answered_if_it_is_accepted_first(widgets: Widgets) -> None:
    answer = await widgets.api.get(widgets.path, accept=f"application/json,{TABLE}")

    assert answer.expect(200)["kind"] == "WidgetList"


async def test_a_list_can_be_of_metadata_alone(widgets: Widgets) -> None:
    await widgets.create("a")
    accept = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
    found = (await widgets.api.get(widgets.path, accept=accept)).expect(200)

    assert found["kind"] == "PartialObjectMetadataList"
    [item] = found["items"]
    assert (item["kind"], item["metadata"]["name"]) == ("PartialObjectMetadata", "a")
    assert "spec" not in item


async def test_events_have_the_columns_that_people_read(widgets: Widgets) -> None:
    path = f"/api/v1/namespaces/{widgets.namespace}/events"
    event = {
        "metadata": {"name": "e", "namespace": widgets.namespace},
        "involvedObject": {"kind": "Widget", "name": "a", "namespace": widgets.namespace},
        "reason": "Because",
        "message": "It is so.",
        "type": "Normal",
        "source": {"component": "me"},
        "count": 3,
        "lastTimestamp": "2020-01-01T00:00:00Z",
    }
    (await widgets.api.post(path, event)).expect(201)
    found = await table(widgets, path)

    assert [column["name"] for column in found["columnDefinitions"] if not column["priority"]] == [
        "Last Seen",
        "Type",
        "Reason",
        "Object",
        "Message",
    ]
    [row] = found["rows"]
    assert row["cells"][1:8] == [
        "Normal",
        "Because",
        "widget/a",
        "",
        "me",
        "It is so.",
        "<unknown>",
    ]
    assert row["cells"][8:] == [3, "e"]

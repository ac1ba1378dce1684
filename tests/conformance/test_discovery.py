"""Discovery, OpenAPI and definitions: how clients learn what is served."""

import pytest

from tests.conformance.client import Api, Json, eventually
from tests.conformance.widgets import CRDS, Widgets, definition

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


async def test_a_group_is_listed_with_its_preferred_version(api: Api, group: str) -> None:
    groups = (await api.get("/apis")).expect(200)["groups"]

    assert [entry["preferredVersion"] for entry in groups if entry["name"] == group] == [
        {"groupVersion": f"{group}/v1", "version": "v1"}
    ]


async def test_a_group_has_a_document_of_its_own(api: Api, group: str) -> None:
    found = (await api.get(f"/apis/{group}")).expect(200)

    assert (found["kind"], found["name"]) == ("APIGroup", group)


async def test_a_version_lists_resources_and_their_subresources(api: Api, group: str) -> None:
    found = (await api.get(f"/apis/{group}/v1")).expect(200)

    assert found["groupVersion"] == f"{group}/v1"
    resources = {entry["name"]: entry for entry in found["resources"]}
    assert set(resources) == {"widgets", "widgets/status"}
    assert _description(resources["widgets"]) == ("widget", "Widget", True, ["wd"], ["things"])
    assert set(resources["widgets/status"]["verbs"]) == {"get", "patch", "update"}


async def test_a_resource_has_all_verbs(api: Api, group: str) -> None:
    found = (await api.get(f"/apis/{group}/v1")).expect(200)

    assert set(found["resources"][0]["verbs"]) == {
        "create",
        "delete",
        "deletecollection",
        "get",
        "list",
        "patch",
        "update",
        "watch",
    }


@pytest.mark.parametrize(
    ("path", "plurals"),
    [
        ("/api/v1", {"namespaces", "events", "configmaps", "secrets", "serviceaccounts"}),
        ("/apis/apiextensions.k8s.io/v1", {"customresourcedefinitions"}),
        ("/apis/coordination.k8s.io/v1", {"leases"}),
    ],
)
async def test_built_in_kinds_are_served(api: Api, path: str, plurals: set[str]) -> None:
    found = (await api.get(path)).expect(200)

    assert plurals <= {entry["name"] for entry in found["resources"]}


async def test_all_groups_come_in_one_document(api: Api, group: str) -> None:
    found = (await api.get("/apis", accept=AGGREGATED)).expect(200)

    assert found["kind"] == "APIGroupDiscoveryList"
    [entry] = [item for item in found["items"] if item["metadata"]["name"] == group]
    [resource] = entry["versions"][0]["resources"]
    assert resource["resource"] == "widgets"
    assert resource["responseKind"] == {"group": group, "version": "v1", "kind": "Widget"}
    assert resource["scope"] == "Namespaced"
    assert [sub["subresource"] for sub in resource["subresources"]] == ["status"]


async def test_openapi_holds_the_schema_of_the_definition(api: Api, group: str) -> None:
    index = (await api.get("/openapi/v3")).expect(200)
    where = index["paths"][f"apis/{group}/v1"]["serverRelativeURL"]
    document = (await api.get(where)).expect(200)

    [schema] = [
        schema
        for schema in document["components"]["schemas"].values()
        if _has_type(schema, group, "Widget")
    ]
    assert schema["properties"]["spec"]["properties"]["color"]["enum"] == ["red", "green", "blue"]


async def test_openapi_says_which_parameters_a_patch_takes(api: Api, group: str) -> None:
    document = (await api.get(f"/openapi/v3/apis/{group}/v1")).expect(200)
    path = document["paths"][f"/apis/{group}/v1/namespaces/{{namespace}}/widgets/{{name}}"]

    taken = {parameter["name"] for parameter in path["patch"]["parameters"]}
    assert {"dryRun", "fieldManager", "fieldValidation", "force"} <= taken


async def test_the_version_is_answered(api: Api) -> None:
    for path in ("/version", "/version/"):  # the official Python client asks for the second
        version = (await api.get(path)).expect(200)
        assert (version["major"], version["gitVersion"][:3]) == ("1", "v1.")


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz"])
async def test_health_is_answered(api: Api, path: str) -> None:
    answer = await api.get(path)

    assert (answer.status, answer.body) == (200, "ok")


@pytest.mark.parametrize(
    "path", ["/apis/nothing.example.com/v1/things", "/apis/{group}/v2/widgets", "/nothing"]
)
async def test_an_unknown_path_is_a_plain_404(api: Api, group: str, path: str) -> None:
    answer = await api.get(path.format(group=group))

    assert (answer.status, answer.body) == (404, "404 page not found\n")


async def test_every_answer_has_a_date(widgets: Widgets) -> None:
    answer = await widgets.api.get(widgets.path)

    assert answer.headers["Date"].endswith("GMT")


async def test_a_definition_is_established_and_its_names_accepted(api: Api, group: str) -> None:
    found = (await api.get(f"{CRDS}/widgets.{group}")).expect(200)

    conditions = {entry["type"]: entry["status"] for entry in found["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}
    assert found["status"]["storedVersions"] == ["v1"]
    assert found["spec"]["names"]["singular"] == "widget"
    assert found["spec"]["names"]["listKind"] == "WidgetList"


async def test_a_deleted_definition_removes_its_objects_and_its_path(
    api: Api, group: str, namespace: str
) -> None:
    gone = f"gone.{group}"
    (await api.post(CRDS, definition(gone))).expect(201)
    widgets = Widgets(api, gone, namespace)
    await api.until_status(widgets.path, 200)
    await widgets.create("a")

    deleted = (await api.delete(f"{CRDS}/widgets.{gone}")).expect(200)

    assert "deletionTimestamp" in deleted["metadata"]
    await api.until_gone(f"{CRDS}/widgets.{gone}")
    await api.until_status(widgets.path, 404)


async def test_a_definition_that_is_being_deleted_accepts_no_new_objects(
    api: Api, group: str, namespace: str
) -> None:
    going = f"going.{group}"
    (await api.post(CRDS, definition(going))).expect(201)
    widgets = Widgets(api, going, namespace)
    await api.until_status(widgets.path, 200)
    held = {"finalizers": ["conformance.grctl.dev/hold"]}
    await widgets.create("a", metadata=held)
    (await api.delete(f"{CRDS}/widgets.{going}")).expect(200)
    await api.until_marked_as_deleted(widgets.at("a"))

    refusals = [
        await widgets.try_create("b"),
        await api.patch(widgets.at("b"), widgets.new("b"), "apply-patch+yaml", fieldManager="x"),
    ]
    for refusal in refusals:
        status = refusal.expect(403)
        assert status["reason"] == "Forbidden"
        assert status["message"] == (
            f'widgets.{going} "b" is forbidden: create not allowed while custom resource definition'
            " is terminating"
        )
    assert await widgets.names() == ["a"]
    changed = await api.patch(widgets.at("a"), {"metadata": {"labels": {"x": "y"}}})
    assert changed.expect(200)["metadata"]["labels"] == {"x": "y"}
    found = (await api.get(f"{CRDS}/widgets.{going}")).expect(200)
    conditions = {each["type"]: each["reason"] for each in found["status"]["conditions"]}
    assert conditions["Terminating"] == "InstanceDeletionInProgress"
    [listed, _] = (await api.get(f"/apis/{going}/v1")).expect(200)["resources"]
    assert set(listed["verbs"]) == {"delete", "deletecollection", "get", "list", "watch"}

    await api.patch(widgets.at("a"), {"metadata": {"finalizers": None}})
    await api.until_gone(f"{CRDS}/widgets.{going}")


async def test_openapi_v2_holds_a_definition_for_each_kind(api: Api, group: str) -> None:
    async def is_listed() -> bool:
        document = (await api.get("/openapi/v2")).expect(200)
        assert document["swagger"] == "2.0"
        schemas = document["definitions"].values()
        return any(_has_type(schema, group, "Widget") for schema in schemas)

    await eventually(is_listed)


def _description(entry: Json) -> tuple[str, str, bool, list[str], list[str]]:
    names = (entry["singularName"], entry["kind"], entry["namespaced"])
    return (*names, entry["shortNames"], entry["categories"])


def _has_type(schema: Json, group: str, kind: str) -> bool:
    types = schema.get("x-kubernetes-group-version-kind", [])
    return {"group": group, "version": "v1", "kind": kind} in types

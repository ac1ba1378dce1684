"""Create, read and replace an object."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.conformance.client import Json
from tests.conformance.widgets import Widgets, causes, revision

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


async def test_a_new_object_gets_the_metadata_of_the_server(widgets: Widgets) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    widget = await widgets.create("a")

    metadata = widget["metadata"]
    assert UUID.fullmatch(metadata["uid"])
    assert metadata["generation"] == 1
    assert metadata["namespace"] == widgets.namespace
    assert int(metadata["resourceVersion"]) > 0
    created = datetime.fromisoformat(metadata["creationTimestamp"])
    assert re.fullmatch(r"[-0-9]+T[0-9]+:[0-9]+:[0-9]+Z", metadata["creationTimestamp"])
    assert before - timedelta(seconds=1) <= created <= datetime.now(UTC)


async def test_a_created_object_is_read_as_it_was_answered(widgets: Widgets) -> None:
    created = await widgets.create("a", size=4, free={"x": [1, None, {"y": 0.5}]})

    assert await widgets.get("a") == created


async def test_fields_of_the_server_cannot_be_set(widgets: Widgets) -> None:
    metadata = {
        "uid": "x",
        "creationTimestamp": "2001-01-01T00:00:00Z",
        "deletionTimestamp": "2001-01-01T00:00:00Z",
        "generation": 7,
    }
    widget = await widgets.create("a", metadata=metadata)

    assert widget["metadata"]["uid"] != "x"
    assert widget["metadata"]["generation"] == 1
    assert not widget["metadata"]["creationTimestamp"].startswith("2001")
    assert "deletionTimestamp" not in widget["metadata"]


async def test_a_taken_name_is_refused(widgets: Widgets) -> None:
    await widgets.create("a")
    refusal = (await widgets.try_create("a")).expect(409)

    assert refusal["reason"] == "AlreadyExists"
    assert refusal["message"] == f'widgets.{widgets.group} "a" already exists'
    assert refusal["details"] == {"name": "a", "group": widgets.group, "kind": "widgets"}


async def test_a_missing_object_is_not_found(widgets: Widgets) -> None:
    refusal = (await widgets.api.get(widgets.at("nobody"))).expect(404)

    assert refusal["reason"] == "NotFound"
    assert refusal["message"] == f'widgets.{widgets.group} "nobody" not found'
    assert refusal["details"] == {"name": "nobody", "group": widgets.group, "kind": "widgets"}


@pytest.mark.parametrize("name", ["Upper", "under_score", "-dash", "a/b", "dot.", "x" * 254])
async def test_a_name_must_be_a_dns_subdomain(widgets: Widgets, name: str) -> None:
    refusal = (await widgets.try_create(name)).expect(422)

    assert refusal["reason"] == "Invalid"
    wanted = "a lowercase RFC 1123 subdomain" if len(name) < 254 else "no more than 253 characters"
    assert wanted in causes(refusal)["metadata.name"]


async def test_a_name_of_253_characters_with_dots_is_fine(widgets: Widgets) -> None:
    name = ".".join(["x" * 62] * 4) + "y"

    assert len(name) == 252
    assert (await widgets.create(name))["metadata"]["name"] == name


async def test_an_object_without_a_name_is_refused(widgets: Widgets) -> None:
    refusal = (await widgets.try_create("")).expect(422)

    assert causes(refusal)["metadata.name"] == ("Required value: name or generateName is required")


async def test_a_name_is_generated(widgets: Widgets) -> None:
    first = await widgets.create("", metadata={"generateName": "gen-"})
    second = await widgets.create("", metadata={"generateName": "gen-"})

    names = [first["metadata"]["name"], second["metadata"]["name"]]
    assert all(re.fullmatch("gen-[a-z0-9]{5}", name) for name in names)
    assert names[0] != names[1]
    assert first["metadata"]["generateName"] == "gen-"


async def test_a_missing_namespace_is_not_found(widgets: Widgets) -> None:
    path = f"/apis/{widgets.group}/v1/namespaces/nowhere/widgets"
    refusal = (await widgets.api.post(path, widgets.new("a"))).expect(404)

    assert refusal["message"] == 'namespaces "nowhere" not found'


async def test_another_namespace_in_the_object_is_refused(widgets: Widgets) -> None:
    refusal = (await widgets.try_create("a", metadata={"namespace": "other"})).expect(400)

    assert refusal["message"] == (
        "the namespace of the provided object does not match the namespace sent on the request"
    )


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        ({"kind": "Gadget"}, 422, "must be Widget"),
        ({"apiVersion": "other.example.com/v1"}, 400, "does not match the expected API version"),
        ({"kind": ""}, 400, "Object 'Kind' is missing"),
    ],
)
async def test_an_object_of_another_kind_is_refused(
    widgets: Widgets, change: Json, status: int, message: str
) -> None:
    answer = await widgets.api.post(widgets.path, {**widgets.new("a"), **change})

    assert message in answer.expect(status)["message"]


@pytest.mark.parametrize("body", [b"{", b"[]", b"", b"{'a': 1}"])
async def test_a_body_that_is_not_an_object_is_refused(widgets: Widgets, body: bytes) -> None:
    refusal = (await widgets.api.post(widgets.path, body)).expect(400)

    assert refusal["reason"] == "BadRequest"
    assert "couldn't get version/kind; json parse error" in refusal["message"]


async def test_a_resource_version_on_create_is_refused(widgets: Widgets) -> None:
    refusal = (await widgets.try_create("a", metadata={"resourceVersion": "1"})).expect(500)

    assert refusal["message"] == "resourceVersion should not be set on objects to be created"


@pytest.mark.parametrize(
    ("metadata", "field"),
    [
        ({"labels": {"a b": "c"}}, "metadata.labels"),
        ({"labels": {"a": "b c"}}, "metadata.labels"),
        ({"labels": {"a": "x" * 64}}, "metadata.labels"),
        ({"annotations": {"/a": "b"}}, "metadata.annotations"),
        ({"finalizers": ["a b/c"]}, "metadata.finalizers"),
        ({"ownerReferences": [{"name": "x"}]}, "metadata.ownerReferences.uid"),
    ],
)
async def test_bad_metadata_is_refused(widgets: Widgets, metadata: Json, field: str) -> None:
    refusal = (await widgets.try_create("a", metadata=metadata)).expect(422)

    assert field in causes(refusal)


async def test_metadata_of_the_wrong_type_is_refused(widgets: Widgets) -> None:
    refusal = (await widgets.try_create("a", metadata={"labels": {"a": 1}})).expect(400)

    assert "cannot unmarshal number into Go struct field ObjectMeta.labels" in refusal["message"]


async def test_a_dry_run_answers_and_stores_nothing(widgets: Widgets) -> None:
    answer = await widgets.api.post(widgets.path, widgets.new("a"), dryRun="All")

    assert answer.expect(201)["spec"]["size"] == 3
    assert "resourceVersion" not in answer.body["metadata"]
    assert (await widgets.api.get(widgets.at("a"))).status == 404


async def test_a_large_object_is_refused_as_etcd_would(widgets: Widgets) -> None:
    refusal = (await widgets.try_create("a", free="x" * 1_600_000)).expect(500)

    assert refusal["message"] == "etcdserver: request is too large"


async def test_an_object_of_a_megabyte_is_fine(widgets: Widgets) -> None:
    await widgets.create("a", free="x" * 1_000_000)

    assert len((await widgets.get("a"))["spec"]["free"]) == 1_000_000


async def test_a_huge_body_is_refused_before_it_is_read(widgets: Widgets) -> None:
    refusal = (await widgets.try_create("a", free="x" * 3_200_000)).expect(413)

    assert refusal["reason"] == "RequestEntityTooLarge"


async def test_yaml_is_understood(widgets: Widgets) -> None:
    text = (
        f"apiVersion: {widgets.group}/v1\nkind: Widget\nmetadata:\n  name: a\n"
        "spec:\n  color: blue\n  when: 2020-01-01T00:00:00Z\n"
    )
    headers = {"Content-Type": "application/yaml"}
    answer = await widgets.api.request("POST", widgets.path, body=text.encode(), headers=headers)

    assert answer.expect(201)["spec"]["when"] == "2020-01-01T00:00:00Z"


async def test_an_unknown_body_format_is_refused(widgets: Widgets) -> None:
    headers = {"Content-Type": "text/plain"}
    answer = await widgets.api.request("POST", widgets.path, body=b"x", headers=headers)

    assert answer.expect(415)["reason"] == "UnsupportedMediaType"


async def test_an_unknown_answer_format_is_refused(widgets: Widgets) -> None:
    answer = await widgets.api.get(widgets.path, accept="application/xml")

    assert answer.expect(406)["reason"] == "NotAcceptable"


async def test_numbers_keep_their_value(widgets: Widgets) -> None:
    numbers: list[Any] = [0, -1, 2**53 + 1, 0.1, 1e-7, True, 2.5]
    widget = await widgets.create("a", free=numbers)

    assert widget["spec"]["free"] == numbers
    assert [type(number) for number in widget["spec"]["free"]] == [type(n) for n in numbers]


async def test_a_whole_number_is_an_integer_however_it_is_written(widgets: Widgets) -> None:
    widget = await widgets.create("a", free=[1.0, {"x": 2.0}], size=4.0)

    assert isinstance(widget["spec"]["free"][0], int)
    assert isinstance(widget["spec"]["free"][1]["x"], int)
    assert widget["spec"]["size"] == 4


async def test_a_put_replaces_all_but_the_metadata_of_the_server(widgets: Widgets) -> None:
    widget = await widgets.create("a", size=4, metadata={"labels": {"a": "b"}})
    changed = {**widgets.new("a", color="blue"), "metadata": {"name": "a"}}
    changed["metadata"]["resourceVersion"] = revision(widget)
    answer = (await widgets.api.put(widgets.at("a"), changed)).expect(200)

    assert answer["spec"]["color"] == "blue"
    assert answer["spec"]["size"] == 3
    assert "labels" not in answer["metadata"]
    assert answer["metadata"]["uid"] == widget["metadata"]["uid"]
    assert answer["metadata"]["creationTimestamp"] == widget["metadata"]["creationTimestamp"]
    assert int(revision(answer)) > int(revision(widget))


async def test_a_put_over_another_version_conflicts(widgets: Widgets) -> None:
    widget = await widgets.create("a")
    await widgets.set_spec("a", size=5)
    widget["spec"]["size"] = 6
    refusal = (await widgets.api.put(widgets.at("a"), widget)).expect(409)

    assert refusal["reason"] == "Conflict"
    assert refusal["message"] == (
        f'Operation cannot be fulfilled on widgets.{widgets.group} "a": the object has been'
        " modified; please apply your changes to the latest version and try again"
    )
    assert refusal["details"] == {"name": "a", "group": widgets.group, "kind": "widgets"}
    assert (await widgets.get("a"))["spec"]["size"] == 5


async def test_a_put_must_name_a_version(widgets: Widgets) -> None:
    await widgets.create("a")
    refusal = (await widgets.api.put(widgets.at("a"), widgets.new("a"))).expect(422)

    assert causes(refusal)["metadata.resourceVersion"] == (
        "Invalid value: 0: must be specified for an update"
    )


async def test_a_put_with_another_uid_conflicts(widgets: Widgets) -> None:
    widget = await widgets.create("a")
    widget["metadata"]["uid"] = "another"
    refusal = (await widgets.api.put(widgets.at("a"), widget)).expect(409)

    assert "Precondition failed: UID in precondition: another" in refusal["message"]


async def test_a_put_under_another_name_is_refused(widgets: Widgets) -> None:
    widget = await widgets.create("a")
    widget["metadata"]["name"] = "b"
    refusal = (await widgets.api.put(widgets.at("a"), widget)).expect(400)

    assert refusal["message"] == (
        "the name of the object (b) does not match the name on the URL (a)"
    )


async def test_a_put_of_a_missing_object_is_not_found(widgets: Widgets) -> None:
    answer = await widgets.api.put(widgets.at("a"), widgets.new("a"))

    assert answer.expect(404)["reason"] == "NotFound"


async def test_generation_counts_changes_of_the_spec_only(widgets: Widgets) -> None:
    await widgets.create("a")
    labelled = await widgets.api.patch(widgets.at("a"), {"metadata": {"labels": {"a": "b"}}})
    assert labelled.expect(200)["metadata"]["generation"] == 1
    assert (await widgets.set_status("a", phase="Running"))["metadata"]["generation"] == 1
    assert (await widgets.set_spec("a", size=5))["metadata"]["generation"] == 2
    assert (await widgets.set_spec("a", size=5))["metadata"]["generation"] == 2


async def test_an_update_that_changes_nothing_is_not_written(widgets: Widgets) -> None:
    await widgets.create("a", size=4)
    widget = await widgets.set_status("a", phase="Running")
    again = (await widgets.api.put(widgets.at("a"), widget)).expect(200)
    merged = await widgets.set_spec("a", size=4)

    assert revision(again) == revision(merged) == revision(widget)


async def test_revisions_grow_across_kinds(widgets: Widgets) -> None:
    first = await widgets.create("a")
    path = f"/api/v1/namespaces/{widgets.namespace}/configmaps"
    second = (await widgets.api.post(path, {"metadata": {"name": "c"}})).expect(201)
    third = await widgets.create("b")

    assert int(revision(first)) < int(revision(second)) < int(revision(third))


async def test_a_request_without_credentials_is_refused(widgets: Widgets) -> None:
    headers = {"Authorization": "Bearer wrong"}
    answer = await widgets.api.request("GET", widgets.path, headers=headers)

    if widgets.api.access.token:  # a client certificate would authenticate the request
        assert answer.expect(401)["reason"] == "Unauthorized"


@pytest.mark.parametrize("content_type", ["", "application/json; charset=utf-8"])
async def test_a_body_without_a_content_type_is_json(widgets: Widgets, content_type: str) -> None:
    headers = {"Content-Type": content_type}
    request = widgets.api.request
    created = await request("POST", widgets.path, body=widgets.new("a"), headers=headers)
    changed = created.expect(201) | {"spec": {"color": "blue"}}
    replaced = await request("PUT", widgets.at("a"), body=changed, headers=headers)

    assert replaced.expect(200)["spec"]["color"] == "blue"


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/octet-stream", "*/*", "nonsense"]
)
async def test_a_body_of_another_content_type_is_refused(
    widgets: Widgets, content_type: str
) -> None:
    headers = {"Content-Type": content_type}
    answer = await widgets.api.request("POST", widgets.path, body=widgets.new("a"), headers=headers)

    refusal = answer.expect(415)
    assert refusal["reason"] == "UnsupportedMediaType"
    assert "application/json" in refusal["message"]


async def test_a_patch_must_name_its_format(widgets: Widgets) -> None:
    await widgets.create("a")
    answer = await widgets.api.request(
        "PATCH", widgets.at("a"), body={"spec": {"size": 4}}, headers={"Content-Type": ""}
    )

    assert answer.expect(415)["reason"] == "UnsupportedMediaType"


async def test_a_built_in_kind_needs_no_content_type(widgets: Widgets) -> None:
    path = f"/api/v1/namespaces/{widgets.namespace}/configmaps"
    body = {"metadata": {"name": "a"}, "data": {"x": "y"}}
    answer = await widgets.api.request("POST", path, body=body, headers={"Content-Type": ""})

    assert answer.expect(201)["data"] == {"x": "y"}


async def test_yaml_without_a_content_type_is_refused(widgets: Widgets) -> None:
    answer = await widgets.api.request(
        "POST", widgets.path, body=b"kind: Widget\n", headers={"Content-Type": ""}
    )

    assert answer.expect(400)["reason"] == "BadRequest"

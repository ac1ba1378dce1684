"""Deletion: finalizers, preconditions, collections and namespaces."""

import pytest

from tests.conformance.widgets import Widgets, causes, revision

FINALIZER = "conformance.grctl.dev/hold"
HELD = {"finalizers": [FINALIZER]}


async def test_a_deleted_object_is_gone_at_once(widgets: Widgets) -> None:
    widget = await widgets.create("a")
    answer = (await widgets.api.delete(widgets.at("a"))).expect(200)

    assert (answer["kind"], answer["status"]) == ("Status", "Success")
    assert answer["details"] == {
        "name": "a",
        "group": widgets.group,
        "kind": "widgets",
        "uid": widget["metadata"]["uid"],
    }
    assert (await widgets.api.get(widgets.at("a"))).status == 404


async def test_a_name_can_be_used_again(widgets: Widgets) -> None:
    first = await widgets.create("a")
    await widgets.api.delete(widgets.at("a"))
    second = await widgets.create("a")

    assert first["metadata"]["uid"] != second["metadata"]["uid"]


async def test_a_missing_object_cannot_be_deleted(widgets: Widgets) -> None:
    assert (await widgets.api.delete(widgets.at("a"))).expect(404)["reason"] == "NotFound"


async def test_a_finalizer_holds_an_object(widgets: Widgets) -> None:
    await widgets.create("a", metadata=HELD)
    marked = (await widgets.api.delete(widgets.at("a"))).expect(200)

    assert marked["metadata"]["deletionTimestamp"].endswith("Z")
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 0
    assert marked["metadata"]["generation"] == 2
    assert await widgets.get("a") == marked


async def test_a_second_deletion_changes_nothing(widgets: Widgets) -> None:
    await widgets.create("a", metadata=HELD)
    first = (await widgets.api.delete(widgets.at("a"))).expect(200)
    second = (await widgets.api.delete(widgets.at("a"))).expect(200)

    assert second == first


async def test_an_object_is_removed_with_its_last_finalizer(widgets: Widgets) -> None:
    await widgets.create("a", metadata={"finalizers": [FINALIZER, "x.example.com/y"]})
    await widgets.api.delete(widgets.at("a"))
    patch = {"metadata": {"finalizers": ["x.example.com/y"]}}
    (await widgets.api.patch(widgets.at("a"), patch)).expect(200)
    assert (await widgets.get("a"))["metadata"]["finalizers"] == ["x.example.com/y"]

    (await widgets.api.patch(widgets.at("a"), {"metadata": {"finalizers": None}})).expect(200)
    assert (await widgets.api.get(widgets.at("a"))).status == 404


async def test_a_put_can_remove_the_last_finalizer(widgets: Widgets) -> None:
    await widgets.create("a", metadata=HELD)
    marked = (await widgets.api.delete(widgets.at("a"))).expect(200)
    del marked["metadata"]["finalizers"]
    (await widgets.api.put(widgets.at("a"), marked)).expect(200)

    assert (await widgets.api.get(widgets.at("a"))).status == 404


async def test_an_object_that_is_being_deleted_can_change(widgets: Widgets) -> None:
    await widgets.create("a", metadata=HELD)
    await widgets.api.delete(widgets.at("a"))

    assert (await widgets.set_spec("a", size=8))["spec"]["size"] == 8
    assert (await widgets.set_status("a", phase="Ending"))["status"]["phase"] == "Ending"


async def test_an_object_that_is_being_deleted_gets_no_new_finalizers(widgets: Widgets) -> None:
    await widgets.create("a", metadata=HELD)
    await widgets.api.delete(widgets.at("a"))
    patch = {"metadata": {"finalizers": [FINALIZER, "late.example.com/x"]}}
    refusal = (await widgets.api.patch(widgets.at("a"), patch)).expect(422)

    assert "no new finalizers can be added" in causes(refusal)["metadata.finalizers"]


async def test_a_deletion_cannot_be_undone(widgets: Widgets) -> None:
    await widgets.create("a", metadata=HELD)
    await widgets.api.delete(widgets.at("a"))
    await widgets.api.patch(widgets.at("a"), {"metadata": {"deletionTimestamp": None}})

    assert "deletionTimestamp" in (await widgets.get("a"))["metadata"]


async def test_a_name_stays_taken_until_its_object_is_removed(widgets: Widgets) -> None:
    await widgets.create("a", metadata=HELD)
    await widgets.api.delete(widgets.at("a"))
    refusal = (await widgets.try_create("a")).expect(409)

    assert refusal["reason"] == "AlreadyExists"
    assert refusal["message"] == (
        f'object is being deleted: widgets.{widgets.group} "a" already exists'
    )


async def test_a_deletion_of_another_uid_conflicts(widgets: Widgets) -> None:
    widget = await widgets.create("a")
    refusal = (
        await widgets.api.delete(widgets.at("a"), {"preconditions": {"uid": "other"}})
    ).expect(409)

    assert refusal["reason"] == "Conflict"
    assert refusal["message"] == (
        f'Operation cannot be fulfilled on Widget.{widgets.group} "a": the UID in the precondition'
        f" (other) does not match the UID in record ({widget['metadata']['uid']}). The object"
        " might have been deleted and then recreated"
    )


async def test_a_deletion_of_another_version_conflicts(widgets: Widgets) -> None:
    widget = await widgets.create("a")
    await widgets.set_spec("a", size=5)
    options = {"preconditions": {"resourceVersion": revision(widget)}}
    refusal = (await widgets.api.delete(widgets.at("a"), options)).expect(409)

    assert "The object might have been modified" in refusal["message"]


async def test_a_deletion_that_fits_its_preconditions_is_done(widgets: Widgets) -> None:
    widget = await widgets.create("a")
    metadata = widget["metadata"]
    preconditions = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}

    (await widgets.api.delete(widgets.at("a"), {"preconditions": preconditions})).expect(200)
    assert (await widgets.api.get(widgets.at("a"))).status == 404


async def test_a_dry_run_deletes_nothing(widgets: Widgets) -> None:
    await widgets.create("a")
    (await widgets.api.delete(widgets.at("a"), dryRun="All")).expect(200)
    (await widgets.api.delete(widgets.at("a"), {"dryRun": ["All"]})).expect(200)

    assert await widgets.names() == ["a"]


async def test_an_unknown_policy_is_refused(widgets: Widgets) -> None:
    await widgets.create("a")
    answer = await widgets.api.delete(widgets.at("a"), {"propagationPolicy": "Sideways"})

    assert "propagationPolicy" in causes(answer.expect(422))


async def test_a_collection_is_deleted_by_selector(widgets: Widgets) -> None:
    await widgets.create("a", color="blue")
    await widgets.create("b", color="red")
    await widgets.create("c", color="blue", metadata={"labels": {"keep": "yes"}})
    deleted = (
        await widgets.api.delete(
            widgets.path, fieldSelector="spec.color=blue", labelSelector="!keep"
        )
    ).expect(200)

    assert deleted["kind"] == "WidgetList"
    assert [item["metadata"]["name"] for item in deleted["items"]] == ["a"]
    assert await widgets.names() == ["b", "c"]


async def test_a_whole_collection_is_deleted(widgets: Widgets) -> None:
    await widgets.create("a")
    await widgets.create("b", metadata=HELD)
    (await widgets.api.delete(widgets.path)).expect(200)

    assert await widgets.names() == ["b"]
    assert "deletionTimestamp" in (await widgets.get("b"))["metadata"]
    await widgets.api.patch(widgets.at("b"), {"metadata": {"finalizers": None}})


@pytest.mark.parametrize("body", [b"{", b"nonsense"])
async def test_options_that_cannot_be_read_are_refused(widgets: Widgets, body: bytes) -> None:
    await widgets.create("a")
    answer = await widgets.api.delete(widgets.at("a"), body)

    assert answer.expect(400)["reason"] == "BadRequest"
    assert await widgets.names() == ["a"]


async def test_a_deleted_namespace_removes_its_objects(widgets: Widgets) -> None:
    path = f"/api/v1/namespaces/{widgets.namespace}"
    await widgets.create("a")
    await widgets.create("b", metadata=HELD)
    going = (await widgets.api.delete(path)).expect(200)
    assert going["status"]["phase"] == "Terminating"

    await widgets.api.until_marked_as_deleted(widgets.at("b"))
    await widgets.api.until_gone(widgets.at("a"))
    refusal = (await widgets.try_create("late")).expect(403)
    assert refusal["reason"] == "Forbidden"
    assert refusal["details"]["causes"][0]["reason"] == "NamespaceTerminating"

    await widgets.api.patch(widgets.at("b"), {"metadata": {"finalizers": None}})
    await widgets.api.until_gone(widgets.at("b"))


async def test_a_new_namespace_is_active(widgets: Widgets) -> None:
    found = (await widgets.api.get(f"/api/v1/namespaces/{widgets.namespace}")).expect(200)

    assert found["status"]["phase"] == "Active"
    assert found["spec"]["finalizers"] == ["kubernetes"]
    assert found["metadata"]["labels"]["kubernetes.io/metadata.name"] == widgets.namespace


async def test_the_system_namespaces_exist_from_the_start(widgets: Widgets) -> None:
    found = (await widgets.api.get("/api/v1/namespaces")).expect(200)

    names = {item["metadata"]["name"] for item in found["items"]}
    assert {"default", "kube-system", "kube-public", "kube-node-lease"} <= names

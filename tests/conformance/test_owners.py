"""Owners: the garbage collection of their dependents.

A real cluster collects the garbage of a new kind only after half a minute.
"""

from tests.conformance.client import Json
from tests.conformance.widgets import Widgets

HELD = {"finalizers": ["conformance.grctl.dev/hold"]}


def owned_by(owner: Json, **more: bool) -> Json:
    """Return the metadata of an object with an owner."""
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        **more,
    }
    return {"ownerReferences": [reference]}


async def test_dependents_are_removed_with_their_owner(widgets: Widgets) -> None:
    owner = await widgets.create("owner")
    await widgets.create("child", metadata=owned_by(owner))
    grandchild = owned_by(await widgets.get("child"))
    await widgets.create("grandchild", metadata=grandchild)
    await widgets.create("other")
    await widgets.api.delete(widgets.at("owner"))

    await widgets.api.until_gone(widgets.at("child"))
    await widgets.api.until_gone(widgets.at("grandchild"))
    assert await widgets.names() == ["other"]


async def test_dependents_of_a_built_in_kind_are_removed_too(widgets: Widgets) -> None:
    owner = await widgets.create("owner")
    path = f"/api/v1/namespaces/{widgets.namespace}/configmaps"
    config = {"metadata": {"name": "child", **owned_by(owner)}}
    (await widgets.api.post(path, config)).expect(201)
    await widgets.api.delete(widgets.at("owner"))

    await widgets.api.until_gone(f"{path}/child")


async def test_an_object_whose_owner_never_existed_is_removed(widgets: Widgets) -> None:
    owner = await widgets.create("owner")
    owner["metadata"]["uid"] = "00000000-0000-0000-0000-000000000000"
    await widgets.create("child", metadata=owned_by(owner))

    await widgets.api.until_gone(widgets.at("child"))


async def test_an_owner_deleted_in_the_foreground_is_removed_after_its_dependents(
    widgets: Widgets,
) -> None:
    owner = await widgets.create("owner")
    blocking = owned_by(owner, blockOwnerDeletion=True)
    await widgets.create("child", metadata={**blocking, **HELD})
    marked = (
        await widgets.api.delete(widgets.at("owner"), {"propagationPolicy": "Foreground"})
    ).expect(200)
    assert marked["metadata"]["finalizers"] == ["foregroundDeletion"]
    await widgets.api.until_marked_as_deleted(widgets.at("child"))
    assert (await widgets.api.get(widgets.at("owner"))).status == 200

    await widgets.api.patch(widgets.at("child"), {"metadata": {"finalizers": None}})
    await widgets.api.until_gone(widgets.at("owner"))


async def test_dependents_can_be_orphaned(widgets: Widgets) -> None:
    owner = await widgets.create("owner")
    await widgets.create("child", metadata=owned_by(owner))
    await widgets.api.delete(widgets.at("owner"), {"propagationPolicy": "Orphan"})

    await widgets.api.until_gone(widgets.at("owner"))
    assert "ownerReferences" not in (await widgets.get("child"))["metadata"]

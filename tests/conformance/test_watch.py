"""Watches: their events, the order of these, and the revision from which they begin."""

import asyncio

import pytest

from tests.conformance.client import Api, Json, Watch, eventually
from tests.conformance.widgets import Widgets, revision

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


async def latest_revision(widgets: Widgets) -> str:
    """Return the current revision."""
    return revision((await widgets.api.get(widgets.path)).expect(200))


async def test_changes_come_in_order_with_their_revisions(widgets: Widgets) -> None:
    async with widgets.api.watch(
        widgets.path, resourceVersion=await latest_revision(widgets)
    ) as watch:
        created = await widgets.create("a")
        changed = await widgets.set_spec("a", size=5)
        with_status = await widgets.set_status("a", phase="Running")
        await widgets.api.delete(widgets.at("a"))

        assert await watch.next() == {"type": "ADDED", "object": created}
        assert await watch.next() == {"type": "MODIFIED", "object": changed}
        assert await watch.next() == {"type": "MODIFIED", "object": with_status}
        gone = await watch.next()
        assert gone["type"] == "DELETED"
        assert int(revision(gone["object"])) > int(revision(with_status))
        gone["object"]["metadata"]["resourceVersion"] = revision(with_status)
        assert gone["object"] == with_status


async def test_a_watch_goes_on_from_any_kept_revision(widgets: Widgets) -> None:
    start = await latest_revision(widgets)
    await widgets.create("a")
    middle = await widgets.create("b")
    await widgets.create("c")

    async with widgets.api.watch(widgets.path, resourceVersion=start) as watch:
        assert await watch.take(3) == [("ADDED", "a"), ("ADDED", "b"), ("ADDED", "c")]
    async with widgets.api.watch(widgets.path, resourceVersion=revision(middle)) as watch:
        assert await watch.take(1) == [("ADDED", "c")]


@pytest.mark.parametrize("params", [{}, {"resourceVersion": "0"}])
async def test_a_watch_without_a_revision_begins_with_all_objects(
    widgets: Widgets, params: dict[str, str]
) -> None:
    await widgets.create("b")
    await widgets.create("a")
    newest = revision(await widgets.set_spec("a", size=5))

    async def is_known_to_the_cache() -> bool:
        found = (await widgets.api.get(widgets.path, resourceVersion="0")).expect(200)
        return newest in {revision(item) for item in found["items"]}

    await eventually(is_known_to_the_cache)  # "0" means any revision
    async with widgets.api.watch(widgets.path, **params) as watch:
        assert sorted(await watch.take(2)) == [("ADDED", "a"), ("ADDED", "b")]
        await widgets.create("c")
        assert await watch.take(1) == [("ADDED", "c")]


async def test_a_watch_sees_its_namespace_only(widgets: Widgets) -> None:
    everywhere = f"/apis/{widgets.group}/v1/widgets"
    start = await latest_revision(widgets)
    async with (
        widgets.api.watch(everywhere, resourceVersion=start) as all_of_them,
        widgets.api.watch(
            f"/apis/{widgets.group}/v1/namespaces/default/widgets", resourceVersion=start
        ) as elsewhere,
    ):
        await widgets.create("a")
        assert await all_of_them.take(1) == [("ADDED", "a")]
        await assert_silence(elsewhere)


async def test_a_status_write_that_ends_a_match_is_a_deletion(widgets: Widgets) -> None:
    selector = "status.phase!=Done,status.phase!=Failed"
    start = await latest_revision(widgets)
    async with widgets.api.watch(
        widgets.path, resourceVersion=start, fieldSelector=selector
    ) as watch:
        widget = await widgets.create("a")
        done = await widgets.set_status("a", phase="Done")
        await widgets.set_status("a", phase="Done", count=2)
        again = await widgets.set_status("a", phase="Pending")

        assert await watch.next() == {"type": "ADDED", "object": widget}
        left = await watch.next()
        assert left["type"] == "DELETED"
        assert left["object"]["status"] == {"phase": "Pending"}
        assert revision(left["object"]) == revision(done)
        assert await watch.next() == {"type": "ADDED", "object": again}


async def test_a_replayed_watch_selects_as_a_live_one_does(widgets: Widgets) -> None:
    start = await latest_revision(widgets)
    await widgets.create("a")
    await widgets.set_spec("a", color="blue")
    await widgets.set_spec("a", size=5)
    await widgets.set_spec("a", color="red")

    async with widgets.api.watch(
        widgets.path, resourceVersion=start, fieldSelector="spec.color=blue"
    ) as watch:
        assert await watch.take(3) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


async def test_a_watch_selects_by_labels(widgets: Widgets) -> None:
    start = await latest_revision(widgets)
    await widgets.create("a", metadata={"labels": {"team": "x"}})
    await widgets.create("b")
    async with widgets.api.watch(
        widgets.path, resourceVersion=start, labelSelector="team=x"
    ) as watch:
        assert await watch.take(1) == [("ADDED", "a")]
        await widgets.api.patch(widgets.at("a"), {"metadata": {"labels": {"team": "y"}}})
        assert await watch.take(1) == [("DELETED", "a")]


async def test_one_object_can_be_watched(widgets: Widgets) -> None:
    start = await latest_revision(widgets)
    async with widgets.api.watch(
        widgets.path, resourceVersion=start, fieldSelector="metadata.name=b"
    ) as watch:
        await widgets.create("a")
        await widgets.create("b")
        assert await watch.take(1) == [("ADDED", "b")]


async def test_initial_events_end_with_a_bookmark(widgets: Widgets) -> None:
    await widgets.create("a")
    async with widgets.api.watch(
        widgets.path,
        sendInitialEvents="true",
        resourceVersionMatch="NotOlderThan",
        allowWatchBookmarks="true",
    ) as watch:
        assert await watch.take(1) == [("ADDED", "a")]
        bookmark = await watch.next()
        assert bookmark["type"] == "BOOKMARK"
        assert bookmark["object"]["kind"] == "Widget"
        annotations = bookmark["object"]["metadata"]["annotations"]
        assert annotations == {"k8s.io/initial-events-end": "true"}
        start = revision(bookmark["object"])
        created = await widgets.create("b")
        assert (await watch.next())["object"] == created
        assert int(revision(created)) > int(start)


async def test_initial_events_need_a_match(widgets: Widgets) -> None:
    refusal = (await widgets.api.get(widgets.path, watch="true", sendInitialEvents="true")).expect(
        422
    )

    assert "sendInitialEvents requires setting resourceVersionMatch" in refusal["message"]


async def test_a_watch_ends_after_its_timeout(widgets: Widgets) -> None:
    start = await latest_revision(widgets)
    async with widgets.api.watch(widgets.path, resourceVersion=start, timeoutSeconds="1") as watch:
        assert await watch.has_ended()


async def test_a_watch_from_a_future_revision_is_silent(widgets: Widgets) -> None:
    future = str(int(await latest_revision(widgets)) + 1_000_000)
    async with widgets.api.watch(widgets.path, resourceVersion=future) as watch:
        assert watch.status == 200
        await widgets.create("a")
        await assert_silence(watch)


async def test_a_watch_shows_tables_with_their_columns_once(widgets: Widgets) -> None:
    start = await latest_revision(widgets)
    async with widgets.api.watch(widgets.path, accept=TABLE, resourceVersion=start) as watch:
        await widgets.create("a", size=4)
        await widgets.set_spec("a", size=5)
        first, second = await watch.next(), await watch.next()

    assert (first["type"], second["type"]) == ("ADDED", "MODIFIED")
    assert [column["name"] for column in first["object"]["columnDefinitions"]][:2] == [
        "Name",
        "Color",
    ]
    assert second["object"]["columnDefinitions"] is None
    assert [size_of(first), size_of(second)] == [4, 5]


async def test_a_watch_shows_metadata_alone(widgets: Widgets) -> None:
    await widgets.create("a")
    accept = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
    async with widgets.api.watch(widgets.path, accept=accept) as watch:
        event = await watch.next()

    assert event["object"]["kind"] == "PartialObjectMetadata"
    assert event["object"]["metadata"]["name"] == "a"
    assert "spec" not in event["object"]


async def test_a_watch_with_an_unknown_field_is_refused(widgets: Widgets) -> None:
    answer = await widgets.api.get(widgets.path, watch="true", fieldSelector="spec.nope=1")

    assert answer.expect(400)["message"] == "field label not supported: spec.nope"


async def test_many_watches_see_the_same(widgets: Widgets) -> None:
    start = await latest_revision(widgets)

    async def see() -> list[tuple[str, str]]:
        async with widgets.api.watch(widgets.path, resourceVersion=start) as watch:
            return await watch.take(20)

    watching = [asyncio.create_task(see()) for _ in range(5)]
    for number in range(20):
        await widgets.create(f"w-{number:02}")
    seen = await asyncio.gather(*watching)

    assert seen == [[("ADDED", f"w-{number:02}") for number in range(20)]] * 5


async def test_namespaces_can_be_watched(api: Api, namespace: str) -> None:
    selector = f"metadata.name={namespace}"
    async with api.watch("/api/v1/namespaces", fieldSelector=selector) as watch:
        assert await watch.take(1) == [("ADDED", namespace)]


async def assert_silence(watch: Watch) -> None:
    with pytest.raises(TimeoutError):
        await watch.next(within_s=0.3)


def size_of(event: Json) -> int:
    size: int = event["object"]["rows"][0]["cells"][2]
    return size

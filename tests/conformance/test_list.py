"""Lists: order, pages, revisions."""

import pytest

from tests.conformance.client import Answer, Json, eventually
from tests.conformance.widgets import Widgets, causes, revision


async def test_a_list_has_a_kind_and_a_revision(widgets: Widgets) -> None:
    widget = await widgets.create("a")
    found = (await widgets.api.get(widgets.path)).expect(200)

    assert (found["kind"], found["apiVersion"]) == ("WidgetList", f"{widgets.group}/v1")
    assert found["items"] == [widget]
    assert int(revision(found)) >= int(revision(widget))


async def test_a_list_is_sorted_by_name(widgets: Widgets) -> None:
    for name in ("c", "a", "b", "a.b", "a-b"):
        await widgets.create(name)

    assert await widgets.names() == ["a", "a-b", "a.b", "b", "c"]


async def test_an_empty_list_is_a_list(widgets: Widgets) -> None:
    assert await widgets.names() == []


async def test_all_namespaces_come_in_one_list(widgets: Widgets) -> None:
    await widgets.create("a")
    found = (await widgets.api.get(f"/apis/{widgets.group}/v1/widgets")).expect(200)

    assert (widgets.namespace, "a") in {
        (item["metadata"]["namespace"], item["metadata"]["name"]) for item in found["items"]
    }


async def test_all_pages_show_one_revision(widgets: Widgets) -> None:
    for name in "abcde":
        await widgets.create(name)
    first = (await widgets.api.get(widgets.path, limit="2")).expect(200)
    assert first["metadata"]["remainingItemCount"] == 3

    await widgets.api.delete(widgets.at("c"))
    await widgets.set_spec("d", size=9)
    await widgets.create("dd")
    rest = (await page_after(widgets, first, limit="2")).expect(200)
    last = (await page_after(widgets, rest, limit="2")).expect(200)

    pages = [first, rest, last]
    names = [item["metadata"]["name"] for found in pages for item in found["items"]]
    assert names == ["a", "b", "c", "d", "e"]
    assert rest["items"][1]["spec"]["size"] == 3
    assert {revision(found) for found in pages} == {revision(first)}
    assert not last["metadata"].get("continue")


async def test_pages_can_be_selected(widgets: Widgets) -> None:
    for name in "abcd":
        await widgets.create(name, color="blue" if name in "ad" else "red")
    selector = "spec.color=blue"
    first = (await widgets.api.get(widgets.path, limit="1", fieldSelector=selector)).expect(200)
    rest = (await page_after(widgets, first, limit="5", fieldSelector=selector)).expect(200)

    assert [item["metadata"]["name"] for item in first["items"] + rest["items"]] == ["a", "d"]


async def test_a_bad_token_is_refused(widgets: Widgets) -> None:
    answer = await widgets.api.get(widgets.path, **{"continue": "nonsense"})

    assert "continue" in answer.expect(400)["message"]


async def test_a_list_can_show_an_earlier_revision(widgets: Widgets) -> None:
    early = revision(await widgets.create("a"))
    await widgets.create("b")
    params = {"resourceVersion": early, "resourceVersionMatch": "Exact"}
    found = (await widgets.api.get(widgets.path, **params)).expect(200)

    assert [item["metadata"]["name"] for item in found["items"]] == ["a"]
    assert revision(found) == early


async def test_a_list_may_be_newer_than_requested(widgets: Widgets) -> None:
    early = revision(await widgets.create("a"))
    await widgets.create("b")

    async def is_newer() -> bool:
        names = await widgets.names(resourceVersion=early)
        assert "a" in names
        return names == ["a", "b"]

    # A kube-apiserver answers from its watch cache, which may not have seen "b" yet.
    await eventually(is_newer)


async def test_a_list_of_a_future_revision_is_refused(widgets: Widgets) -> None:
    answer = await widgets.api.get(widgets.path, resourceVersion="99999999999")

    refusal = answer.expect(504)
    assert refusal["reason"] == "Timeout"
    assert refusal["message"].startswith("Timeout: Too large resource version: 99999999999")
    assert refusal["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"
    assert answer.headers["Retry-After"] == "1"


async def test_a_revision_must_be_a_number(widgets: Widgets) -> None:
    answer = await widgets.api.get(widgets.path, resourceVersion="x")

    assert answer.expect(400)["message"].startswith("invalid resource version")


@pytest.mark.parametrize(
    "params",
    [
        {"resourceVersionMatch": "Exact"},
        {"resourceVersionMatch": "Perhaps", "resourceVersion": "1"},
    ],
)
async def test_an_invalid_resource_version_match_is_refused(
    widgets: Widgets, params: dict[str, str]
) -> None:
    answer = await widgets.api.get(widgets.path, **params)

    assert "resourceVersionMatch" in causes(answer.expect(422))


async def page_after(widgets: Widgets, found: Json, **params: str) -> Answer:
    """Return the page of a list that comes after `found`."""
    token = {"continue": found["metadata"]["continue"]}
    return await widgets.api.get(widgets.path, **params, **token)

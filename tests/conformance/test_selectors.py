"""Label and field selectors."""

import pytest

from tests.conformance.widgets import Widgets


@pytest.fixture
async def four(widgets: Widgets) -> Widgets:
    """Create a (red, flagged), b (blue), c (green, size 7) and d (blue, team x)."""
    await widgets.create("a", color="red", flag=True)
    await widgets.create("b", color="blue", metadata={"labels": {"app": "one"}})
    await widgets.create("c", color="green", size=7, metadata={"labels": {"app": "two"}})
    labels = {"app": "one", "team": "x", "level": "5"}
    await widgets.create("d", color="blue", metadata={"labels": labels})
    await widgets.set_status("d", phase="Running")
    return widgets


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("spec.color=blue", "bd"),
        ("spec.color==blue", "bd"),
        ("spec.color!=blue", "ac"),
        ("spec.color!=blue,spec.color!=red", "c"),
        ("spec.color=blue,status.phase=Running", "d"),
        ("status.phase=Pending", "abc"),
        ("status.phase!=Pending", "d"),
        ("spec.size=7", "c"),
        ("spec.size=07", ""),
        ("spec.flag=true", "a"),
        ("spec.flag!=true", "bcd"),
        ("spec.flag=", "bcd"),
        ("metadata.name=b", "b"),
        ("metadata.name!=b", "acd"),
        ("metadata.name=b,spec.color=red", ""),
        (r"spec.color=a\,b", ""),
        ("", "abcd"),
    ],
)
async def test_fields_select_objects(four: Widgets, selector: str, names: str) -> None:
    assert await four.names(fieldSelector=selector) == list(names)


async def test_the_namespace_is_a_field(four: Widgets) -> None:
    path = f"/apis/{four.group}/v1/widgets"
    selector = f"metadata.namespace={four.namespace},metadata.name=a"
    found = (await four.api.get(path, fieldSelector=selector)).expect(200)

    assert [item["metadata"]["name"] for item in found["items"]] == ["a"]


@pytest.mark.parametrize(
    ("selector", "message"),
    [
        ("spec.label=x", "field label not supported: spec.label"),
        ("metadata.uid=x", "field label not supported: metadata.uid"),
        ("spec.color", "invalid selector: 'spec.color'; can't understand 'spec.color'"),
    ],
)
async def test_a_field_that_cannot_be_selected_is_refused(
    widgets: Widgets, selector: str, message: str
) -> None:
    answer = await widgets.api.get(widgets.path, fieldSelector=selector)

    assert answer.expect(400)["message"] == message


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("app=one", "bd"),
        ("app == one", "bd"),
        ("app!=one", "ac"),
        ("app", "bcd"),
        ("!app", "a"),
        ("app in (one, three)", "bd"),
        ("app notin (one)", "ac"),
        ("app in (one,two),!team", "bc"),
        ("app=one,team=x", "d"),
        ("level>4", "d"),
        ("level<5", ""),
        ("", "abcd"),
    ],
)
async def test_labels_select_objects(four: Widgets, selector: str, names: str) -> None:
    assert await four.names(labelSelector=selector) == list(names)


async def test_labels_and_fields_select_together(four: Widgets) -> None:
    found = await four.names(labelSelector="app=one", fieldSelector="status.phase=Pending")

    assert found == ["b"]


@pytest.mark.parametrize(
    ("selector", "message"),
    [
        ("app in", "unable to parse requirement: found '' expected: '('"),
        (
            "app one",
            "unable to parse requirement: found 'one', expected: in, notin, =, ==, !=, gt, lt",
        ),
    ],
)
async def test_a_label_selector_that_cannot_be_parsed_is_refused(
    widgets: Widgets, selector: str, message: str
) -> None:
    answer = await widgets.api.get(widgets.path, labelSelector=selector)

    assert answer.expect(400)["message"] == message


async def test_events_are_selected_by_their_object(widgets: Widgets) -> None:
    path = f"/api/v1/namespaces/{widgets.namespace}/events"
    for name in ("a", "b"):
        event = {
            "metadata": {"name": f"about-{name}", "namespace": widgets.namespace},
            "involvedObject": {"kind": "Widget", "name": name, "namespace": widgets.namespace},
            "reason": "Because",
            "type": "Warning",
        }
        (await widgets.api.post(path, event)).expect(201)

    selector = "involvedObject.name=a,involvedObject.kind=Widget,type!=Normal,reason=Because"
    found = (await widgets.api.get(path, fieldSelector=selector)).expect(200)
    assert [item["metadata"]["name"] for item in found["items"]] == ["about-a"]


async def test_a_built_in_kind_has_its_own_fields(widgets: Widgets) -> None:
    path = f"/api/v1/namespaces/{widgets.namespace}/configmaps"
    refusal = (await widgets.api.get(path, fieldSelector="data.a=b")).expect(400)

    assert refusal["message"] == (
        '"data.a" is not a known field selector: only "metadata.name", "metadata.namespace"'
    )

"""The status subresource."""

from tests.conformance.widgets import Widgets, causes, revision


async def test_a_new_object_has_the_default_status_and_no_other(widgets: Widgets) -> None:
    manifest = {**widgets.new("a"), "status": {"phase": "Done", "count": 9}}
    widget = (await widgets.api.post(widgets.path, manifest)).expect(201)

    assert widget["status"] == {"phase": "Pending"}
    assert (await widgets.get("a"))["status"] == {"phase": "Pending"}
    assert await widgets.names(fieldSelector="status.phase=Pending") == ["a"]


async def test_a_status_write_changes_nothing_else(widgets: Widgets) -> None:
    widget = await widgets.create("a", size=4)
    widget["status"] = {"phase": "Running", "count": 1, "store": {"x": [1, {"y": None}]}}
    widget["spec"] = {"color": "blue"}
    widget["metadata"]["labels"] = {"a": "b"}
    answer = (await widgets.api.put(widgets.at("a", "status"), widget)).expect(200)

    assert answer["status"] == {
        "phase": "Running",
        "count": 1,
        "store": {"x": [1, {"y": None}]},
    }
    assert answer["spec"] == {"color": "red", "size": 4, "greeting": "hello"}
    assert "labels" not in answer["metadata"]


async def test_the_main_endpoint_does_not_change_the_status(widgets: Widgets) -> None:
    await widgets.create("a")
    widget = await widgets.set_status("a", phase="Running")
    widget["status"] = {"phase": "Other"}
    widget["spec"]["size"] = 7
    answer = (await widgets.api.put(widgets.at("a"), widget)).expect(200)

    assert answer["status"] == {"phase": "Running"}
    assert answer["spec"]["size"] == 7


async def test_a_status_write_over_another_version_conflicts(widgets: Widgets) -> None:
    widget = await widgets.create("a")
    await widgets.set_status("a", phase="Running")
    widget["status"] = {"phase": "Late"}
    refusal = (await widgets.api.put(widgets.at("a", "status"), widget)).expect(409)

    assert refusal["reason"] == "Conflict"
    assert (await widgets.get("a"))["status"]["phase"] == "Running"


async def test_a_status_write_must_name_a_version(widgets: Widgets) -> None:
    await widgets.create("a")
    manifest = {**widgets.new("a"), "status": {"phase": "Running"}}
    refusal = (await widgets.api.put(widgets.at("a", "status"), manifest)).expect(422)

    assert "metadata.resourceVersion" in causes(refusal)


async def test_a_status_of_a_missing_object_is_not_found(widgets: Widgets) -> None:
    answer = await widgets.api.put(widgets.at("a", "status"), widgets.new("a"))

    assert answer.expect(404)["reason"] == "NotFound"


async def test_an_unchanged_status_is_not_written(widgets: Widgets) -> None:
    await widgets.create("a")
    first = await widgets.set_status("a", phase="Running", count=1)
    second = await widgets.set_status("a", phase="Running", count=1)

    assert revision(second) == revision(first)


async def test_a_default_status_is_shown_first_and_stored_with_the_next_write(
    widgets: Widgets,
) -> None:
    widget = await widgets.create("a")
    first = (await widgets.api.put(widgets.at("a"), widget)).expect(200)
    second = (await widgets.api.put(widgets.at("a"), first)).expect(200)

    assert int(revision(first)) > int(revision(widget))
    assert revision(second) == revision(first)


async def test_a_change_from_one_to_true_is_a_write(widgets: Widgets) -> None:
    await widgets.create("a")
    first = await widgets.set_status("a", store={"x": 1})
    second = await widgets.set_status("a", store={"x": True})

    assert second["status"]["store"]["x"] is True
    assert revision(second) != revision(first)


async def test_a_status_can_be_patched(widgets: Widgets) -> None:
    await widgets.create("a")
    await widgets.set_status("a", phase="Running", count=1)
    patch = {"status": {"count": 2}, "spec": {"size": 9}}
    answer = (await widgets.api.patch(widgets.at("a", "status"), patch)).expect(200)

    assert answer["status"] == {"phase": "Running", "count": 2}
    assert answer["spec"]["size"] == 3


async def test_a_status_is_read_with_its_object(widgets: Widgets) -> None:
    widget = await widgets.create("a")

    assert (await widgets.api.get(widgets.at("a", "status"))).expect(200) == widget


async def test_a_bad_status_is_refused(widgets: Widgets) -> None:
    await widgets.create("a")
    patch = {"status": {"count": "many"}}
    refusal = (await widgets.api.patch(widgets.at("a", "status"), patch)).expect(422)

    assert "must be of type integer" in causes(refusal)["status.count"]


async def test_unknown_fields_of_a_status_are_dropped_with_a_warning(widgets: Widgets) -> None:
    await widgets.create("a")
    patch = {"status": {"bogus": 1, "store": {"kept": 1}}}
    answer = await widgets.api.patch(widgets.at("a", "status"), patch)

    assert answer.expect(200)["status"] == {"phase": "Pending", "store": {"kept": 1}}
    assert answer.headers["Warning"] == '299 - "unknown field \\"status.bogus\\""'


async def test_another_subresource_is_not_found(widgets: Widgets) -> None:
    await widgets.create("a")

    assert (await widgets.api.get(widgets.at("a", "scale"))).status == 404

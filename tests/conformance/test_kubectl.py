"""The commands of a stock kubectl."""

import asyncio

import orjson

from tests.conformance.client import TIMEOUT_S, eventually
from tests.conformance.widgets import Widgets, revision
from tests.lab.kubectl import Kubectl


async def test_apply_creates_keeps_and_changes_an_object(
    widgets: Widgets, kubectl: Kubectl
) -> None:
    created = await kubectl("apply", "-f", "-", stdin=widgets.new("a", size=4))
    again = await kubectl("apply", "-f", "-", stdin=widgets.new("a", size=4))
    changed = await kubectl("apply", "-f", "-", stdin=widgets.new("a", label="abc"))

    name = f"widget.{widgets.group}/a"
    assert created == f"{name} created\n"
    assert again == f"{name} unchanged\n"
    assert changed == f"{name} configured\n"
    spec = (await widgets.get("a"))["spec"]
    assert (spec["size"], spec["label"]) == (3, "abc")


async def test_apply_server_side_twice_is_one_write(widgets: Widgets, kubectl: Kubectl) -> None:
    manifest = widgets.new("a", size=4, free={"x": [1, {"y": 2}]})
    await kubectl("apply", "--server-side", "-f", "-", stdin=manifest)
    await widgets.set_status("a", phase="Running")
    before = revision(await widgets.get("a"))
    said = await kubectl("apply", "--server-side", "-f", "-", stdin=manifest)

    assert said == f"widget.{widgets.group}/a serverside-applied\n"
    assert revision(await widgets.get("a")) == before


async def test_apply_refuses_unknown_fields(widgets: Widgets, kubectl: Kubectl) -> None:
    manifest = widgets.new("a", colour="red")
    said = await kubectl("apply", "-f", "-", stdin=manifest, fails=True)

    assert 'strict decoding error: unknown field "spec.colour"' in said


def _list_of(*items: object) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "List", "metadata": {}, "items": list(items)}


async def _until_kubectl_knows(widgets: Widgets) -> None:
    """Wait for `/openapi/v2`. A real API server adds a kind some time after it serves the kind."""

    async def is_known() -> bool:
        document = (await widgets.api.get("/openapi/v2")).expect(200)
        return any(widgets.group in path for path in orjson.dumps(document).decode().split('"'))

    await eventually(is_known)


async def test_apply_accepts_a_list(widgets: Widgets, kubectl: Kubectl) -> None:
    await _until_kubectl_knows(widgets)
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "runner"}}
    free = {"x": [1, {"y": "z"}], "z": {}}
    items = [widgets.new("a", size=4, free=free), widgets.new("b", maybe=None), account]
    said = await kubectl("apply", "-f", "-", stdin=_list_of(*items))

    name = f"widget.{widgets.group}"
    assert said == f"{name}/a created\n{name}/b created\nserviceaccount/runner created\n"
    assert (await widgets.get("a"))["spec"]["free"] == free


async def test_apply_accepts_the_output_of_get(widgets: Widgets, kubectl: Kubectl) -> None:
    await _until_kubectl_knows(widgets)
    counts, port = {"x": 1, "y": 2}, "http"
    await widgets.create("a", tags=["t"], parts=[{"name": "p", "count": 1}], counts=counts)
    await widgets.create("b", port=port, flag=True, ratio=0.5, maybe=None)
    printed = await kubectl("get", f"widgets.{widgets.group}", "-o", "json")
    await kubectl("delete", f"widgets.{widgets.group}", "--all")
    said = await kubectl("apply", "-f", "-", stdin=orjson.loads(printed))

    assert await widgets.names() == ["a", "b"]
    assert said.count(" created\n") == 2


async def test_apply_refuses_a_list_with_unknown_fields(widgets: Widgets, kubectl: Kubectl) -> None:
    await _until_kubectl_knows(widgets)
    manifests = [widgets.new("a"), widgets.new("b", colour="red")]
    said = await kubectl("apply", "-f", "-", stdin=_list_of(*manifests), fails=True)

    assert 'unknown field "colour" in ' in said
    assert await widgets.names() == []


async def test_create_generates_a_name(widgets: Widgets, kubectl: Kubectl) -> None:
    manifest = widgets.new("", metadata={"generateName": "gen-"})
    del manifest["metadata"]["name"]
    said = await kubectl("create", "-f", "-", stdin=manifest)

    assert said.startswith(f"widget.{widgets.group}/gen-")
    assert said.endswith(" created\n")


async def test_create_prints_why_an_object_is_refused(widgets: Widgets, kubectl: Kubectl) -> None:
    said = await kubectl("create", "-f", "-", stdin=widgets.new("a", color="pink"), fails=True)

    assert 'spec.color: Unsupported value: "pink"' in said


async def test_get_prints_the_columns(widgets: Widgets, kubectl: Kubectl) -> None:
    await widgets.create("a", color="blue", tags=["x"])
    plain = (await kubectl("get", f"widgets.{widgets.group}")).splitlines()
    wide = (await kubectl("get", f"widgets.{widgets.group}", "a", "-o", "wide")).splitlines()

    assert plain[0].split() == ["NAME", "COLOR", "SIZE", "PHASE", "AGE"]
    assert plain[1].split()[:4] == ["a", "blue", "3", "Pending"]
    assert wide[0].split()[-1] == "TAGS"
    assert wide[1].split()[-1] == '["x"]'


async def test_get_prints_that_nothing_was_found(widgets: Widgets, kubectl: Kubectl) -> None:
    none = await kubectl("get", f"widgets.{widgets.group}")
    missing = await kubectl("get", f"widgets.{widgets.group}", "a", fails=True)

    assert none == f"No resources found in {widgets.namespace} namespace.\n"
    assert missing == f'Error from server (NotFound): widgets.{widgets.group} "a" not found\n'


async def test_get_selects_objects(widgets: Widgets, kubectl: Kubectl) -> None:
    await widgets.create("a", color="blue")
    await widgets.create("b", metadata={"labels": {"x": "y"}})
    resource = f"widgets.{widgets.group}"

    blue = await kubectl("get", resource, "--field-selector=spec.color=blue", "-o", "name")
    labelled = await kubectl("get", resource, "-l", "x=y", "-o", "name")
    assert (blue, labelled) == (f"widget.{widgets.group}/a\n", f"widget.{widgets.group}/b\n")


async def test_get_knows_the_category(widgets: Widgets, kubectl: Kubectl) -> None:
    await widgets.create("a")

    assert f"widget.{widgets.group}/a" in await kubectl("get", "things", "-o", "name")


async def test_get_reads_pages(widgets: Widgets, kubectl: Kubectl) -> None:
    for number in range(7):
        await widgets.create(f"w{number}")
    said = await kubectl("get", f"widgets.{widgets.group}", "--chunk-size=3", "-o", "name")

    assert len(said.splitlines()) == 7


async def test_get_watches_objects(widgets: Widgets, kubectl: Kubectl) -> None:
    process = await kubectl.start("get", f"widgets.{widgets.group}", "--watch", "--no-headers")
    assert process.stdout
    try:
        async with asyncio.timeout(TIMEOUT_S):
            await widgets.create("a")
            first = (await process.stdout.readline()).split()
            await widgets.set_status("a", phase="Running")
            second = (await process.stdout.readline()).split()
    finally:
        process.terminate()
        await process.communicate()

    assert first[:4] == [b"a", b"red", b"3", b"Pending"]
    assert second[:4] == [b"a", b"red", b"3", b"Running"]


async def test_describe_shows_the_object_and_its_events(widgets: Widgets, kubectl: Kubectl) -> None:
    widget = await widgets.create("a", color="blue")
    about = {
        "apiVersion": widget["apiVersion"],
        "kind": "Widget",
        "name": "a",
        "namespace": widgets.namespace,
        "uid": widget["metadata"]["uid"],
    }
    event = {
        "metadata": {"name": "e", "namespace": widgets.namespace},
        "involvedObject": about,
        "reason": "Painted",
        "message": "It is blue now.",
        "type": "Normal",
        "lastTimestamp": "2020-01-01T00:00:00Z",
    }
    path = f"/api/v1/namespaces/{widgets.namespace}/events"
    (await widgets.api.post(path, event)).expect(201)
    said = await kubectl("describe", f"widgets.{widgets.group}", "a")

    assert "Color:     blue" in said
    assert "Painted" in said
    assert "It is blue now." in said


async def test_events_are_listed(widgets: Widgets, kubectl: Kubectl) -> None:
    event = {
        "metadata": {"name": "e", "namespace": widgets.namespace},
        "involvedObject": {
            "apiVersion": f"{widgets.group}/v1",
            "kind": "Widget",
            "name": "a",
            "namespace": widgets.namespace,
        },
        "reason": "Painted",
        "message": "It is blue now.",
        "type": "Warning",
        "lastTimestamp": "2020-01-01T00:00:00Z",
    }
    path = f"/api/v1/namespaces/{widgets.namespace}/events"
    (await widgets.api.post(path, event)).expect(201)

    said = (await kubectl("get", "events")).splitlines()
    assert said[0].split() == ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert "widget/a" in said[1]
    assert "It is blue now." in await kubectl("events", f"--for=widgets.{widgets.group}/a")


async def test_explain_reads_the_schema(widgets: Widgets, kubectl: Kubectl) -> None:
    said = await kubectl("explain", f"widgets.{widgets.group}", "--recursive")
    color = await kubectl("explain", "widgets.spec.color", f"--api-version={widgets.group}/v1")

    assert "KIND:       Widget" in said
    assert "color\t<string> -required-" in said
    assert "Its color." in color


async def test_patch_label_and_annotate(widgets: Widgets, kubectl: Kubectl) -> None:
    await widgets.create("a")
    name = f"widgets.{widgets.group}/a"
    await kubectl("patch", name, "--type=merge", "-p", '{"spec":{"size":9}}')
    await kubectl("patch", name, "--type=json", "-p", '[{"op":"remove","path":"/spec/greeting"}]')
    await kubectl("label", name, "x=y")
    await kubectl("annotate", name, "p=q")
    await kubectl("patch", name, "--subresource=status", "--type=merge", "-p", STATUS)

    widget = await widgets.get("a")
    assert widget["spec"]["size"] == 9
    assert widget["metadata"]["labels"] == {"x": "y"}
    assert widget["metadata"]["annotations"] == {"p": "q"}
    assert widget["status"]["phase"] == "Ready"


STATUS = '{"status":{"phase":"Ready","conditions":[{"type":"Ready","status":"True"}]}}'


async def test_wait_sees_conditions_fields_and_deletions(
    widgets: Widgets, kubectl: Kubectl
) -> None:
    await widgets.create("a")
    name = f"widgets.{widgets.group}/a"
    waiting = [
        asyncio.create_task(kubectl("wait", name, wanted, "--timeout=20s"))
        for wanted in ("--for=condition=Ready", "--for=jsonpath={.status.phase}=Ready")
    ]
    await widgets.set_status("a", phase="Ready", conditions=[{"type": "Ready", "status": "True"}])
    assert [said.split()[-2:] for said in await asyncio.gather(*waiting)] == [
        ["condition", "met"]
    ] * 2

    gone = asyncio.create_task(kubectl("wait", name, "--for=delete", "--timeout=20s"))
    await widgets.api.delete(widgets.at("a"))
    await gone


async def test_delete_waits_until_it_is_gone(widgets: Widgets, kubectl: Kubectl) -> None:
    await widgets.create("a")
    await widgets.create("b")
    said = await kubectl("delete", f"widgets.{widgets.group}", "a", "b")

    assert said.count("deleted") == 2
    assert await widgets.names() == []


async def test_replace_and_edit_a_manifest(widgets: Widgets, kubectl: Kubectl) -> None:
    widget = await widgets.create("a")
    widget["spec"]["size"] = 8
    await kubectl("replace", "-f", "-", stdin=widget)

    assert (await widgets.get("a"))["spec"]["size"] == 8


async def test_dry_run_and_diff(widgets: Widgets, kubectl: Kubectl) -> None:
    manifest = widgets.new("a", size=8)
    await kubectl("apply", "--dry-run=server", "-f", "-", stdin=manifest)

    assert await widgets.names() == []


async def test_kinds_that_are_built_in_are_created_by_hand(
    widgets: Widgets, kubectl: Kubectl
) -> None:
    await kubectl("create", "configmap", "c", "--from-literal=key=value")
    await kubectl("create", "secret", "generic", "s", "--from-literal=key=value")
    await kubectl("create", "serviceaccount", "robot")

    assert await kubectl("get", "configmap", "c", "-o", "jsonpath={.data.key}") == "value"
    assert await kubectl("get", "secret", "s", "-o", "jsonpath={.data.key}") == "dmFsdWU="
    assert await kubectl("get", "serviceaccount", "robot", "-o", "name") == "serviceaccount/robot\n"


async def test_api_resources_name_the_kind(widgets: Widgets, kubectl: Kubectl) -> None:
    said = await kubectl("api-resources", f"--api-group={widgets.group}")

    [_, line] = said.splitlines()
    assert line.split() == ["widgets", "wd", f"{widgets.group}/v1", "true", "Widget"]

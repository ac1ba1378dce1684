"""The server as a whole: its clock, its watches, its token, its files."""

import stat
from pathlib import Path

import pytest

from grctl_local import LocalServer, PortTakenError
from tests.conformance.client import Api
from tests.conformance.kubeconfig import Access, load
from tests.conformance.widgets import CRDS, Widgets, definition, revision
from tests.local.conftest import GROUP, ManualClock


async def test_times_are_those_of_the_servers_clock(widgets: Widgets, clock: ManualClock) -> None:
    first = await widgets.create("a")
    clock.move(hours=1)
    answer = await widgets.try_create("b")

    assert first["metadata"]["creationTimestamp"] == "2026-01-01T12:00:00Z"
    assert answer.body["metadata"]["creationTimestamp"] == "2026-01-01T13:00:00Z"
    assert answer.headers["Date"] == "Thu, 01 Jan 2026 13:00:00 GMT"


async def test_ages_are_by_the_servers_clock(widgets: Widgets, clock: ManualClock) -> None:
    await widgets.create("a")
    clock.move(minutes=5, seconds=30)
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io"
    found = (await widgets.api.get(widgets.path, accept=accept)).expect(200)

    assert found["rows"][0]["cells"][4] == "5m30s"


async def test_a_watch_from_a_compacted_revision_has_expired(
    widgets: Widgets, server: LocalServer
) -> None:
    early = revision(await widgets.create("a"))
    for number in range(5):
        await widgets.create(f"w{number}")
    server.cluster.store.compact(keep=2)

    async with widgets.api.watch(widgets.path, resourceVersion=early) as watch:
        event = await watch.next()
        assert event["type"] == "ERROR"
        assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")
        assert event["object"]["message"].startswith(f"too old resource version: {early} (")
        assert await watch.has_ended()


async def test_a_page_of_a_compacted_revision_has_expired(
    widgets: Widgets, server: LocalServer
) -> None:
    for name in "abc":
        await widgets.create(name)
    first = (await widgets.api.get(widgets.path, limit="1")).expect(200)
    await widgets.create("d")
    await widgets.create("e")
    server.cluster.store.compact(keep=1)
    token = {"continue": first["metadata"]["continue"]}

    assert (await widgets.api.get(widgets.path, **token)).expect(410)["reason"] == "Expired"


async def test_a_bookmark_has_the_revision_up_to_which_the_client_has_seen_everything(
    widgets: Widgets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grctl_local.verbs.watching.BOOKMARK_INTERVAL_S", 0.05)
    start = revision(await widgets.create("a"))
    params = {"resourceVersion": start, "allowWatchBookmarks": "true", "timeoutSeconds": "5"}
    async with widgets.api.watch(widgets.path, **params) as watch:
        first = await watch.next()
        created = await widgets.create("b")
        while (event := await watch.next())["type"] == "BOOKMARK":
            assert revision(event["object"]) == start
        bookmark = await watch.next()

    assert (first["type"], revision(first["object"])) == ("BOOKMARK", start)
    assert event["object"] == created
    assert bookmark["object"] == {
        "apiVersion": f"{GROUP}/v1",
        "kind": "Widget",
        "metadata": {"resourceVersion": revision(created)},
    }


async def test_a_client_that_does_not_read_is_disconnected(
    widgets: Widgets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grctl_local.verbs.watching.MAX_BACKLOG_COUNT", 1)
    start = revision(await widgets.create("a"))
    for name in "bcd":
        await widgets.create(name)
    async with widgets.api.watch(widgets.path, resourceVersion=start) as watch:
        assert await watch.has_ended()


@pytest.mark.parametrize("token", [None, "wrong", ""])
async def test_a_request_without_the_token_gets_health_and_version_only(
    server: LocalServer, token: str | None
) -> None:
    access = load(server.kubeconfig_path)
    async with Api(Access(access.server, token, access.tls)) as api:
        for path in ("/api/v1/namespaces", "/apis", "/openapi/v3", "/nothing"):
            assert (await api.get(path)).expect(401)["reason"] == "Unauthorized"
        for path in ("/livez", "/readyz", "/healthz", "/version"):
            assert (await api.get(path)).status == 200


async def test_only_the_owner_can_read_the_files_that_hold_the_token(tmp_path: Path) -> None:
    data, kubeconfig = tmp_path / "data", tmp_path / "kubeconfig"
    async with LocalServer(data, kubeconfig_path=kubeconfig):
        modes = modes_in(tmp_path)

    assert {"data", "kubeconfig"} <= set(modes)
    assert set(modes.values()) == {0o600}


async def test_clients_go_on_after_a_restart(tmp_path: Path) -> None:
    data, kubeconfig = tmp_path / "data", tmp_path / "kubeconfig"
    async with LocalServer(data, kubeconfig_path=kubeconfig) as server:
        access, port = load(kubeconfig), int(server.url.rpartition(":")[2])
        async with Api(access) as api:
            (await api.post(CRDS, definition(GROUP))).expect(201)
            start = revision(await Widgets(api, GROUP, "default").create("a"))
    async with LocalServer(data, port, kubeconfig_path=kubeconfig), Api(access) as api:
        widgets = Widgets(api, GROUP, "default")
        await widgets.create("b")
        async with api.watch(widgets.path, resourceVersion=start) as watch:
            assert await watch.take(1) == [("ADDED", "b")]
        assert await widgets.names() == ["a", "b"]


async def test_a_taken_port_is_reported(server: LocalServer) -> None:
    port = int(server.url.rpartition(":")[2])
    with pytest.raises(PortTakenError, match=f"Port {port} of 127.0.0.1 cannot be used"):
        async with LocalServer(port=port):
            pass


async def test_a_server_without_a_path_cleans_up(clock: ManualClock) -> None:
    async with LocalServer(clock=clock) as server:
        path = server.kubeconfig_path
        assert path.exists()
    assert not path.exists()


async def test_a_failing_request_is_an_internal_error(
    widgets: Widgets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grctl_local.wire.http.create", lambda *_: 1 / 0)
    answer = await widgets.try_create("a")

    assert answer.expect(500)["reason"] == "InternalError"


def modes_in(directory: Path) -> dict[str, int]:
    """Return the access modes of all files in a directory."""
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}

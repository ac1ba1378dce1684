"""The recorder misses no version, or marks its history as not complete."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from grctl.kube import CRDS, EVENTS, Api, Connection, ExpiredError
from grctl.models import API_VERSION
from grctl.models.crds import all_crds
from grctl_local import LocalServer
from tests.history.recorder import Recorder
from tests.lab.api_server import api_server

PATH = EVENTS.path("default")

Json = dict[str, Any]


def event(name: str, revision: int = 0) -> Json:
    metadata = {"name": name, "uid": name, "creationTimestamp": "2026-01-01T00:00:00Z"}
    return {
        "apiVersion": API_VERSION,
        "kind": "WorkflowEvent",
        "metadata": metadata | ({"resourceVersion": str(revision)} if revision else {}),
        "spec": {"workflowId": "a", "eventName": "append", "payload": 1},
    }


@pytest.fixture
async def kubeconfig(tmp_path: Path) -> AsyncIterator[Path]:
    """An API server that knows our resources."""
    async with LocalServer(tmp_path / "data", kubeconfig_path=tmp_path / "kubeconfig") as server:
        async with Api(await Connection.find(server.kubeconfig_path)) as api:
            for crd in all_crds():
                await api.create(CRDS.path(), crd)
        yield server.kubeconfig_path


def seen(recorder: Recorder) -> list[tuple[str, bool]]:
    return [(each.name, each.exists) for each in recorder.events]


async def test_the_recorder_sees_every_version_of_objects_that_came_after_it(
    kubeconfig: Path,
) -> None:
    async with Api(await Connection.find(kubeconfig)) as api:
        await api.create(PATH, event("before"))
        async with Recorder(api, "default") as recorder:
            await api.delete(f"{PATH}/before")
            answer = await api.create(PATH, event("a"))
            for number in range(20):
                labels = {"metadata": {"labels": {"n": str(number)}}}
                await api.merge(f"{PATH}/a", labels)
            await api.delete(f"{PATH}/a")
            recorder.note_created(answer)
            await recorder.catch_up()
    assert seen(recorder) == [("a", True)] * 21 + [("a", False)]
    assert recorder.events[0].revision == recorder.answers[0].revision
    assert recorder.complete


async def test_a_recorder_that_begins_anew_forgets_what_was_before(kubeconfig: Path) -> None:
    async with (
        Api(await Connection.find(kubeconfig)) as api,
        Recorder(api, "default") as recorder,
    ):
        recorder.note_created(await api.create(PATH, event("a")))
        await recorder.begin_anew()
        assert not recorder.unsettled
        await api.delete(f"{PATH}/a")
        recorder.note_created(await api.create(PATH, event("b")))
        await recorder.catch_up()
        assert seen(recorder) == [("b", True)]
        assert [answer.name for answer in recorder.answers] == ["b"]
        assert recorder.unsettled == {"b"}


async def test_the_recorder_resumes_after_the_api_server_was_killed(tmp_path: Path) -> None:
    async with (
        api_server(tmp_path) as server,
        Api(await Connection.find(server.kubeconfig)) as api,
        Recorder(api, "default") as recorder,
    ):
        await api.create(PATH, event("a"))
        assert server.embedded is not None
        server.embedded.process.kill()
        await server.embedded.start_again()
        await api.create(PATH, event("b"))
        await api.delete(f"{PATH}/a")
        await recorder.catch_up()
    assert seen(recorder) == [("a", True), ("b", True), ("a", False)]
    assert recorder.complete


class ApiWithoutVersions:
    """An API server that keeps no old versions: each watch ends with 410."""

    def __init__(self, *lists: tuple[int, list[Json]]) -> None:
        self._lists = list(lists)

    async def get(self, path: str) -> Json:
        revision, items = (1, []) if path != PATH else self._lists[0]
        if path == PATH and len(self._lists) > 1:
            self._lists.pop(0)
        return {"metadata": {"resourceVersion": str(revision)}, "items": items}

    async def watch(self, _path: str, _params: object) -> AsyncIterator[Json]:
        await asyncio.sleep(0)
        for error in (ExpiredError(410, "Expired", "too old resource version"),):
            raise error
        yield {}


async def test_a_history_with_missed_versions_is_not_complete() -> None:
    first, last = [event("a", 2), event("b", 3)], [event("b", 3)]
    api = ApiWithoutVersions((1, []), (4, first), (9, last))
    async with Recorder(cast("Api", api), "default") as recorder:
        while not recorder.events:  # noqa: ASYNC110  it lists anew without end
            await asyncio.sleep(0)
        await recorder.catch_up()
    assert seen(recorder)[:2] == [("a", True), ("b", True)]
    assert ("a", False) in seen(recorder)
    assert not recorder.complete

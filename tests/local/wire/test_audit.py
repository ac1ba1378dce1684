"""The audit log: what its line of a request holds, and what it never holds."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from grctl_local import LocalServer
from grctl_local.wire.audit import describe_request
from tests.conformance.client import Api
from tests.conformance.kubeconfig import load
from tests.local.conftest import ManualClock

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
RUNS = "/apis/grctl.dev/v1alpha1/namespaces/shop/workflowruns"


class AuditedApi:
    def __init__(self, api: Api, log: Path) -> None:
        self.api = api
        self._log = log

    @property
    def text(self) -> str:
        return self._log.read_text(encoding="utf-8")

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture
async def audited(tmp_path: Path, clock: ManualClock) -> AsyncIterator[AuditedApi]:
    log = tmp_path / "audit.jsonl"
    async with (
        LocalServer(kubeconfig_path=tmp_path / "config", clock=clock, audit_log=log),
        Api(load(tmp_path / "config")) as api,
    ):
        yield AuditedApi(api, log)


async def test_each_request_is_a_line_with_verb_resource_name_and_code(audited: AuditedApi) -> None:
    (await audited.api.post(CONFIGMAPS, {"metadata": {"name": "c"}})).expect(201)
    (await audited.api.get(f"{CONFIGMAPS}/c")).expect(200)
    (await audited.api.get(f"{CONFIGMAPS}/d")).expect(404)
    common = {
        "resource": "configmaps",
        "namespace": "default",
        "time": "2026-01-01T12:00:00.250+00:00",
    }
    written = [{key: line[key] for key in line if key != "userAgent"} for line in audited.lines]
    assert written == [
        {"verb": "create", "code": 201, **common},
        {"verb": "get", "name": "c", "code": 200, **common},
        {"verb": "get", "name": "d", "code": 404, **common},
    ]
    assert all(line["userAgent"].startswith("Python/") for line in audited.lines)


async def test_a_watch_is_one_line_which_is_written_when_it_begins(
    audited: AuditedApi,
) -> None:
    async with audited.api.watch(CONFIGMAPS) as watch:
        assert [line["verb"] for line in audited.lines] == ["watch"]
        (await audited.api.post(CONFIGMAPS, {"metadata": {"name": "c"}})).expect(201)
        await watch.take(1)
    assert [line["verb"] for line in audited.lines] == ["watch", "create"]


async def test_the_log_holds_nothing_of_a_body_or_a_query(audited: AuditedApi) -> None:
    body = {"metadata": {"name": "c"}, "data": {"key": "secret"}}
    (await audited.api.post(CONFIGMAPS, body)).expect(201)
    (await audited.api.get(CONFIGMAPS, labelSelector="key=secret")).expect(200)
    assert len(audited.lines) == 2
    assert "secret" not in audited.text


@pytest.mark.parametrize(
    ("method", "path", "says"),
    [
        ("GET", RUNS, {"verb": "list"}),
        ("DELETE", RUNS, {"verb": "deletecollection"}),
        ("DELETE", f"{RUNS}/a", {"verb": "delete", "name": "a"}),
        ("PATCH", f"{RUNS}/a", {"verb": "patch", "name": "a"}),
        ("PUT", f"{RUNS}/a/status", {"verb": "update", "name": "a", "subresource": "status"}),
    ],
)
def test_verbs_and_resources_are_those_of_a_role(
    method: str, path: str, says: dict[str, str]
) -> None:
    place = {"group": "grctl.dev", "resource": "workflowruns", "namespace": "shop"}
    assert describe_request(method, path) == place | says


@pytest.mark.parametrize("path", ["/version", "/apis", "/openapi/v3/apis/grctl.dev/v1alpha1"])
def test_a_request_without_a_resource_is_logged_by_its_path(path: str) -> None:
    assert describe_request("GET", path) == {"verb": "get", "path": path}

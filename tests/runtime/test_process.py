"""The process as a person starts it, and how kopf ends with the operator's parts."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import aiohttp
import kopf
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from grctl.kube import Connection
from grctl_operator.runtime import process
from grctl_operator.runtime.leader.leadership import Leadership, LeadershipLostError
from grctl_operator.runtime.operator import Operator
from grctl_operator.runtime.process import _session, serve
from grctl_operator.runtime.settings import Settings
from tests.kube.peer import NAME, recording_server, write_kubeconfig
from tests.runtime.conftest import PATIENCE, Cluster

MORE_THAN_KOPF_TRIES = 30
COMMAND = (sys.executable, "-m", "grctl_operator", "--port", "0")


async def test_a_signal_ends_the_operator_in_order(cluster: Cluster) -> None:
    arguments = ("--namespace", cluster.namespace, "--kubeconfig", cluster.kubeconfig)
    process = await asyncio.create_subprocess_exec(*COMMAND, *arguments, stderr=PIPE)
    assert process.stderr is not None
    lines: list[str] = []
    async with asyncio.timeout(PATIENCE):
        while not lines or "operator ready" not in lines[-1]:
            lines.append((await process.stderr.readline()).decode())
        process.send_signal(signal.SIGTERM)
        lines.append((await process.stderr.read()).decode())
        assert await process.wait() == 0
    assert "operator stopped" in lines[-1]


async def test_a_killed_operator_that_is_started_again_leads_at_once(
    cluster: Cluster, unused_tcp_port: int
) -> None:
    arguments = ("--namespace", cluster.namespace, "--kubeconfig", cluster.kubeconfig)
    for _ in range(2):
        process = await asyncio.create_subprocess_exec(
            *COMMAND, *arguments, "--port", str(unused_tcp_port), stderr=PIPE
        )
        assert process.stderr is not None
        lines: list[str] = []
        async with asyncio.timeout(PATIENCE):
            while not lines or "operator leads" not in lines[-1]:
                lines.append((await process.stderr.readline()).decode())
        process.kill()
        await process.communicate()
    assert not any("standing by" in line for line in lines)


async def test_a_user_without_a_name_can_run_the_operator(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 65532")

    monkeypatch.setattr("getpass.getuser", nameless)
    monkeypatch.setattr(Operator, "begin", lambda operator: operator.ended.set())

    await serve(Settings((cluster.namespace,), kubeconfig=cluster.kubeconfig, dispatcher_port=0))


async def test_an_unusable_configuration_is_reported_in_one_line() -> None:
    arguments = ("--kubeconfig", "/nowhere/kubeconfig")
    process = await asyncio.create_subprocess_exec(*COMMAND, *arguments, stderr=PIPE)
    _, told = await process.communicate()
    assert process.returncode == 1
    assert "There is no kubeconfig /nowhere/kubeconfig" in told.decode()
    assert "Traceback" not in told.decode()


async def test_a_variable_that_is_not_a_number_is_reported() -> None:
    environment = os.environ | {"GRCTL_HTTP_PORT": "x"}
    process = await asyncio.create_subprocess_exec(*COMMAND, stderr=PIPE, env=environment)
    _, told = await process.communicate()
    assert process.returncode == 2
    assert told.decode() == "grctl operator: GRCTL_HTTP_PORT must be a port number, not 'x'\n"


def settings_of(cluster: Cluster) -> Settings:
    return Settings((cluster.namespace,), kubeconfig=cluster.kubeconfig, dispatcher_port=0)


async def test_a_lease_that_another_operator_has_ends_the_process(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(_self: Leadership) -> None:
        raise LeadershipLostError("another operator has it")

    monkeypatch.setattr(Leadership, "run", fails)
    with pytest.raises(LeadershipLostError, match="another operator has it"):
        async with asyncio.timeout(PATIENCE):
            await serve(settings_of(cluster))


async def test_kopf_connects_as_the_kubeconfig_says(tmp_path: Path) -> None:
    async with recording_server(tmp_path) as (server, asked, _):
        cluster = {"certificate-authority": "ca.pem", "tls-server-name": NAME}
        user = {"token": "t", "as": "ann", "as-groups": ["g1", "g2"]}
        path = write_kubeconfig(tmp_path / "config", server, cluster=cluster, user=user)
        kopfs = await _session(await Connection.find(path))
        async with kopfs.aiohttp_session as session, session.get(f"{server}/api") as answer:
            assert answer.status == 200

    groups = [("impersonate-group", "g1"), ("impersonate-group", "g2")]
    who = [("authorization", "Bearer t"), *groups, ("impersonate-user", "ann")]
    assert asked == [("/api", who)]


async def test_an_api_server_that_refuses_kopf_does_not_end_the_operator(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = 0
    operators: list[Operator] = []

    def keep(operator: Operator) -> None:
        operators.append(operator)

    async def refuse(_request: web.Request) -> web.Response:
        nonlocal refused
        refused += 1
        if refused == MORE_THAN_KOPF_TRIES:
            operators[0].ended.set()
        return web.json_response({"code": 403}, status=403)

    async def session(_connection: Connection) -> kopf.AiohttpSession:
        return kopf.AiohttpSession(server=str(server.make_url("")), aiohttp_session=plain)

    monkeypatch.setattr(process, "KOPF_PAUSES_S", ())
    monkeypatch.setattr(process, "LONGEST_KOPF_PAUSE_S", 0.001)
    monkeypatch.setattr(process, "_session", session)
    monkeypatch.setattr(Operator, "begin", keep)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", refuse)
    async with TestServer(app) as server, aiohttp.ClientSession() as plain:
        async with asyncio.timeout(PATIENCE):
            await serve(settings_of(cluster))
    assert refused >= MORE_THAN_KOPF_TRIES

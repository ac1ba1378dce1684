"""Kubeconfigs for our client and a stock kubectl, and the server that they name."""

import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from grctl.kube import Api, Connection
from tests.kube.peer import Requests, recording_server, run_kubectl, write_kubeconfig

PODS = "/api/v1/pods"
PLUGIN = """#!/bin/sh
echo "$KUBERNETES_EXEC_INFO" > {directory}/told
echo '{{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
  "status": {{"token": "from-plugin"}}}}'
"""


@dataclass
class Kubeconfigs:
    """A directory of kubeconfigs, and the recording server that they name."""

    directory: Path
    server: str
    requests: Requests
    certificate_names: list[str]
    """Name in the client certificate of each request that had one."""

    @property
    def port(self) -> int:
        return int(self.server.rpartition(":")[2])

    def read(self, name: str) -> str:
        return (self.directory / name).read_text(encoding="utf-8")

    def write_credential(self) -> None:
        """Write the output of a plugin that returns the certificate of `ann`."""
        certificate, key = self.read("client.pem"), self.read("client.key")
        status = {"clientCertificateData": certificate, "clientKeyData": key}
        head = {"apiVersion": PLUGIN_USER["apiVersion"], "kind": "ExecCredential"}
        text = json.dumps({**head, "status": status})
        (self.directory / "credential").write_text(text, encoding="utf-8")

    def write(self, name: str = "config", **parts: Any) -> Path:
        return write_kubeconfig(self.directory / name, parts.pop("server", self.server), **parts)

    async def request_by_both(self, environment: dict[str, str]) -> list[tuple[str, str]]:
        """Send a request by kubectl and by our client. Return the credentials, which are equal."""
        code, errors = await run_kubectl(environment)
        assert code == 0, errors
        await list_pods()
        (path, kubectls_headers), (our_path, our_headers) = self.requests[-2:]
        assert our_headers == kubectls_headers
        assert our_path == path
        return our_headers


async def list_pods() -> None:
    async with Api(await Connection.find()) as api:
        await api.get(PODS)


@pytest.fixture
async def configs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Kubeconfigs]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    plugin = tmp_path / "plugin"
    plugin.write_text(PLUGIN.format(directory=tmp_path), encoding="utf-8")
    plugin.chmod(0o700)
    (tmp_path / "token").write_text("from-file\n", encoding="utf-8")
    async with recording_server(tmp_path) as (server, requests, certificate_names):
        yield Kubeconfigs(tmp_path, server, requests, certificate_names)


def set_kubeconfig(
    monkeypatch: pytest.MonkeyPatch, *paths: Path | str, **more: str
) -> dict[str, str]:
    """Set $KUBECONFIG and other variables for our client. Return them, for kubectl."""
    environment = {"KUBECONFIG": os.pathsep.join(map(str, paths)), **more}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return environment


PLUGIN_USER = {
    "apiVersion": "client.authentication.k8s.io/v1",
    "command": "./plugin",
    "interactiveMode": "IfAvailable",
    "env": [{"name": "A", "value": "b"}],
}

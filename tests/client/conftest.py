"""A Kubernetes API for the client, and a stand-in for the operator."""

import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from grctl.client import Client
from grctl.client import access as client_access
from grctl.kube import CRDS, Api, Connection, Resource
from grctl.models.crds import all_crds
from grctl_local import LocalServer
from tests.client.stub_operator import StubOperator

NAMESPACES = Resource("/api/v1", "namespaces")


@dataclass(frozen=True)
class ApiServer:
    """An API server that has our CRDs, and a namespace of the test on it."""

    kubeconfig: Path
    namespace: str


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_access, "FIRST_RETRY_DELAY_S", 0.0)
    monkeypatch.delenv("GRCTL_NAMESPACE", raising=False)


@pytest.fixture
async def api_server(tmp_path: Path) -> AsyncIterator[ApiServer]:
    """Start the embedded API, or use the cluster of $GRCTL_TEST_KUBECONFIG."""
    path = os.environ.get("GRCTL_TEST_KUBECONFIG")
    async with _real_cluster(Path(path)) if path else _embedded(tmp_path) as server:
        yield server


@asynccontextmanager
async def _embedded(directory: Path) -> AsyncIterator[ApiServer]:
    async with LocalServer(kubeconfig_path=directory / "kubeconfig") as server:
        async with Api(await Connection.find(server.kubeconfig_path)) as api:
            for crd in all_crds():
                await api.create(CRDS.path(), crd)
        yield ApiServer(server.kubeconfig_path, "default")


@asynccontextmanager
async def _real_cluster(kubeconfig: Path) -> AsyncIterator[ApiServer]:
    """Create a namespace on a cluster that has our CRDs."""
    name = f"test-client-{uuid.uuid4().hex[:8]}"
    async with Api(await Connection.find(kubeconfig)) as api:
        await api.create(NAMESPACES.path(), {"metadata": {"name": name}})
        yield ApiServer(kubeconfig, name)
        await StubOperator(api, name).release_all()
        await api.delete(NAMESPACES.path(name=name))


@pytest.fixture
async def client(api_server: ApiServer) -> AsyncIterator[Client]:
    async with Client(namespace=api_server.namespace, kubeconfig=api_server.kubeconfig) as client:
        yield client


@pytest.fixture
async def operator(api_server: ApiServer) -> AsyncIterator[StubOperator]:
    async with Api(await Connection.find(api_server.kubeconfig)) as api:
        yield StubOperator(api, api_server.namespace)

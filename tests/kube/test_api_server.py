"""The client against the embedded API server, and against a server that is gone."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from grctl.kube import CRDS, RUNS, Api, Connection, UnreachableError, UntrustedServerError
from grctl.models.base import API_VERSION
from grctl.models.crds import all_crds
from grctl_local import LocalServer

RUN = {
    "apiVersion": API_VERSION,
    "kind": "WorkflowRun",
    "metadata": {"name": "order-1"},
    "spec": {"workflow": {"type": "ProcessOrder"}},
}


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[LocalServer]:
    async with LocalServer(kubeconfig_path=tmp_path / "kubeconfig") as server:
        yield server


async def test_a_table_has_the_printer_columns_by_name(server: LocalServer) -> None:
    async with Api(await Connection.find(server.kubeconfig_path)) as api:
        for crd in all_crds():
            await api.create(CRDS.path(), crd)
        empty = await api.table(RUNS.path("default"))
        await api.create(RUNS.path("default"), RUN)
        (row,) = await api.table(RUNS.path("default"))

    assert empty == []
    assert (row["Name"], row["Workflow"], row["Phase"]) == ("order-1", "ProcessOrder", "Pending")


async def test_a_server_with_a_certificate_of_another_authority_is_not_trusted(
    server: LocalServer, tmp_path: Path
) -> None:
    async with LocalServer(kubeconfig_path=tmp_path / "other") as other:
        text = server.kubeconfig_path.read_text(encoding="utf-8")
        server.kubeconfig_path.write_text(text.replace(server.url, other.url), encoding="utf-8")
        async with Api(await Connection.find(server.kubeconfig_path)) as api:
            with pytest.raises(UntrustedServerError, match="CERTIFICATE_VERIFY_FAILED"):
                await api.get("/version")


async def test_a_server_that_is_gone_is_unreachable(server: LocalServer) -> None:
    connection = await Connection.find(server.kubeconfig_path)
    await server.__aexit__(None, None, None)
    async with Api(connection) as api:
        with pytest.raises(UnreachableError, match=r"GET https://127\.0\.0\.1:"):
            await api.get("/version")

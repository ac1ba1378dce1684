"""The API server of the suite: that of $CONFORMANCE_KUBECONFIG, or an embedded one that it starts.

The tests do not know which of the two it is.
"""

import asyncio
import os
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.conformance.client import Api, eventually
from tests.conformance.kubeconfig import Access, load
from tests.conformance.widgets import CRDS, Widgets, definition, fresh_group
from tests.lab.kubectl import Kubectl

NAMESPACES = "/api/v1/namespaces"


@pytest.fixture(scope="session")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    given = os.environ.get("CONFORMANCE_KUBECONFIG")
    if given:
        yield Path(given)
        return
    path = tmp_path_factory.mktemp("grctl-local") / "kubeconfig"
    command = [sys.executable, "-m", "grctl_local", "--kubeconfig", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        assert server.stdout
        assert server.stdout.readline(), "the server has not started"
        yield path
        server.terminate()


@pytest.fixture(scope="session")
def access(kubeconfig: Path) -> Access:
    return load(kubeconfig)


@pytest.fixture(scope="session")
def group(access: Access) -> Iterator[str]:
    group = fresh_group()
    asyncio.run(_define(access, group))
    yield group
    asyncio.run(_undefine(access, group))


@pytest.fixture
async def api(access: Access) -> AsyncIterator[Api]:
    async with Api(access) as api:
        yield api


@pytest.fixture(scope="session")
def used_namespaces(access: Access) -> Iterator[list[str]]:
    """Collect namespaces and delete them at the end, because a cluster takes long for each."""
    names: list[str] = []
    yield names
    asyncio.run(_delete_namespaces(access, names))


@pytest.fixture
async def namespace(api: Api, used_namespaces: list[str]) -> str:
    name = f"conformance-{secrets.token_hex(4)}"
    used_namespaces.append(name)
    (await api.post(NAMESPACES, {"metadata": {"name": name}})).expect(201)
    return name


@pytest.fixture
def widgets(api: Api, group: str, namespace: str) -> Widgets:
    return Widgets(api, group, namespace)


@pytest.fixture
def kubectl(kubeconfig: Path, namespace: str, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    return Kubectl(kubeconfig, namespace, tmp_path_factory.getbasetemp())


async def _define(access: Access, group: str) -> None:
    async with Api(access) as api:
        (await api.post(CRDS, definition(group))).expect(201)
        await eventually(lambda: _is_served(api, group))


async def _is_served(api: Api, group: str) -> bool:
    documents = (await api.get("/openapi/v3")).expect(200)["paths"]
    listed = await api.get(f"/apis/{group}/v1/widgets")
    return listed.status == 200 and f"apis/{group}/v1" in documents


async def _delete_namespaces(access: Access, names: list[str]) -> None:
    async with Api(access) as api:
        for name in names:
            await api.delete(f"{NAMESPACES}/{name}")


async def _undefine(access: Access, group: str) -> None:
    async with Api(access) as api:
        await _remove_finalizers(api, group)
        await api.delete(f"{CRDS}/widgets.{group}")


async def _remove_finalizers(api: Api, group: str) -> None:
    """Remove the finalizers that tests left behind, which would keep their namespaces forever."""
    left = (await api.get(f"/apis/{group}/v1/widgets")).expect(200)["items"]
    for widget in left:
        if widget["metadata"].get("finalizers"):
            widgets = Widgets(api, group, widget["metadata"]["namespace"])
            path = widgets.at(widget["metadata"]["name"])
            await api.patch(path, {"metadata": {"finalizers": None}})

import asyncio
from pathlib import Path

from grctl.kube import Api, Connection, Resource
from grctl.kube.connector import Connector
from grctl_local import LocalServer

NAMESPACES = Resource("/api/v1", "namespaces")


async def test_an_abandoned_connection_is_closed_with_its_client(tmp_path: Path) -> None:
    async with LocalServer(kubeconfig_path=tmp_path / "kubeconfig") as server:
        async with Api(await Connection.find(server.kubeconfig_path)) as api:
            async for _ in api.watch(NAMESPACES.path(), {"resourceVersion": "0"}):
                break
            opened = [each.get_extra_info("socket") for each in _transports(api)]
        assert [each.fileno() for each in opened] == [-1]


def _transports(api: Api) -> list[asyncio.Transport]:
    assert api._watching is not None
    connector = api._watching.connector
    assert isinstance(connector, Connector)
    return list(connector._transports)

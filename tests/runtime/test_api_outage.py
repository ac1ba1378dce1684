"""An API server that goes away and comes back with everything it had."""

import asyncio
import secrets
from contextlib import AsyncExitStack
from pathlib import Path

from grctl.kube import Api, Connection, UnreachableError
from grctl.models.directive import Complete, WaitForEvent
from grctl_local import LocalServer
from grctl_operator.runtime.operator import Operator
from grctl_operator.runtime.settings import Settings
from tests.runtime.conftest import NAMESPACES, PATIENCE, Cluster, _install_crds
from tests.runtime.played_worker import catalogue, connected, hello


async def test_an_outcome_brought_while_the_api_server_is_away_is_committed(
    tmp_path: Path,
) -> None:
    data, kubeconfig = tmp_path / "data", tmp_path / "kubeconfig"
    async with AsyncExitStack() as stack:
        async with LocalServer(data=data, kubeconfig_path=kubeconfig) as server:
            port = int(server.url.rpartition(":")[2])
            cluster = await prepared(stack, kubeconfig)
            operator = await started(stack, kubeconfig)
            greeting = hello(catalogue("Order", "approve"), namespace=cluster.namespace)
            worker = await stack.enter_async_context(connected(operator.port, greeting))
            await cluster.start("order-1")
            await worker.succeeds(await worker.executes(), WaitForEvent())
            await cluster.until_phase("order-1", "WaitEvent")
            await cluster.send("order-1", "approve")
            execute = await worker.executes()
        await until_unreachable(cluster.api)
        await worker.succeeds(execute, Complete(result="kept"))
        await stack.enter_async_context(
            LocalServer(data=data, port=port, kubeconfig_path=kubeconfig)
        )
        run = await cluster.until_phase("order-1", "Completed")
        assert operator.failure is None
        await operator.stop()
    assert run["status"]["result"] == "kept"
    assert run["status"]["commits"] == 2


async def prepared(stack: AsyncExitStack, kubeconfig: Path) -> Cluster:
    api = await stack.enter_async_context(Api(await Connection.find(kubeconfig)))
    await _install_crds(api)
    namespace = f"runtime-{secrets.token_hex(4)}"
    await api.create(NAMESPACES.path(), {"metadata": {"name": namespace}})
    return Cluster(api, namespace, str(kubeconfig))


async def started(stack: AsyncExitStack, kubeconfig: Path) -> Operator:
    operator = Operator(Settings(kubeconfig=str(kubeconfig), dispatcher_port=0))
    stack.push_async_callback(operator.stop)
    await operator.connect()
    operator.begin()
    return operator


async def until_unreachable(api: Api) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                await api.get("/version")
            except UnreachableError:
                return

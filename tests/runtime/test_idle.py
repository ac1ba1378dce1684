"""An operator with nothing to do asks for nothing: counted by the API server, over half an hour."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from grctl.kube import Api, Connection
from grctl.models.directive import Complete, WaitForEvent
from grctl_local import LocalServer
from grctl_operator.runtime.operator import Operator
from grctl_operator.runtime.settings import Settings
from tests.runtime.conftest import NAMESPACES, Cluster, _install_crds
from tests.runtime.leaping import LeapingLoop
from tests.runtime.played_worker import PlayedWorker, connected
from tests.runtime.test_operator import greeting

IDLE = 1800.0  # s
STREAM = 290.0  # s: what a watch lasts at least

ALLOWED = {"update leases"}
"""What an idle operator may ask for, beside opening a watch anew: its renewals."""


def asked(log: Path) -> Counter[str]:
    """Count what operators asked for, by the server's own log."""
    lines = map(json.loads, log.read_text(encoding="utf-8").splitlines())
    return Counter(
        f"{line['verb']} {line.get('resource') or line['path']}"
        for line in lines
        if line["userAgent"] == "grctl-operator"
    )


@asynccontextmanager
async def operated(directory: Path) -> AsyncIterator[tuple[Cluster, Operator]]:
    """Yield a namespace of an API server that logs, and an operator of it."""
    kubeconfig = directory / "kubeconfig"
    async with (
        LocalServer(kubeconfig_path=kubeconfig, audit_log=directory / "audit.jsonl"),
        Api(await Connection.find(kubeconfig)) as api,
    ):
        await _install_crds(api)
        await api.create(NAMESPACES.path(), {"metadata": {"name": "shop"}})
        operator = Operator(Settings(kubeconfig=str(kubeconfig), dispatcher_port=0))
        await operator.connect()
        operator.begin()
        try:
            yield Cluster(api, "shop", str(kubeconfig)), operator
            assert operator.failure is None
        finally:
            await operator.stop()


async def busy_then_waiting(cluster: Cluster, worker: PlayedWorker) -> None:
    """Leave behind what an operator may be idle with: each has had all that is due to it."""
    await cluster.start("waits")
    await worker.succeeds(await worker.executes(), WaitForEvent())
    await cluster.until_phase("waits", "WaitEvent")
    await cluster.start("done")
    await worker.succeeds(await worker.executes(), Complete())
    done = await cluster.until_phase("done", "Completed")
    await cluster.until_core_event(done["metadata"]["uid"], "Completed")
    sent = await cluster.send("waits", "approve")
    await worker.succeeds(await worker.executes(), WaitForEvent())
    await cluster.until_settled(sent)
    lonely = await cluster.start("lonely", "NobodyServesThis")
    early = await cluster.send("nobody", "approve")
    await cluster.until_core_event(lonely["metadata"]["uid"], "NoWorker")
    await cluster.until_core_event(early["metadata"]["uid"], "NoSuchRun")


async def listen(worker: PlayedWorker) -> None:
    """Read as a worker does, so that its heartbeats are answered."""
    while True:
        await worker.socket.receive()


async def idle(loop: LeapingLoop, directory: Path) -> Counter[str]:
    """Return the requests of an operator while nothing happened."""
    async with (
        operated(directory) as (cluster, operator),
        connected(operator.port, greeting(cluster)) as worker,
    ):
        await busy_then_waiting(cluster, worker)
        listening = asyncio.create_task(listen(worker))
        before = asked(directory / "audit.jsonl")
        await loop.let_pass(IDLE)
        after = asked(directory / "audit.jsonl")
        assert operator.deciding.registry.connected == 1
        listening.cancel()
    return after - before


def test_an_operator_that_has_nothing_to_do_asks_for_nothing_but_its_lease(tmp_path: Path) -> None:
    loop = LeapingLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        counted = runner.run(idle(loop, tmp_path))
    watches = {name: count for name, count in counted.items() if name.startswith("watch ")}
    assert set(counted) - set(watches) == ALLOWED
    assert set(watches) <= {"watch workflowruns", "watch workflowevents", "watch leases"}
    assert max(watches.values()) <= IDLE / STREAM
    assert IDLE / 10 < counted["update leases"] <= IDLE / 3 + 1

"""API, operator, worker and client in this process: everything that an example needs."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from grctl.client import Client
from grctl.kube import CRDS, RUNS, Api, Connection
from grctl.models import RunInfo, RunPhase
from grctl.models.crds import all_crds
from grctl.worker import Worker
from grctl.workflow import Handler, Workflow
from grctl_local import LocalServer
from grctl_local.clock import Clock, system_clock
from grctl_operator.runtime.operator import Operator
from grctl_operator.runtime.settings import Settings

STATE_DEADLINE_S = 60.0  # for one state to come; most come within milliseconds


class MovableClock:
    """The API server's clock: it goes as ours does, and can be moved ahead."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass(frozen=True)
class Stage:
    """Everything around an example that runs."""

    client: Client
    operator: Operator
    api: Api
    kubeconfig: Path

    async def until(self, workflow_id: str, phase: RunPhase) -> RunInfo:
        """Wait until a run has a phase."""
        path = RUNS.path("default")
        handle = await self.client.get_workflow_handle(workflow_id=workflow_id)
        async with asyncio.timeout(STATE_DEADLINE_S):
            version = (await self.api.get(path))["metadata"]["resourceVersion"]
            while (info := await handle.describe()).phase is not phase:
                version = await self._next_change(path, version)
        return info

    async def _next_change(self, path: str, version: str) -> str:
        changes = self.api.watch(path, {"resourceVersion": version})
        async with contextlib.aclosing(changes):  # type: ignore[type-var]
            async for change in changes:
                found: str = change["object"]["metadata"]["resourceVersion"]
                return found
        return version


@asynccontextmanager
async def directly(port: int) -> AsyncIterator[int]:
    """Yield the operator's own port: the worker connects to it without a relay."""
    yield port


@asynccontextmanager
async def staged(
    directory: Path,
    *workflows: Workflow | Handler[Any],
    clock: Clock = system_clock,
    through: Callable[[int], AbstractAsyncContextManager[int]] = directly,
) -> AsyncIterator[Stage]:
    """Run API, operator, worker and client.

    The operator counts as started long ago: it rejects a mistyped event at once.

    Args:
        directory: Where the kubeconfig is written.
        workflows: What the worker serves.
        clock: The API server's clock.
        through: Yields the port that the worker connects to, given the operator's port.
    """
    async with (
        LocalServer(kubeconfig_path=directory / "kubeconfig", clock=clock) as server,
        Api(await Connection.find(server.kubeconfig_path)) as api,
    ):
        for crd in all_crds():
            await api.create(CRDS.path(), crd)
        async with (
            _operating(server.kubeconfig_path) as operator,
            through(operator.port) as port,
            _working(Worker(workflows, f"http://127.0.0.1:{port}")),
            Client(kubeconfig=server.kubeconfig_path) as client,
        ):
            yield Stage(client, operator, api, server.kubeconfig_path)


@asynccontextmanager
async def _operating(kubeconfig: Path) -> AsyncIterator[Operator]:
    operator = Operator(Settings(kubeconfig=str(kubeconfig), dispatcher_port=0))
    await operator.connect()
    operator.begin()
    await operator.decides.wait()
    operator.deciding.registry.accepting_since -= timedelta(seconds=10)
    try:
        yield operator
        assert operator.failure is None
    finally:
        await operator.stop()


@asynccontextmanager
async def _working(worker: Worker) -> AsyncIterator[None]:
    running = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        worker.stop()
        await running


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GRCTL_NAMESPACE", "GRCTL_OPERATOR_URL", "GRCTL_WORKER_NAME", "KUBECONFIG"):
        monkeypatch.delenv(name, raising=False)

"""Sandbox: a namespace of its own, and the processes that live in it.

Nothing here belongs to an event loop, so scenarios that do not kill anything can share one.
"""

import contextlib
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from grctl.kube import RUNS, Api, Connection, Resource
from tests.lab.gate import DIRECTORY, Gate
from tests.lab.processes import (
    GRCTL,
    ROOT,
    Process,
    Processes,
    bare_environment,
    free_port,
)

NAMESPACES = Resource("/api/v1", "namespaces")
WORKFLOWS = ("tests.lab.workflows:append", "tests.lab.workflows:deadline")


@dataclass
class Sandbox:
    """Where processes run."""

    kubeconfig: Path
    namespace: str
    directory: Path
    """Its files: logs, gates, what workers wrote down."""
    processes: Processes
    ports: dict[str, int] = field(default_factory=dict)
    """Where each operator listens for workers, by its name."""

    def operator(
        self, *flags: str, name: str = "operator", kubeconfig: Path | None = None
    ) -> Process:
        """Describe an operator, by default one of the sandbox's own API server."""
        port = self.ports[name] = free_port()
        command = [*GRCTL, "operator", "--namespace", self.namespace, "--port", str(port), *flags]
        return self.processes.add(name, command, self.environment(kubeconfig))

    def worker(self, *flags: str, name: str = "worker", operator: str = "operator") -> Process:
        """Describe a worker of all workflows of the scenarios."""
        url = f"http://127.0.0.1:{self.ports[operator]}"
        command = [*GRCTL, "worker", *WORKFLOWS, "--operator-url", url, "--name", name]
        command += ["--namespace", self.namespace, *flags]
        return self.processes.add(name, command, self.environment())

    async def play(self) -> tuple[Process, Process]:
        """Start an operator and a worker, and wait until both are ready."""
        operator = self.operator().start()
        worker = self.worker().start()
        await operator.until_said("operator ready")
        await worker.until_said("connected")
        return operator, worker

    def gate(self, name: str) -> Gate:
        """Give a gate at which handlers wait."""
        return Gate(name, self.directory)

    def environment(self, kubeconfig: Path | None = None) -> dict[str, str]:
        """Give what a process of this sandbox is started with."""
        return {
            **bare_environment(),
            "KUBECONFIG": str(kubeconfig or self.kubeconfig),
            "HOME": str(self.directory),
            "PYTHONPATH": str(ROOT),
            DIRECTORY: str(self.directory),
        }


@asynccontextmanager
async def new_sandbox(
    kubeconfig: Path, directory: Path, processes: Processes | None = None
) -> AsyncIterator[Sandbox]:
    """Take new sandbox; leaving it ends all processes, and has the namespace go.

    Args:
        kubeconfig: Of an API server that knows our resources.
        directory: For its files.
        processes: Those that are there already, such as an API server of its own.
    """
    namespace = f"scenario-{secrets.token_hex(4)}"
    with processes or Processes(directory) as owned:
        others = len(owned.all)
        async with Api(await Connection.find(kubeconfig)) as api:
            await api.create(NAMESPACES.path(), {"metadata": {"name": namespace}})
            try:
                yield Sandbox(kubeconfig, namespace, directory, owned)
            finally:
                owned.kill(owned.all[others:])
                await _clear(api, namespace)


async def _clear(api: Api, namespace: str) -> None:
    """Have the namespace go. Its operator is gone, and would have added the finalizers again."""
    with contextlib.suppress(Exception):  # it may be the API server that did not survive
        for item in (await api.get(RUNS.path(namespace)))["items"]:
            path = RUNS.path(namespace, item["metadata"]["name"])
            await api.merge(path, {"metadata": {"finalizers": None}})
        await api.delete(NAMESPACES.path(name=namespace))

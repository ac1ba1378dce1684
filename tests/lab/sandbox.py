"""A namespace of its own, and the processes that run in it.

Nothing here belongs to an event loop, so tests that kill nothing can share a sandbox.
"""

import contextlib
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from grctl.kube import RUNS, Api, Connection
from grctl.models import HandlerKind
from tests.lab.gate import DIRECTORY, Gate
from tests.lab.metrics import Figures, read_figures
from tests.lab.processes import GRCTL, ROOT, Process, Processes, bare_environment, free_port
from tests.lab.service import Service
from tests.lab.waiting import NAMESPACES
from tests.lab.workflows import WORKFLOWS


@dataclass(kw_only=True)
class Sandbox:
    """Where the processes of a test run."""

    kubeconfig: Path
    namespace: str
    directory: Path
    """Its files: logs, gates, and what workers write."""
    processes: Processes
    workflows: Sequence[str] = WORKFLOWS
    """What its workers serve."""
    variables: dict[str, str] = field(default_factory=dict)
    """Environment variables of its processes, beside those of every sandbox."""
    ports: dict[str, int] = field(default_factory=dict)
    """The port on which each operator listens for workers, by the operator's name."""
    http_ports: dict[str, int] = field(default_factory=dict)
    """The port of each operator's metrics."""

    def operator(
        self, *flags: str, name: str = "operator", kubeconfig: Path | None = None
    ) -> Process:
        """Add an operator, by default one of the sandbox's own API server."""
        port, http_port = free_port(), free_port()
        self.ports[name], self.http_ports[name] = port, http_port
        command = [*GRCTL, "operator", "--namespace", self.namespace, "--port", str(port)]
        command += ["--http-port", str(http_port), *flags]
        return self.processes.add(name, command, self.environment(kubeconfig))

    def worker(self, *flags: str, name: str = "worker", operator: str = "operator") -> Process:
        """Add a worker that serves the sandbox's workflows and knows one operator's address."""
        url = f"http://127.0.0.1:{self.ports[operator]}"
        command = [*GRCTL, "worker", *self.workflows, "--operator-url", url, "--name", name]
        command += ["--namespace", self.namespace, *flags]
        return self.processes.add(name, command, self.environment())

    async def start_both(self, *flags: str) -> tuple[Process, Process]:
        """Start an operator and a worker, with the same flags, and wait until both are ready."""
        operator = self.operator(*flags).start()
        worker = self.worker(*flags).start()
        await operator.until_logged("operator ready")
        await worker.until_logged("connected")
        return operator, worker

    async def figures(self, operator: str = "operator") -> Figures:
        """Read an operator's metrics."""
        return await read_figures(self.http_ports[operator])

    def gate(self, name: str) -> Gate:
        """Return a gate at which handlers wait."""
        return Gate(name, self.directory)

    @property
    def service(self) -> Service:
        """The service that tasks call."""
        return Service(self.directory)

    def environment(self, kubeconfig: Path | None = None) -> dict[str, str]:
        """Return the environment of a process of this sandbox."""
        return {
            **bare_environment(),
            "KUBECONFIG": str(kubeconfig or self.kubeconfig),
            "HOME": str(self.directory),
            "PYTHONPATH": str(ROOT),
            DIRECTORY: str(self.directory),
            **self.variables,
        }


@asynccontextmanager
async def new_sandbox(
    kubeconfig: Path,
    directory: Path,
    processes: Processes | None = None,
    workflows: Sequence[str] = WORKFLOWS,
) -> AsyncIterator[Sandbox]:
    """Make a sandbox; leaving it ends its processes and deletes its namespace.

    Args:
        kubeconfig: Of an API server that knows our resources.
        directory: For the sandbox's files.
        processes: Those that are there already, such as an API server of the test's own.
        workflows: What its workers serve.
    """
    namespace = f"scenario-{secrets.token_hex(4)}"
    with processes or Processes(directory) as all_of_them:
        others = len(all_of_them.all)
        async with Api(await Connection.find(kubeconfig)) as api:
            await api.create(NAMESPACES.path(), {"metadata": {"name": namespace}})
            try:
                yield Sandbox(
                    kubeconfig=kubeconfig,
                    namespace=namespace,
                    directory=directory,
                    processes=all_of_them,
                    workflows=workflows,
                )
            finally:
                all_of_them.kill(all_of_them.all[others:])
                await _delete(api, namespace)


def event_names(workflows: Sequence[str]) -> dict[str, frozenset[str]]:
    """Return the event names that each workflow type handles, of workflows as workers name them."""
    named = (each.partition(":") for each in workflows)
    found = [getattr(import_module(module), name) for module, _, name in named]
    return {each.workflow_type: frozenset(each.names(HandlerKind.EVENT)) for each in found}


async def _delete(api: Api, namespace: str) -> None:
    """Delete the namespace. Its operator has ended, and would have removed the finalizers."""
    with contextlib.suppress(Exception):  # the API server itself may not have survived
        for item in (await api.get(RUNS.path(namespace)))["items"]:
            path = RUNS.path(namespace, item["metadata"]["name"])
            await api.merge(path, {"metadata": {"finalizers": None}})
        await api.delete(NAMESPACES.path(name=namespace))

"""Stage: where one scenario plays: a namespace, the processes in it, and the ways to act.

1. A test acts as people do: by a stock kubectl, the command line and the SDK.
2. Its namespace is its own, and its operator serves only that.
3. All that happens in it is recorded; `check_history` says whether it may have happened so.
4. Leaving it ends all processes, and takes off what would keep the namespace from going.
"""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grctl.client import Client
from grctl.client.access import Access
from grctl.kube import EVENTS, RUNS, Api, Connection, Resource
from grctl.models import WorkflowEvent, WorkflowRun
from tests.conformance.kubectl import Kubectl
from tests.history.checks import violations
from tests.history.executions import recorded
from tests.history.recorder import Recorder
from tests.history.sender import NotingClient
from tests.scenarios.gate import DIRECTORY, Gate
from tests.scenarios.processes import (
    GRCTL,
    PATIENCE,
    ROOT,
    Process,
    Processes,
    bare_environment,
    free_port,
)
from tests.scenarios.workflows import HANDLERS

NAMESPACES = Resource("/api/v1", "namespaces")
WORKFLOWS = ("tests.scenarios.workflows:append", "tests.scenarios.workflows:deadline")

Json = dict[str, Any]


@dataclass
class Stage:
    """What a scenario has."""

    kubeconfig: Path
    namespace: str
    directory: Path
    """Its files: logs, gates, what workers wrote down."""
    processes: Processes
    client: Client
    api: Api
    recorder: Recorder
    kubectl: Kubectl
    ports: dict[str, int] = field(default_factory=dict)
    """Where each operator listens for workers, by its name."""

    def operator(
        self, *flags: str, name: str = "operator", kubeconfig: Path | None = None
    ) -> Process:
        """Describe an operator, by default one of the stage's own API server."""
        port = self.ports[name] = free_port()
        command = [*GRCTL, "operator", "--namespace", self.namespace, "--port", str(port), *flags]
        return self._process(name, command, kubeconfig)

    def worker(self, *flags: str, name: str = "worker", operator: str = "operator") -> Process:
        """Describe a worker of all workflows of the scenarios, or of those in `flags`."""
        url = f"http://127.0.0.1:{self.ports[operator]}"
        modules = () if any(":" in flag for flag in flags) else WORKFLOWS
        command = [*GRCTL, "worker", *modules, "--operator-url", url, "--name", name]
        return self._process(name, [*command, "--namespace", self.namespace, *flags])

    async def play(self) -> tuple[Process, Process]:
        """Start an operator and a worker, and wait until both are ready."""
        operator = self.operator().start()
        worker = self.worker().start()
        await operator.until_said("operator ready")
        await worker.until_said("connected")
        return operator, worker

    async def grctl(self, *arguments: str, fails: bool = False) -> str:
        """Run a command of `grctl`; give what it prints."""
        process = await asyncio.create_subprocess_exec(
            *GRCTL,
            *arguments,
            cwd=ROOT,
            env=self._environment() | {"GRCTL_NAMESPACE": self.namespace},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(PATIENCE):
            said = (await process.communicate())[0].decode()
        assert bool(process.returncode) == fails, f"grctl {arguments}: {said}"
        return said

    async def withdraw(self, name: str) -> None:
        """Delete an event by kubectl."""
        self.recorder.withdrawals.add((await self.event(name)).metadata.uid)
        await self.kubectl("delete", "wfe", name)

    async def check_history(self) -> None:
        """Wait until what was sent is settled; then all that was seen must be allowed."""
        await self.recorder.settled()
        await self.recorder.catch_up()
        found = violations(self.recorder.history(recorded(self.directory), HANDLERS))
        assert not found, "\n".join(["The history is not allowed:", *found])

    def gate(self, name: str) -> Gate:
        """Give a gate at which handlers wait."""
        return Gate(name, self.directory)

    async def run(self, name: str) -> WorkflowRun:
        """Read a run."""
        return WorkflowRun.model_validate(await self.api.get(RUNS.path(self.namespace, name)))

    async def event(self, name: str) -> WorkflowEvent:
        """Read an event."""
        return WorkflowEvent.model_validate(await self.api.get(EVENTS.path(self.namespace, name)))

    async def until_run(self, name: str, holds: Callable[[WorkflowRun], bool]) -> WorkflowRun:
        """Wait until a run is as it should be."""

        def judge(item: Json | None) -> WorkflowRun | None:
            run = WorkflowRun.model_validate(item) if item else None
            return run if run and holds(run) else None

        run: WorkflowRun = await self._until(RUNS, name, judge)
        return run

    async def until_gone(self, resource: Resource, name: str) -> None:
        """Wait until there is no such object."""
        await self._until(resource, name, lambda item: True if item is None else None)

    async def _until(
        self, resource: Resource, name: str, judge: Callable[[Json | None], Any]
    ) -> Any:
        seen: list[Json | None] = [None]

        def watched(item: Json | None) -> Any:
            seen[0] = item
            return judge(item)

        try:
            async with asyncio.timeout(PATIENCE):
                return await Access(self.api, self.namespace).follow(resource, name, watched)
        except TimeoutError:
            raise AssertionError(f"{name} stayed {seen[0]}") from None

    def _process(self, name: str, command: list[str], kubeconfig: Path | None = None) -> Process:
        return self.processes.add(name, command, self._environment(kubeconfig))

    def _environment(self, kubeconfig: Path | None = None) -> dict[str, str]:
        return {
            **bare_environment(),
            "KUBECONFIG": str(kubeconfig or self.kubeconfig),
            "HOME": str(self.directory),
            "PYTHONPATH": str(ROOT),
            DIRECTORY: str(self.directory),
        }


@asynccontextmanager
async def staged(
    kubeconfig: Path, directory: Path, processes: Processes | None = None
) -> AsyncIterator[Stage]:
    """Set up a stage; leaving it ends everything.

    Args:
        kubeconfig: Of an API server that knows our resources.
        directory: For the scenario's files.
        processes: Those that are there already, such as an API server of its own.
    """
    namespace = f"scenario-{secrets.token_hex(4)}"
    kubectl = Kubectl(kubeconfig, namespace, directory)
    with processes or Processes(directory) as owned:
        async with (
            Api(await Connection.find(kubeconfig)) as api,
            Recorder(api, namespace) as recorder,
            NotingClient(recorder, namespace, kubeconfig) as client,
        ):
            await api.create(NAMESPACES.path(), {"metadata": {"name": namespace}})
            try:
                yield Stage(kubeconfig, namespace, directory, owned, client, api, recorder, kubectl)
            finally:
                await _clear(api, namespace)


async def _clear(api: Api, namespace: str) -> None:
    """Have the namespace go, also with runs that no operator will let go any more."""
    with contextlib.suppress(Exception):  # it may be the API server that did not survive
        for item in (await api.get(RUNS.path(namespace)))["items"]:
            path = RUNS.path(namespace, item["metadata"]["name"])
            await api.merge(path, {"metadata": {"finalizers": None}})
        await api.delete(NAMESPACES.path(name=namespace))

"""Lab: what one scenario plays with: the ways to act, and the record of all that happens.

1. A test acts as people do: by a stock kubectl, the command line and the SDK.
2. All that happens is recorded; `check_history` says whether it may have happened so.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grctl.client import Client, WorkflowHandle
from grctl.client.access import Access
from grctl.kube import EVENTS, RUNS, Api, Connection, Resource
from grctl.models import WorkflowEvent, WorkflowRun
from tests.conformance.kubectl import Kubectl
from tests.history.checks import violations
from tests.history.executions import recorded
from tests.history.recorder import Recorder
from tests.history.sender import NotingClient
from tests.lab.following import followed
from tests.lab.processes import GRCTL, PATIENCE, ROOT, Processes
from tests.lab.sandbox import Sandbox, new_sandbox
from tests.lab.workflows import HANDLERS

Json = dict[str, Any]


@dataclass
class _Ways:
    """The ways to act and to look."""

    client: Client
    api: Api
    recorder: Recorder
    kubectl: Kubectl


@dataclass
class Lab(Sandbox, _Ways):
    """A sandbox, and the ways to act and to look on it."""

    async def grctl(self, *arguments: str, fails: bool = False) -> str:
        """Run a command of `grctl`; give what it prints."""
        process = await asyncio.create_subprocess_exec(
            *GRCTL,
            *arguments,
            cwd=ROOT,
            env=self.environment() | {"GRCTL_NAMESPACE": self.namespace},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(PATIENCE):
            said = (await process.communicate())[0].decode()
        assert bool(process.returncode) == fails, f"grctl {arguments}: {said}"
        return said

    async def start(self, workflow_id: str, workflow_type: str = "Append") -> WorkflowHandle:
        """Start a run by the SDK."""
        return await self.client.start_workflow(
            workflow_type=workflow_type, workflow_id=workflow_id
        )

    async def withdraw(self, name: str) -> str:
        """Delete an event by kubectl; give what that prints."""
        self.recorder.withdrawals.add(name)
        return await self.kubectl("delete", "wfe", name)

    async def check_history(
        self, handlers: Mapping[str, frozenset[str]] = HANDLERS, patience: float = PATIENCE
    ) -> None:
        """Wait until what was sent is settled; then all that was seen must be allowed.

        Args:
            handlers: Event names that each workflow type handles.
            patience: Seconds for what was sent to be settled.
        """
        await self.recorder.settled(patience)
        await self.recorder.catch_up()
        found = violations(self.recorder.history(recorded(self.directory), handlers))
        assert not found, "\n".join(["The history is not allowed:", *found])

    async def run(self, name: str) -> WorkflowRun:
        """Read a run."""
        return WorkflowRun.model_validate(await self.api.get(RUNS.path(self.namespace, name)))

    async def event(self, name: str) -> WorkflowEvent:
        """Read an event."""
        return WorkflowEvent.model_validate(await self.api.get(EVENTS.path(self.namespace, name)))

    async def until_run(
        self, name: str, holds: Callable[[WorkflowRun], bool], patience: float = PATIENCE
    ) -> WorkflowRun:
        """Wait until a run is as it should be."""

        def judge(item: Json | None) -> WorkflowRun | None:
            run = WorkflowRun.model_validate(item) if item else None
            return run if run and holds(run) else None

        run: WorkflowRun = await self._until(RUNS, name, judge, patience)
        return run

    async def until_gone(self, resource: Resource, name: str, patience: float = PATIENCE) -> None:
        """Wait until there is no such object."""
        await self._until(resource, name, lambda item: True if item is None else None, patience)

    async def _until(
        self,
        resource: Resource,
        name: str,
        judge: Callable[[Json | None], Any],
        patience: float = PATIENCE,
    ) -> Any:
        access = Access(self.api, self.namespace)
        return await followed(access, resource, name, judge, patience)


@asynccontextmanager
async def new_lab(
    kubeconfig: Path, directory: Path, processes: Processes | None = None
) -> AsyncIterator[Lab]:
    """Set up a lab on sandbox of its own; takes what `new_sandbox` takes."""
    async with new_sandbox(kubeconfig, directory, processes) as sandbox, lab_in(sandbox) as lab:
        yield lab


@asynccontextmanager
async def lab_in(sandbox: Sandbox) -> AsyncIterator[Lab]:
    """Set up a lab; what happened on its sandbox before is no part of its record."""
    async with (
        Api(await Connection.find(sandbox.kubeconfig)) as api,
        Recorder(api, sandbox.namespace) as recorder,
        NotingClient(recorder, sandbox.namespace, sandbox.kubeconfig) as client,
    ):
        kubectl = Kubectl(sandbox.kubeconfig, sandbox.namespace, sandbox.directory)
        yield Lab(client, api, recorder, kubectl, **vars(sandbox))

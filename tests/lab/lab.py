"""Lab: what one scenario plays with: the ways to act, and the record of all that happens.

1. A test acts as people do: by a stock kubectl, the command line and the SDK.
2. All that happens is recorded; `check_history` says whether it may have happened so.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grctl.client import Client, WorkflowHandle
from grctl.kube import EVENTS, RUNS, Api, Connection
from grctl.models import WorkflowEvent, WorkflowRun
from tests.history.calls import read_calls
from tests.history.checks import assert_allowed
from tests.history.executions import read_executions
from tests.history.history import History
from tests.history.recorder import Recorder
from tests.history.recording_client import RecordingClient
from tests.lab.kubectl import Kubectl
from tests.lab.processes import GRCTL, ROOT, Processes
from tests.lab.sandbox import Sandbox, event_names, new_sandbox
from tests.lab.waiting import PATIENCE_S, Waiting
from tests.lab.workflows import WORKFLOWS

Json = dict[str, Any]


@dataclass(kw_only=True)
class Lab(Waiting, Sandbox):
    """A sandbox, the ways to act in it, and the record of what happens."""

    client: Client
    api: Api
    recorder: Recorder
    kubectl: Kubectl

    async def grctl(self, *arguments: str, fails: bool = False) -> str:
        """Run a command of `grctl` and return what it prints."""
        process = await asyncio.create_subprocess_exec(
            *GRCTL,
            *arguments,
            cwd=ROOT,
            env=self.environment() | {"GRCTL_NAMESPACE": self.namespace},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(PATIENCE_S):
            said = (await process.communicate())[0].decode()
        assert bool(process.returncode) == fails, f"grctl {arguments}: {said}"
        return said

    async def start(self, workflow_id: str, workflow_type: str = "Append") -> WorkflowHandle:
        """Start a run by the SDK."""
        return await self.client.start_workflow(
            workflow_type=workflow_type, workflow_id=workflow_id
        )

    async def withdraw(self, name: str) -> str:
        """Delete an event by kubectl and return what that prints."""
        self.recorder.withdrawals.add(name)
        return await self.kubectl("delete", "wfe", name)

    async def check_history(self, patience: float = PATIENCE_S) -> None:
        """Wait until all events are settled, then check everything that was seen.

        Args:
            patience: Seconds for the events to be settled.
        """
        await self.recorder.until_settled(patience)
        await self.recorder.catch_up()
        assert_allowed(self.history())

    def history(self) -> History:
        """Return what was seen so far."""
        started, calls = read_executions(self.directory), read_calls(self.directory)
        return self.recorder.history(started, event_names(self.workflows), calls)

    async def run(self, name: str) -> WorkflowRun:
        """Read a run."""
        return WorkflowRun.model_validate(await self.api.get(RUNS.path(self.namespace, name)))

    async def event(self, name: str) -> WorkflowEvent:
        """Read an event."""
        return WorkflowEvent.model_validate(await self.api.get(EVENTS.path(self.namespace, name)))

    async def until_run(
        self, name: str, holds: Callable[[WorkflowRun], bool], patience: float = PATIENCE_S
    ) -> WorkflowRun:
        """Wait until a condition holds for a run."""

        def judge(item: Json | None) -> WorkflowRun | None:
            run = WorkflowRun.model_validate(item) if item else None
            return run if run and holds(run) else None

        run: WorkflowRun = await self.until(RUNS, name, judge, patience)
        return run


@asynccontextmanager
async def new_lab(
    kubeconfig: Path,
    directory: Path,
    processes: Processes | None = None,
    workflows: Sequence[str] = WORKFLOWS,
) -> AsyncIterator[Lab]:
    """Set up a lab in a sandbox of its own. Its arguments are those of `new_sandbox`."""
    async with (
        new_sandbox(kubeconfig, directory, processes, workflows) as sandbox,
        lab_in(sandbox) as lab,
    ):
        yield lab


@asynccontextmanager
async def lab_in(sandbox: Sandbox) -> AsyncIterator[Lab]:
    """Set up a lab in a sandbox. What happened there before is not part of its record."""
    async with (
        Api(await Connection.find(sandbox.kubeconfig)) as api,
        Recorder(api, sandbox.namespace) as recorder,
        RecordingClient(recorder, sandbox.namespace, sandbox.kubeconfig) as client,
    ):
        kubectl = Kubectl(sandbox.kubeconfig, sandbox.namespace, sandbox.directory)
        yield Lab(client=client, api=api, recorder=recorder, kubectl=kubectl, **vars(sandbox))

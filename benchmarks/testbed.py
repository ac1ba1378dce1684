"""The testbed of a round: an API server, an operator, a worker and a client.

1. Operator and worker are processes of their own, as a person starts them. So is the API server if
   no kubeconfig names another. The sender is this process.
2. Each round has a namespace of its own and new processes, so no cache is warm.
3. `sample` returns what each process has used so far. The measurements are differences of samples.
"""

import asyncio
import contextlib
import secrets
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.account import as_service_account, remove_service_account
from benchmarks.starts import STARTS_FILE_VARIABLE, Start, Starts
from benchmarks.usage import Reading, api_server_cpu, api_server_pids, cpu_of, memory_of
from grctl.client import Client
from grctl.kube import EVENTS, RUNS, Api, Connection, Resource, UnreachableError
from tests.lab.api_server import api_server
from tests.lab.metrics import Figures
from tests.lab.processes import Processes
from tests.lab.sandbox import Sandbox
from tests.lab.waiting import NAMESPACES

WORKFLOWS = ("benchmarks.workflows:counter", "benchmarks.workflows:once")
LOG_TAIL_LINES = 30
CLEARING_TASKS_COUNT = 16
PARTS = ("API server", "operator", "worker", "sender")

Json = dict[str, Any]


@dataclass(frozen=True)
class MeasuredApi:
    """The API server that is measured."""

    kind: str
    """`embedded`, or `real` if it is that of a kubeconfig."""
    kubeconfig: Path
    cpu: Reading
    pids: tuple[int, ...]
    """Its processes on this machine."""


@dataclass(frozen=True)
class Sample:
    """What the parts have used and done so far."""

    cpu: dict[str, float]
    """ms, by the part that used them"""
    requests: Counter[str]
    """The operator's requests about runs and events, by the verb."""
    settled: float
    """Events whose final phase the operator has written."""


@dataclass(kw_only=True)
class Testbed(Sandbox):
    """One namespace, the processes that serve it, and what it takes to measure them."""

    api_server: MeasuredApi
    api: Api
    client: Client
    starts: Starts

    async def send(self, event: Start) -> None:
        """Send an event. Its run need not exist."""
        await self.client.send(workflow_id=event.run, event_name="add", payload=event.payload)

    async def sample(self, operator: str = "operator") -> Sample:
        """Return what the parts have used and done so far."""
        figures = await self.figures(operator)
        workers = [each.pid for each in self.processes.find("worker") if each.pids]
        used = (
            self.api_server.cpu(),
            cpu_of([each.pid for each in self.processes.find(operator)]),
            cpu_of(workers),
            time.process_time() * 1000,
        )
        settled = figures.value("grctl_events_settled_total")
        return Sample(dict(zip(PARTS, used, strict=True)), _about_workflows(figures), settled)

    def memory(self) -> dict[str, float]:
        """Return the memory of each process, in MB."""
        pids = {each.name: [each.pid] for each in self.processes.all if each.is_running}
        known = {"API server": self.api_server.pids, **pids}
        return {name: memory_of(of) for name, of in known.items() if of and name != "api"}


def _about_workflows(figures: Figures) -> Counter[str]:
    """Count the requests about runs and events, by the verb."""
    counted: Counter[str] = Counter()
    for name, count in figures.requests.items():
        verb, resource = name.split()
        if resource.startswith("workflow"):
            counted[verb] += count
    return +counted


@asynccontextmanager
async def measured_api(kubeconfig: Path | None, directory: Path) -> AsyncIterator[MeasuredApi]:
    """Yield the API server of a kubeconfig, or an embedded one that ends with the block."""
    async with api_server(directory, kubeconfig) as server:
        if server.embedded is not None:
            pids = (server.embedded.process.pid,)
            yield MeasuredApi("embedded", server.kubeconfig, lambda: cpu_of(pids), pids)
            return
        account = f"bench-{secrets.token_hex(4)}"
        ours = await as_service_account(server.kubeconfig, account, directory / "kubeconfig")
        try:
            yield MeasuredApi("real", ours, api_server_cpu(), api_server_pids())
        finally:
            await remove_service_account(server.kubeconfig, account)


@asynccontextmanager
async def open_testbed(server: MeasuredApi, directory: Path) -> AsyncIterator[Testbed]:
    """Yield a testbed without running processes. Its end removes everything."""
    namespace = f"bench-{secrets.token_hex(4)}"
    directory = directory / namespace
    directory.mkdir()
    starting = contextlib.closing(Starts(directory / "starts"))
    with Processes(directory) as processes, starting as starts:
        async with (
            Api(await Connection.find(server.kubeconfig)) as api,
            Client(namespace, server.kubeconfig) as client,
        ):
            await api.create(NAMESPACES.path(), {"metadata": {"name": namespace}})
            try:
                yield Testbed(
                    kubeconfig=server.kubeconfig,
                    namespace=namespace,
                    directory=directory,
                    processes=processes,
                    workflows=WORKFLOWS,
                    variables={STARTS_FILE_VARIABLE: str(directory / "starts")},
                    api_server=server,
                    api=api,
                    client=client,
                    starts=starts,
                )
            except Exception:
                _show_logs(processes)
                raise
            finally:
                processes.kill(processes.all)
                await _clear(api, namespace)


def _show_logs(processes: Processes) -> None:
    """Print the end of the log of each process, to show why a round failed."""
    for process in processes.all:
        words = (
            "\n".join(process.log.splitlines()[-LOG_TAIL_LINES:]) if process.pids else "not started"
        )
        print(f"---- {process.name}\n{words}", file=sys.stderr)


async def _clear(api: Api, namespace: str) -> None:
    """Remove all objects and wait until they are gone, or the next round would measure that."""
    runs = iter((await api.get(RUNS.path(namespace)))["items"])
    await asyncio.gather(
        *(_remove_finalizers(api, namespace, runs) for _ in range(CLEARING_TASKS_COUNT))
    )
    for resource in (RUNS, EVENTS):
        while await _has_any(api, resource, namespace):
            # To delete many objects takes longer than a request may.
            with contextlib.suppress(UnreachableError):
                await api.delete(resource.path(namespace))
    with contextlib.suppress(Exception):
        await api.delete(NAMESPACES.path(name=namespace))


async def _remove_finalizers(api: Api, namespace: str, runs: Iterator[Json]) -> None:
    """Remove the finalizer of runs, because no operator is left that would."""
    for run in runs:
        path = RUNS.path(namespace, run["metadata"]["name"])
        await api.merge(path, {"metadata": {"finalizers": None}})


async def _has_any(api: Api, resource: Resource, namespace: str) -> bool:
    return bool((await api.get(resource.path(namespace), {"limit": "1"}))["items"])

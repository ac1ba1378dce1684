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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.account import as_service_account, remove_service_account
from benchmarks.starts import STARTS_FILE_VARIABLE, Start, Starts
from benchmarks.usage import Reading, api_server_cpu, api_server_pids, cpu_of, memory_of
from grctl.client import Client
from grctl.kube import EVENTS, RUNS, Api, Connection, Resource, UnreachableError
from tests.lab.api_server import EmbeddedApi, install_resources
from tests.lab.processes import GRCTL, ROOT, Process, Processes, bare_environment, free_port

NAMESPACES = Resource("/api/v1", "namespaces")
WORKFLOWS = ("benchmarks.workflows:counter", "benchmarks.workflows:once")
LOG_TAIL_LINES = 30
CLEARING_TASKS_COUNT = 16
PARTS = ("API server", "operator", "worker", "sender")

Json = dict[str, Any]


@dataclass(frozen=True)
class ApiServer:
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


@dataclass
class Testbed:
    """One namespace, and the processes that serve it."""

    api_server: ApiServer
    namespace: str
    directory: Path
    processes: Processes
    api: Api
    client: Client
    starts: Starts
    operators: dict[str, tuple[Process, int, int]] = field(default_factory=dict)
    """Each operator with its port for workers and its port for metrics."""

    def operator(self, name: str = "operator") -> Process:
        """Add an operator of the namespace. The caller starts it."""
        port, http_port = free_port(), free_port()
        command = [*GRCTL, "operator", "--namespace", self.namespace]
        command += ["--port", str(port), "--http-port", str(http_port)]
        process = self.processes.add(name, command, self._environment())
        self.operators[name] = process, port, http_port
        return process

    def worker(self, name: str = "worker", operator: str = "operator") -> Process:
        """Add a worker that knows the address of one operator. The caller starts it."""
        url = f"http://127.0.0.1:{self.operators[operator][1]}"
        command = [*GRCTL, "worker", *WORKFLOWS, "--operator-url", url, "--name", name]
        command += ["--namespace", self.namespace]
        return self.processes.add(name, command, self._environment())

    async def send(self, event: Start) -> None:
        """Send an event. Its run need not exist."""
        await self.client.send(workflow_id=event.run, event_name="add", payload=event.payload)

    async def sample(self, operator: str = "operator") -> Sample:
        """Return what the parts have used and done so far."""
        process, _, http_port = self.operators[operator]
        requests, settled = await scrape(http_port)
        workers = [each.pid for each in self.processes.all if each.name == "worker" and each.pids]
        used = (
            self.api_server.cpu(),
            cpu_of([process.pid]),
            cpu_of(workers),
            time.process_time() * 1000,
        )
        return Sample(dict(zip(PARTS, used, strict=True)), requests, settled)

    def memory(self) -> dict[str, float]:
        """Return the memory of each process, in MB."""
        pids = {each.name: [each.pid] for each in self.processes.all if each.running}
        known = {"API server": self.api_server.pids, **pids}
        return {name: memory_of(of) for name, of in known.items() if of and name != "api"}

    def _environment(self) -> dict[str, str]:
        return {
            **bare_environment(),
            "KUBECONFIG": str(self.api_server.kubeconfig),
            "HOME": str(self.directory),
            "PYTHONPATH": str(ROOT),
            STARTS_FILE_VARIABLE: str(self.directory / "starts"),
        }


async def scrape(port: int) -> tuple[Counter[str], float]:
    """Return an operator's requests about runs and events, and how many events it has settled."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/metrics") as response,
    ):
        text = await response.text()
    requests: Counter[str] = Counter()
    settled = 0.0
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "grctl_events_settled_total":
                settled += sample.value
            elif sample.labels.get("resource", "").startswith("workflow"):
                requests[sample.labels.get("verb", "")] += int(sample.value)
    return +requests, settled


@asynccontextmanager
async def api_server(kubeconfig: Path | None, directory: Path) -> AsyncIterator[ApiServer]:
    """Yield the API server of a kubeconfig, or an embedded one that ends with the block."""
    if kubeconfig is not None:
        install_resources(kubeconfig, directory)
        account = f"bench-{secrets.token_hex(4)}"
        ours = await as_service_account(kubeconfig, account, directory / "kubeconfig")
        try:
            yield ApiServer("real", ours, api_server_cpu(), api_server_pids())
        finally:
            await remove_service_account(kubeconfig, account)
        return
    with Processes(directory) as processes:
        embedded = EmbeddedApi(processes, directory)
        await embedded.start()
        pids = (embedded.process.pid,)
        yield ApiServer("embedded", embedded.kubeconfig, lambda: cpu_of(pids), pids)


@asynccontextmanager
async def open_testbed(server: ApiServer, directory: Path) -> AsyncIterator[Testbed]:
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
                yield Testbed(server, namespace, directory, processes, api, client, starts)
            except Exception:
                _show_logs(processes)
                raise
            finally:
                for process in reversed(processes.all):
                    process.kill()
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

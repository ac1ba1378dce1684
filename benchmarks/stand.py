"""Stand: what a round of the benchmark runs on: an API server, an operator, a worker, a client.

1. Operator and worker are processes of their own, as a person starts them; so is the API server
   where no kubeconfig names another. The sender is this process.
2. Each round has a namespace of its own and new processes: nothing is warm that would not be.
3. `sample` says what each of them has used so far; differences of samples are the measurements.
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

from benchmarks.account import as_service_account, forget
from benchmarks.starts import FILE, Start, Starts
from benchmarks.usage import Reading, api_server_cpu, api_server_pids, cpu_of, memory_of
from grctl.client import Client
from grctl.kube import EVENTS, RUNS, Api, Connection, Resource, UnreachableError
from tests.lab.api_server import EmbeddedApi, install_resources
from tests.lab.processes import GRCTL, ROOT, Process, Processes, bare_environment, free_port

NAMESPACES = Resource("/api/v1", "namespaces")
WORKFLOWS = ("benchmarks.workflows:counter", "benchmarks.workflows:once")
LAST_WORDS = 30  # lines
CLEARERS = 16
PARTS = ("API server", "operator", "worker", "sender")

Json = dict[str, Any]


@dataclass(frozen=True)
class ApiServer:
    """The API server that is measured."""

    kind: str
    """`embedded`, or `real`: of a given kubeconfig."""
    kubeconfig: Path
    cpu: Reading
    pids: tuple[int, ...]
    """Its processes, as far as they run on this machine."""


@dataclass(frozen=True)
class Sample:
    """What was used and done so far."""

    cpu: dict[str, float]
    """ms, by the part that used them"""
    requests: Counter[str]
    """What the operator asked the API server about runs and events, by the verb."""
    settled: float
    """Events whose final phase the operator has written."""


@dataclass
class Stand:
    """One namespace, and the processes that serve it."""

    api_server: ApiServer
    namespace: str
    directory: Path
    processes: Processes
    api: Api
    client: Client
    starts: Starts
    operators: dict[str, tuple[Process, int, int]] = field(default_factory=dict)
    """Each with the port for workers and that of its metrics."""

    def operator(self, name: str = "operator") -> Process:
        """Describe an operator of the namespace."""
        port, http_port = free_port(), free_port()
        command = [*GRCTL, "operator", "--namespace", self.namespace]
        command += ["--port", str(port), "--http-port", str(http_port)]
        process = self.processes.add(name, command, self._environment())
        self.operators[name] = process, port, http_port
        return process

    def worker(self, name: str = "worker", operator: str = "operator") -> Process:
        """Describe a worker that knows the address of one operator."""
        url = f"http://127.0.0.1:{self.operators[operator][1]}"
        command = [*GRCTL, "worker", *WORKFLOWS, "--operator-url", url, "--name", name]
        command += ["--namespace", self.namespace]
        return self.processes.add(name, command, self._environment())

    async def send(self, event: Start) -> None:
        """Send a run an event, also one that no run is there for."""
        await self.client.send(workflow_id=event.run, event_name="add", payload=event.payload)

    async def sample(self, operator: str = "operator") -> Sample:
        """Say what was used and done so far."""
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
        """Give the memory of each process, in MB."""
        pids = {each.name: [each.pid] for each in self.processes.all if each.running}
        known = {"API server": self.api_server.pids, **pids}
        return {name: memory_of(of) for name, of in known.items() if of and name != "api"}

    def _environment(self) -> dict[str, str]:
        return {
            **bare_environment(),
            "KUBECONFIG": str(self.api_server.kubeconfig),
            "HOME": str(self.directory),
            "PYTHONPATH": str(ROOT),
            FILE: str(self.directory / "starts"),
        }


async def scrape(port: int) -> tuple[Counter[str], float]:
    """Read an operator's metrics: its requests about runs and events, and what it settled."""
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
    """Give the API server of a kubeconfig, or an embedded one for as long as it is needed."""
    if kubeconfig is not None:
        install_resources(kubeconfig, directory)
        account = f"bench-{secrets.token_hex(4)}"
        ours = await as_service_account(kubeconfig, account, directory / "kubeconfig")
        try:
            yield ApiServer("real", ours, api_server_cpu(), api_server_pids())
        finally:
            await forget(kubeconfig, account)
        return
    with Processes(directory) as processes:
        embedded = EmbeddedApi(processes, directory)
        await embedded.start()
        pids = (embedded.process.pid,)
        yield ApiServer("embedded", embedded.kubeconfig, lambda: cpu_of(pids), pids)


@asynccontextmanager
async def stand(server: ApiServer, directory: Path) -> AsyncIterator[Stand]:
    """Set up a stand, with nothing running on it yet; leaving it ends and removes everything."""
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
                yield Stand(server, namespace, directory, processes, api, client, starts)
            except Exception:
                _show_logs(processes)
                raise
            finally:
                for process in reversed(processes.all):
                    process.kill()
                await _clear(api, namespace)


def _show_logs(processes: Processes) -> None:
    """Show the last words of each process to who has to find out why it failed."""
    for process in processes.all:
        words = "\n".join(process.log.splitlines()[-LAST_WORDS:]) if process.pids else "not started"
        print(f"---- {process.name}\n{words}", file=sys.stderr)


async def _clear(api: Api, namespace: str) -> None:
    """Remove all, and wait until it is gone: what an API server still removes would be measured."""
    runs = iter((await api.get(RUNS.path(namespace)))["items"])
    await asyncio.gather(*(_let_go(api, namespace, runs) for _ in range(CLEARERS)))
    for resource in (RUNS, EVENTS):
        while await _some_left(api, resource, namespace):
            with contextlib.suppress(UnreachableError):  # so many take longer than a request may
                await api.delete(resource.path(namespace))
    with contextlib.suppress(Exception):
        await api.delete(NAMESPACES.path(name=namespace))


async def _let_go(api: Api, namespace: str, runs: Iterator[Json]) -> None:
    """Take the finalizer off runs: no operator is left who would."""
    for run in runs:
        path = RUNS.path(namespace, run["metadata"]["name"])
        await api.merge(path, {"metadata": {"finalizers": None}})


async def _some_left(api: Api, resource: Resource, namespace: str) -> bool:
    return bool((await api.get(resource.path(namespace), {"limit": "1"}))["items"])

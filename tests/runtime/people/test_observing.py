"""What can be seen of an operator from outside: probes, metrics, and what it asks for."""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest
import yaml
from aiohttp.test_utils import unused_port

from grctl.kube import CORE_EVENTS, RUNS
from grctl.logs.formats import JsonFormatter
from grctl.models.directive import Complete, WaitForEvent
from grctl_operator.runtime.operator import Operator
from grctl_operator.runtime.settings import Settings
from tests.runtime.conftest import PATIENCE, Cluster
from tests.runtime.played_worker import connected
from tests.runtime.test_operator import greeting, operating, start_and_wait


def requests(operator: Operator) -> Counter[str]:
    """Count what an operator has asked the API server for, by verb and resource."""
    asked: Counter[str] = Counter()
    for family in operator.metrics.registry.collect():
        for sample in family.samples:
            if sample.name == "grctl_api_requests_total" and sample.value:
                asked[f"{sample.labels['verb']} {sample.labels['resource']}"] += int(sample.value)
    return asked


SECRET = "xk7-not-for-logs"
HANDLED = {"phase": "Processed", "reason": "Handled"}


async def until(holds: Callable[[], bool]) -> None:
    """Wait for a state that the operator reaches with an answer, which no watch shows."""
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def until_settled(operator: Operator, events: int) -> None:
    await until(lambda: operator.metrics.value("grctl_events_settled_total", **HANDLED) == events)


async def probed(operator: Operator, path: str) -> tuple[int, str]:
    url = f"http://127.0.0.1:{operator.probes.port}{path}"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.text()


async def test_one_event_costs_two_writes_beside_its_create_and_no_read(cluster: Cluster) -> None:
    events = 20
    async with (
        operating(cluster) as operator,
        connected(operator.port, greeting(cluster)) as worker,
    ):
        await start_and_wait(cluster, worker, "order-1")
        for number in range(events + 1):
            if number == 1:  # the first may be as old as its run, which costs a list (ADR 0003)
                before, seen = requests(operator), operator.metrics.value("grctl_views_total")
            await cluster.send("order-1", "approve")
            await worker.succeeds(await worker.executes(), WaitForEvent())
            await until_settled(operator, number + 1)
        after = requests(operator)
    # On a loaded machine even this handler may last long enough to be shown.
    shown = operator.metrics.value("grctl_views_total") - seen
    cost = after - before
    for by_time in ("update leases", "get /version"):
        del cost[by_time]
    assert cost == {
        "update workflowruns/status": events + shown,
        "update workflowevents/status": events,
    }


async def test_a_handled_event_is_seen_in_the_metrics(cluster: Cluster) -> None:
    async with (
        operating(cluster, http_port=0) as operator,
        connected(operator.port, greeting(cluster)) as worker,
    ):
        await start_and_wait(cluster, worker, "order-1")
        await cluster.send("order-1", "approve")
        execute = await worker.executes()
        _, during = await probed(operator, "/metrics")
        await worker.succeeds(execute, WaitForEvent())
        await until_settled(operator, 1)
        _, after = await probed(operator, "/metrics")
    assert "grctl_workers_connected 1.0\n" in during
    assert "grctl_executions_in_flight 1.0\n" in during
    assert "grctl_events_pending 1.0\n" in during
    assert 'grctl_events_settled_total{phase="Processed",reason="Handled"} 1.0\n' in after
    assert "grctl_events_pending 0.0\n" in after
    assert "grctl_event_create_to_dispatch_seconds_count 1.0\n" in after
    assert 'grctl_dispatch_to_commit_seconds_count{kind="event"} 1.0\n' in after
    assert "other other" not in requests(operator)


async def test_an_operator_is_healthy_at_once_and_ready_when_all_runs_and_events_are_known(
    cluster: Cluster,
) -> None:
    place, api = (cluster.namespace,), cluster.kubeconfig
    operator = Operator(Settings(namespaces=place, kubeconfig=api, dispatcher_port=0, http_port=0))
    await operator.connect()
    try:
        assert await probed(operator, "/readyz") == (503, "waits for the list of all runs\n")
        assert await probed(operator, "/healthz") == (200, "ok\n")
        operator.begin()
        await until(lambda: operator.ready)
        assert await probed(operator, "/readyz") == (200, "ok\n")
    finally:
        await operator.stop()


def of_no_server(kubeconfig: Path, copy: Path) -> str:
    """Copy a kubeconfig so that it names an address where nobody listens."""
    config = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{unused_port()}"
    copy.write_text(yaml.safe_dump(config), encoding="utf-8")
    return str(copy)


async def test_an_operator_without_an_api_server_is_healthy_and_not_ready(
    cluster: Cluster, tmp_path: Path
) -> None:
    nowhere = of_no_server(Path(cluster.kubeconfig), tmp_path / "kubeconfig")
    operator = Operator(Settings(kubeconfig=nowhere, dispatcher_port=0, http_port=0))
    connecting = asyncio.create_task(operator.connect())
    await until(lambda: operator.probes.port > 0)
    try:
        missing = "waits for the API server's first answer\n"
        assert await probed(operator, "/readyz") == (503, missing)
        assert await probed(operator, "/healthz") == (200, "ok\n")
    finally:
        connecting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await connecting
        await operator.stop()


async def test_an_operator_with_a_part_that_ended_is_not_healthy(cluster: Cluster) -> None:
    async with operating(cluster, http_port=0) as operator:
        operator.failure = RuntimeError("watch runs ended")
        assert await probed(operator, "/healthz") == (503, "the operator ends: watch runs ended\n")
        assert await probed(operator, "/readyz") == (503, "the operator ends: watch runs ended\n")
        operator.failure = None


def logged(caplog: pytest.LogCaptureFixture) -> str:
    """Return all log records with their fields, as a collector would get them."""
    return "\n".join(JsonFormatter().format(record) for record in caplog.records)


async def test_no_payload_no_input_and_no_store_is_logged_or_announced(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with (
        operating(cluster) as operator,
        connected(operator.port, greeting(cluster)) as worker,
    ):
        await cluster.start("order-1", input=SECRET)
        await worker.succeeds(await worker.executes(), WaitForEvent(), key=SECRET)
        handled = await cluster.send("order-1", "approve", SECRET)
        await worker.succeeds(await worker.executes(), WaitForEvent(), key=[SECRET])
        refused = await cluster.send("order-1", "approve", {"x": SECRET})
        await worker.refuses(await worker.executes(), f"it is text, {SECRET}")
        unknown = await cluster.send("order-1", "aprove", SECRET)
        for event in (handled, refused, unknown):
            await cluster.until_settled(event)
        await create_unreadable_run(cluster, SECRET)
        await cluster.send("order-1", "approve", SECRET)
        await worker.succeeds(await worker.executes(), Complete(result=SECRET))
        late = await cluster.until_settled(await cluster.send("order-1", "approve", SECRET))
        completed = await cluster.until_core_event(late["metadata"]["uid"])
        told = await cluster.events(CORE_EVENTS)
    text = logged(caplog)
    assert "order-1" in text
    assert SECRET not in text
    assert completed["reason"] == "Rejected"
    assert SECRET not in str(told)


async def create_unreadable_run(cluster: Cluster, secret: str) -> None:
    """Create a run that this version cannot read, and wait until that is announced."""
    item = await cluster.start("order-2", "Refund")
    path = RUNS.path(cluster.namespace, "order-2", "status")
    await cluster.api.merge(path, {"status": {"settled": [{"x": secret}], "store": {"y": secret}}})
    await cluster.until_core_event(item["metadata"]["uid"], "Unreadable")

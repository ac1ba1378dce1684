"""Probes of a worker: it is ready while it is connected, with the extra `metrics` or without."""

import asyncio
import sys
from collections.abc import Callable

import aiohttp
import pytest

from grctl.models import Directive, HandlerKind
from grctl.models.wire import Drain, Outcome
from grctl.worker import Worker
from grctl.worker.context import Context
from grctl.workflow import Workflow
from tests.worker.conftest import Serve
from tests.worker.fake_operator import FakeOperator
from tests.worker.making import execute_of

PATIENCE_S = 60.0

order = Workflow(workflow_type="ProcessOrder")


@order.start()
async def start(ctx: Context) -> Directive:
    return ctx.next.wait_for_event()


@order.event()
async def approve(ctx: Context, by: str) -> Directive:
    if by == "nobody":
        raise PermissionError(by)
    return ctx.next.complete(by)


@pytest.fixture
def port(unused_tcp_port_factory: Callable[[], int]) -> int:
    return unused_tcp_port_factory()


async def asked(port: int, path: str) -> tuple[int, str]:
    """Send a request, as soon as the port is open."""
    async with asyncio.timeout(PATIENCE_S), aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(f"http://127.0.0.1:{port}{path}") as response:
                    return response.status, await response.text()
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(0.01)


async def until(port: int, path: str, text: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while text not in (await asked(port, path))[1]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_worker_is_ready_from_its_welcome_until_it_stops(
    serve: Serve, operator: FakeOperator, port: int
) -> None:
    serving = serve(order, http_port=port)
    conversation = await operator.connected()
    assert await asked(port, "/readyz") == (503, "is not connected: nothing was tried yet\n")
    assert await asked(port, "/healthz") == (200, "ok\n")
    await conversation.end()
    await until(port, "/readyz", "is not connected: the connection ended")
    conversation, _ = await operator.welcomed()
    await until(port, "/readyz", "ok")
    held = execute_of(order, HandlerKind.START, "start", id="x1")
    await conversation.execute(held)
    await conversation.next(Outcome)
    serving.worker.stop()
    await conversation.next(Drain)
    assert await asked(port, "/readyz") == (503, "is stopping: takes nothing new\n")
    assert await asked(port, "/healthz") == (200, "ok\n")
    await conversation.release("x1")
    await serving.ended()


async def test_executions_are_counted_by_kind_and_result(
    serve: Serve, operator: FakeOperator, port: int
) -> None:
    serve(order, http_port=port)
    conversation, _ = await operator.welcomed()
    await conversation.execute(execute_of(order, HandlerKind.START, "start", id="x1"))
    for number, payload in enumerate(("ann", "nobody", 7), 2):
        event = execute_of(order, HandlerKind.EVENT, "approve", id=f"x{number}", payload=payload)
        await conversation.execute(event)
    for _ in range(4):
        await conversation.next(Outcome)
    _, text = await asked(port, "/metrics")
    series = [line for line in text.splitlines() if line.startswith("grctl_worker_")]
    lag = series.pop(2)
    assert lag.startswith("grctl_worker_event_loop_lag_seconds ")
    assert float(lag.split()[1]) >= 0
    assert series == [
        "grctl_worker_connected 1.0",
        "grctl_worker_executions_running 0.0",
        'grctl_worker_handled_total{kind="start",result="succeeded"} 1.0',
        'grctl_worker_handled_total{kind="start",result="failed"} 0.0',
        'grctl_worker_handled_total{kind="start",result="refused"} 0.0',
        'grctl_worker_handled_total{kind="step",result="succeeded"} 0.0',
        'grctl_worker_handled_total{kind="step",result="failed"} 0.0',
        'grctl_worker_handled_total{kind="step",result="refused"} 0.0',
        'grctl_worker_handled_total{kind="event",result="succeeded"} 1.0',
        'grctl_worker_handled_total{kind="event",result="failed"} 1.0',
        'grctl_worker_handled_total{kind="event",result="refused"} 1.0',
        'grctl_worker_tasks_total{result="succeeded"} 0.0',
        'grctl_worker_tasks_total{result="failed"} 0.0',
        'grctl_worker_tasks_total{result="cancelled"} 0.0',
        'grctl_worker_tasks_total{result="replayed"} 0.0',
        "grctl_worker_task_attempts_total 0.0",
    ]


async def test_without_the_extra_a_worker_has_probes_and_no_metrics(
    serve: Serve,
    operator: FakeOperator,
    port: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    monkeypatch.delitem(sys.modules, "grctl.worker.metrics", raising=False)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    serve(order, http_port=port)
    await operator.welcomed()
    await until(port, "/readyz", "ok")
    assert (await asked(port, "/metrics"))[0] == 404
    hints = [vars(record)["hint"] for record in caplog.records if record.msg == "no metrics"]
    assert hints == ["pip install 'grctl[metrics]'"]


async def test_a_taken_port_ends_the_worker_before_it_connects(operator: FakeOperator) -> None:
    taken = int(operator.url.rpartition(":")[2])
    worker = Worker([order], operator.url, name="worker-1", namespace="shop", http_port=taken)
    with pytest.raises(OSError, match="address already in use"):
        await worker.run()

"""A handler that blocks its worker's event loop, with a real operator and a real worker."""

import asyncio
import threading

import pytest

from grctl.models import Directive
from grctl.worker import Worker, lag
from grctl.worker.context import Context
from grctl.workflow import Workflow
from grctl_operator.runtime.workers import dispatcher
from tests.runtime.conftest import Cluster
from tests.runtime.test_operator import operating


class Blocking:
    """A workflow whose handler blocks the loop until the test lets it go."""

    def __init__(self) -> None:
        self.workflow = Workflow(workflow_type="Order")
        self.may_end = threading.Event()
        self.calls = 0
        blocking = self

        @self.workflow.start()
        async def start(ctx: Context) -> Directive:
            blocking.calls += 1
            blocking.may_end.wait(60)
            return ctx.next.complete("done")


async def test_a_handler_that_blocks_the_loop_is_named_and_runs_once(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Heartbeats fail soon, so that only what the worker's thread says keeps the execution."""
    monkeypatch.setattr(lag, "BLOCKED_AFTER_S", 0.2)
    monkeypatch.setattr(lag, "LOOK_S", 0.05)
    monkeypatch.setattr(lag, "REPORT_EVERY_S", 0.2)
    monkeypatch.setattr(dispatcher, "PING_EVERY_S", 0.4)
    blocking = Blocking()
    async with operating(cluster) as operator:
        url = f"http://127.0.0.1:{operator.port}"
        worker = Worker([blocking.workflow], url, name="w", namespace=cluster.namespace)
        running = asyncio.create_task(asyncio.to_thread(lambda: asyncio.run(worker.run())))
        try:
            made = await cluster.start("order-1")
            run = await cluster.until_run(
                "order-1", lambda run: "has blocked" in run["status"].get("message", "")
            )
            while operator.deciding.registry.connected:  # noqa: ASYNC110  it is told to nobody
                await asyncio.sleep(0.01)
            await cluster.until_core_event(made["metadata"]["uid"], "LoopBlocked")
            blocking.may_end.set()
            ended = await cluster.until_phase("order-1", "Completed")
        finally:
            blocking.may_end.set()
            worker.stop()
            await running
    assert "Runs the start handler on worker w, and has blocked" in run["status"]["message"]
    assert "test_blocked_worker.py" in run["status"]["message"]
    assert (ended["status"]["commits"], blocking.calls) == (1, 1)

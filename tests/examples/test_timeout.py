"""The wait of 24 hours: by a clock that the test moves, and once for real with hours of 40 ms."""

from datetime import timedelta
from pathlib import Path

import pytest

from examples import timeout
from grctl.client import WorkflowHandle
from grctl.kube import RUNS
from grctl.models import RunPhase
from tests.examples.conftest import MovableClock, Stage, staged


async def start(stage: Stage) -> WorkflowHandle:
    handle = await stage.client.start_workflow(
        workflow_type="AutoApproveOrder",
        workflow_id="order-abc",
        workflow_input={"order_id": "abc"},
    )
    await stage.until("order-abc", RunPhase.WAIT_EVENT)
    return handle


async def look_again(stage: Stage) -> None:
    """Show the operator the time, and change the run, so that it looks at the run again."""
    await stage.operator.api.get("/version")
    change = {"metadata": {"annotations": {"looked-at": "again"}}}
    await stage.api.merge(RUNS.path("default", "order-abc"), change)


async def test_after_24_hours_the_order_is_approved_by_itself(tmp_path: Path) -> None:
    clock = MovableClock()
    async with staged(tmp_path, timeout.order, clock=clock) as stage:
        handle = await start(stage)
        clock.ahead = timedelta(hours=24, seconds=3)
        await look_again(stage)
        assert await handle.result(timeout=15) == "auto-approved"
        assert (await handle.describe()).store["status"] == "auto-approved"


async def test_after_23_hours_the_order_still_accepts_an_approval(tmp_path: Path) -> None:
    clock = MovableClock()
    async with staged(tmp_path, timeout.order, clock=clock) as stage:
        handle = await start(stage)
        clock.ahead = timedelta(hours=23)
        await look_again(stage)
        await handle.send("approve")
        assert await handle.result(timeout=15) == "approved"


async def test_a_short_timeout_comes_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeout, "timedelta", lambda hours: timedelta(seconds=hours / 24))
    async with staged(tmp_path, timeout.order) as stage:
        handle = await start(stage)
        assert await handle.result(timeout=15) == "auto-approved"

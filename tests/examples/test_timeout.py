"""The wait of 24 hours: by a clock that the test sets, and once for real with hours of 40 ms."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from examples import timeout
from grctl.client import WorkflowHandle
from grctl.kube import RUNS
from grctl.models import RunPhase
from tests.examples.conftest import Stage, staged


class SetClock:
    """The API server's clock: it goes as ours does, and can be moved ahead."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


async def start(stage: Stage) -> WorkflowHandle:
    handle = await stage.client.start_workflow(
        workflow_type="AutoApproveOrder",
        workflow_id="order-abc",
        workflow_input={"order_id": "abc"},
    )
    await stage.until("order-abc", RunPhase.WAIT_EVENT)
    return handle


async def look_again(stage: Stage) -> None:
    """Let the operator learn the time, and have it look at the run, as any change does."""
    await stage.operator.api.get("/version")
    change = {"metadata": {"annotations": {"looked-at": "again"}}}
    await stage.api.merge(RUNS.path("default", "order-abc"), change)


async def test_after_24_hours_the_order_is_approved_by_itself(tmp_path: Path) -> None:
    clock = SetClock()
    async with staged(tmp_path, timeout.order, clock=clock) as stage:
        handle = await start(stage)
        clock.ahead = timedelta(hours=24, seconds=3)
        await look_again(stage)
        assert await handle.result(timeout=15) == "auto-approved"
        assert (await handle.describe()).store["status"] == "auto-approved"


async def test_after_23_hours_it_still_waits_and_takes_an_approval(tmp_path: Path) -> None:
    clock = SetClock()
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

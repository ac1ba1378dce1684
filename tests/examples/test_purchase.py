"""The purchase: two levels of approval, escalation, a payment that is made once, a reminder."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from examples import purchase
from grctl.client import WorkflowFailedError, WorkflowHandle
from grctl.kube import RUNS
from grctl.models import RetryPolicy, RunPhase
from tests.examples.conftest import MovableClock, Stage, staged

QUICK = RetryPolicy(max_attempts=5, initial_delay_ms=1)


@pytest.fixture(autouse=True)
def _quick_bank(monkeypatch: pytest.MonkeyPatch) -> None:
    quick = replace(purchase.pay.options, retry_policy=QUICK)
    monkeypatch.setattr(purchase.pay, "options", quick)


async def start(stage: Stage, amount: int, **order: Any) -> WorkflowHandle:
    return await stage.client.start_workflow(
        workflow_type="Purchase",
        workflow_id="laptops",
        workflow_input={"order": {"item": "Laptops", "amount": amount, **order}},
    )


async def test_a_large_purchase_needs_both_approvals_in_either_order(tmp_path: Path) -> None:
    async with staged(tmp_path, purchase.purchase) as stage:
        handle = await start(stage, 12_000, remind_after_s=0)
        early = await handle.send("director_approve", {"by": "dora"})
        info = await stage.until("laptops", RunPhase.WAIT_EVENT)
        assert info.wait is not None
        assert info.wait.events == ("manager_approve", "reject")
        assert info.message.startswith("Laptops for 12000 EUR: does the manager approve?")

        await handle.send("manager_approve", {"by": "max"})

        assert await handle.result(timeout=15) == {
            "status": "bought",
            "receipt": "receipt-laptops-12000",
            "by": "dora",
        }
        assert early is not None
        assert await handle.query("summary") == "Laptops, 12000 EUR, paid"


async def test_a_small_purchase_needs_the_manager_alone(tmp_path: Path) -> None:
    async with staged(tmp_path, purchase.purchase) as stage:
        handle = await start(stage, 200, remind_after_s=0)
        await handle.send("manager_approve", {"by": "max"})

        assert (await handle.result(timeout=15))["by"] == "max"


async def test_a_manager_who_does_not_answer_is_passed_over(tmp_path: Path) -> None:
    clock = MovableClock()
    async with staged(tmp_path, purchase.purchase, clock=clock) as stage:
        handle = await start(stage, 200, remind_after_s=0)
        await stage.until("laptops", RunPhase.WAIT_EVENT)
        await handle.send("director_approve", {"by": "dora"})
        clock.ahead = timedelta(hours=24, seconds=3)
        await stage.operator.api.get("/version")
        change = {"metadata": {"annotations": {"looked-at": "again"}}}
        await stage.api.merge(RUNS.path("default", "laptops"), change)

        assert (await handle.result(timeout=15))["by"] == "dora"


async def test_a_purchase_is_rejected_on_either_level(tmp_path: Path) -> None:
    async with staged(tmp_path, purchase.purchase) as stage:
        handle = await start(stage, 12_000)
        await handle.send("manager_approve", {"by": "max"})
        await handle.send("reject", {"by": "dora", "reason": "too many"})

        result = await handle.result(timeout=15)
        assert result == {"status": "rejected", "by": "dora", "reason": "too many"}


async def test_a_purchase_over_the_limit_fails_and_says_why(tmp_path: Path) -> None:
    async with staged(tmp_path, purchase.purchase) as stage:
        handle = await start(stage, 60_000)

        with pytest.raises(WorkflowFailedError, match="LimitExceeded: 60000 is more than 50000"):
            await handle.result(timeout=15)

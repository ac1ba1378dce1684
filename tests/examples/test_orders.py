"""examples/orders.py, client.py and the manifests."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from examples import client as example_client
from examples.orders import order
from grctl.kube import EVENTS, RUNS
from grctl.models import EventPhase, RunPhase
from tests.examples.conftest import Stage, staged

MANIFESTS = Path(example_client.__file__).parent / "manifests"
RESOURCES = {"WorkflowRun": RUNS, "WorkflowEvent": EVENTS}


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path, order) as stage:
        yield stage


async def apply(stage: Stage, name: str) -> Any:
    manifest = yaml.safe_load((MANIFESTS / f"{name}.yaml").read_text(encoding="utf-8"))
    return await stage.api.create(RESOURCES[manifest["kind"]].path("default"), manifest)


async def result(stage: Stage) -> Any:
    handle = await stage.client.get_workflow_handle(workflow_id="order-abc")
    return await handle.result(timeout=15)


async def test_an_approved_order_is_fulfilled(stage: Stage) -> None:
    assert await example_client.approve_order(stage.client) == {
        "order_id": "abc",
        "status": "fulfilled",
        "parcel": "normal-abc",
    }


async def test_payloads_change_an_order_before_it_is_approved(stage: Stage) -> None:
    fulfilled = await example_client.hurry_order(stage.client)
    info = await stage.until("order-urgent", RunPhase.COMPLETED)
    assert fulfilled["parcel"] == "high-urgent"
    assert (info.store["priority"], info.store["qty_apple"]) == ("high", 3)


async def test_the_client_runs_as_a_program(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(stage.kubeconfig))
    await example_client.main()
    assert "normal-abc" in capsys.readouterr().out


async def test_the_manifests_take_an_order_to_its_end(stage: Stage) -> None:
    for name in ("order", "set-priority", "update-quantity", "approve"):
        await apply(stage, name)
    assert (await result(stage))["parcel"] == "high-abc"


async def test_an_approval_sent_before_its_order_waits_for_it(stage: Stage) -> None:
    await apply(stage, "approve")
    await apply(stage, "order")
    assert (await result(stage))["status"] == "fulfilled"


async def test_the_mistyped_event_is_rejected_and_the_order_goes_on(stage: Stage) -> None:
    await apply(stage, "order")
    await stage.until("order-abc", RunPhase.WAIT_EVENT)
    sent = await stage.client.send(
        workflow_id="order-abc", event_name="aprove", name="order-abc-aprove"
    )
    status = await sent.settled(timeout=15)
    assert status.phase is EventPhase.REJECTED
    assert status.message
    assert '"approve", "reject"' in status.message
    await apply(stage, "reject")
    assert await result(stage) == "rejected"


async def test_the_mistyped_manifest_is_that_event(stage: Stage) -> None:
    created = await apply(stage, "mistyped")
    assert created["spec"] == {"workflowId": "order-abc", "eventName": "aprove"}

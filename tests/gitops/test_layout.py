"""The repository layout of the guide, applied as GitOps tools do."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from examples import orders
from grctl.kube import EVENTS, RUNS
from grctl.models import RunPhase
from tests.examples.conftest import STATE_DEADLINE_S, Stage, staged
from tests.lab.kubectl import Kubectl

LAYOUT = Path(__file__).parent.parent.parent / "examples" / "gitops" / "orders"
SERVER_SIDE = ("apply", "--server-side", "-k", str(LAYOUT))
NAMES = ((RUNS, "order-abc"), (EVENTS, "order-abc-approve"))


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path, orders.order) as stage:
        yield stage


@pytest.fixture
def kubectl(stage: Stage, tmp_path: Path) -> Kubectl:
    return Kubectl(stage.kubeconfig, "default", tmp_path)


async def versions(stage: Stage) -> list[str]:
    found = [await stage.api.get(resource.path("default", name)) for resource, name in NAMES]
    return [each["metadata"]["resourceVersion"] for each in found]


@pytest.mark.parametrize("how", [SERVER_SIDE, ("apply", "-k", str(LAYOUT))])
async def test_an_applied_run_completes_and_a_second_apply_changes_nothing(
    stage: Stage, kubectl: Kubectl, how: tuple[str, ...]
) -> None:
    await kubectl(*how)
    info = await stage.until("order-abc", RunPhase.COMPLETED)
    await wait_until_settled(stage)
    before = await versions(stage)

    await kubectl(*how)

    assert await versions(stage) == before
    assert info.result["status"] == "fulfilled"


@pytest.mark.parametrize("flags", [(), ("--server-side",)])
async def test_an_applied_run_shows_no_drift(
    stage: Stage, kubectl: Kubectl, flags: tuple[str, ...]
) -> None:
    await kubectl("apply", *flags, "-k", str(LAYOUT))
    await stage.until("order-abc", RunPhase.COMPLETED)

    assert await kubectl("diff", *flags, "-k", str(LAYOUT)) == ""


async def test_a_waiting_event_that_is_applied_again_keeps_its_place(
    stage: Stage, kubectl: Kubectl
) -> None:
    approve = ("apply", "--server-side", "-f", str(LAYOUT / "order-abc-approve.yaml"))
    await kubectl(*approve)
    await stage.client.send(workflow_id="order-abc", event_name="reject")
    await kubectl(*approve)
    await kubectl(*approve)

    await kubectl("apply", "-f", str(LAYOUT / "order-abc.yaml"))

    info = await stage.until("order-abc", RunPhase.COMPLETED)
    assert info.store["status"] == "fulfilled"  # the approval stayed first


async def test_a_waiting_event_changes_at_most_once_by_repeated_applies(
    stage: Stage, kubectl: Kubectl
) -> None:
    # The API server keeps the default of `status` when an object is changed first (see the guide).
    approve = ("apply", "--server-side", "-f", str(LAYOUT / "order-abc-approve.yaml"))
    path = EVENTS.path("default", "order-abc-approve")
    for _ in range(2):
        await kubectl(*approve)
    await wait_until_placed(stage, path)
    before = (await stage.api.get(path))["metadata"]["resourceVersion"]

    await kubectl(*approve)

    assert (await stage.api.get(path))["metadata"]["resourceVersion"] == before


async def test_pruned_objects_are_removed(stage: Stage, kubectl: Kubectl) -> None:
    await kubectl(*SERVER_SIDE)
    await stage.until("order-abc", RunPhase.COMPLETED)

    # A deleted run removes its settled events, so a tool that prunes may find one gone already.
    await kubectl("delete", "--ignore-not-found", "-k", str(LAYOUT))

    left = json.loads(await kubectl("get", "wfr,wfe", "-o", "json"))
    assert left["items"] == []


async def wait_until_settled(stage: Stage) -> None:
    """Wait until the run has its result and the event is settled."""
    handle = await stage.client.get_workflow_handle(workflow_id="order-abc")
    await handle.result()
    path = EVENTS.path("default", "order-abc-approve")
    async with asyncio.timeout(STATE_DEADLINE_S):
        while (await stage.api.get(path))["status"]["phase"] != "Processed":  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def wait_until_placed(stage: Stage, path: str) -> None:
    """Wait until the operator has written the place of a changed event."""
    async with asyncio.timeout(STATE_DEADLINE_S):
        while "place" not in (await stage.api.get(path))["status"]:  # noqa: ASYNC110
            await asyncio.sleep(0.02)

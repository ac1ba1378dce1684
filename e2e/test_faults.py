"""What dies without warning costs time, and nothing else: a worker, an operator, a node's parts."""

import asyncio

import pytest

from e2e.installation import DEPLOYMENT, Installation
from e2e.place import Json, Place
from e2e.settings import Settings
from grctl.kube import RUNS

RUNS_AT_ONCE, EVENTS_EACH = 5, 20
NODE_BACK = 180.0  # s: for the node's pods to be served again


def long_step_runs(run: Json | None) -> Json | None:
    step = (run or {}).get("status", {}).get("step") or {}
    return run if step.get("name") == "long_step" and step.get("worker") else None


async def pod_of_step(place: Place, name: str) -> str:
    """Start a run whose step never ends in the first attempt; give the pod that runs it."""
    handle = await place.client.start_workflow(workflow_type="Slow", workflow_id=name)
    await handle.send("work")
    run: Json = await place.until(RUNS, name, long_step_runs)
    worker: str = run["status"]["step"]["worker"]
    return worker


async def send_to_all(place: Place, first: int, count: int = EVENTS_EACH) -> None:
    """Send numbers to all runs, each run's in order, the runs beside each other."""

    async def send(run: int) -> None:
        for number in range(first, first + count):
            await place.client.send(workflow_id=f"run-{run}", event_name="append", payload=number)

    await asyncio.gather(*(send(run) for run in range(RUNS_AT_ONCE)))


async def start_all(place: Place) -> None:
    for run in range(RUNS_AT_ONCE):
        await place.client.start_workflow(workflow_type="Append", workflow_id=f"run-{run}")


async def until_all_processed(place: Place, count: int, patience: float = 60.0) -> None:
    for run in range(RUNS_AT_ONCE):
        await place.until_processed(f"run-{run}", count, patience)


async def leader(installation: Installation) -> str:
    lease = await installation.kubectl.json(f"lease/{DEPLOYMENT}")
    holder: str = lease["spec"].get("holderIdentity", "")
    return holder


async def test_a_step_whose_worker_is_killed_is_run_again(place: Place) -> None:
    await place.flows(replicas=2)
    pod = await pod_of_step(place, "slow")

    await place.kubectl("delete", "pod", pod, "--grace-period=0", "--force")

    run = await place.until_phase("slow", "Completed")
    assert run["status"]["result"] == {"attempt": 2}


async def test_a_killed_operator_is_replaced_and_no_event_is_lost(
    place: Place, installation: Installation
) -> None:
    await place.flows()
    await start_all(place)
    before = await leader(installation)
    await send_to_all(place, 0)

    await installation.kubectl("delete", "pod", before, "--grace-period=0", "--force")
    await send_to_all(place, EVENTS_EACH)

    await until_all_processed(place, 2 * EVENTS_EACH)
    await place.check_history()
    assert await leader(installation) != before
    await installation.kubectl.rolled_out(DEPLOYMENT)


@pytest.mark.stops_node
async def test_a_node_whose_kubelet_and_containerd_die_loses_nothing(
    place: Place, settings: Settings
) -> None:
    await place.flows()
    await start_all(place)
    await send_to_all(place, 0)
    for component in ("kubelet", "containerd"):
        settings.kill_component(component)

    await send_to_all(place, EVENTS_EACH)  # who runs already, runs on
    await until_all_processed(place, 2 * EVENTS_EACH)

    for component in ("containerd", "kubelet"):
        settings.start_component(component)
    pod = await pod_of_step(place, "slow")
    await place.kubectl("delete", "pod", pod, "--grace-period=0", "--force")
    await place.until_phase("slow", "Completed", patience=NODE_BACK)
    await place.check_history()

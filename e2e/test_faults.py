"""A worker, an operator or a node's component that dies costs time, and nothing else."""

import asyncio

import pytest

from e2e.installation import DEPLOYMENT, Installation
from e2e.lab import ClusterLab, Json
from e2e.settings import Settings
from grctl.kube import RUNS

RUNS_AT_ONCE, EVENTS_EACH = 5, 20
NODE_PATIENCE_S = 180.0  # for the node's pods to be served again


def long_step_runs(run: Json | None) -> Json | None:
    step = (run or {}).get("status", {}).get("step") or {}
    return run if step.get("name") == "long_step" and step.get("worker") else None


async def pod_of_step(lab: ClusterLab, name: str) -> str:
    """Start a run whose step never ends in the first attempt, and return the pod that runs it."""
    handle = await lab.client.start_workflow(workflow_type="Slow", workflow_id=name)
    await handle.send("work")
    run: Json = await lab.until(RUNS, name, long_step_runs)
    worker: str = run["status"]["step"]["worker"]
    return worker


async def send_to_all(lab: ClusterLab, first: int, count: int = EVENTS_EACH) -> None:
    """Send numbers to all runs at the same time, in order for each run."""

    async def send(run: int) -> None:
        for number in range(first, first + count):
            await lab.client.send(workflow_id=f"run-{run}", event_name="append", payload=number)

    await asyncio.gather(*(send(run) for run in range(RUNS_AT_ONCE)))


async def start_all(lab: ClusterLab) -> None:
    for run in range(RUNS_AT_ONCE):
        await lab.client.start_workflow(workflow_type="Append", workflow_id=f"run-{run}")


async def until_all_processed(lab: ClusterLab, count: int, patience: float = 60.0) -> None:
    for run in range(RUNS_AT_ONCE):
        await lab.until_processed(f"run-{run}", count, patience)


async def leader(installation: Installation) -> str:
    lease = await installation.kubectl.json(f"lease/{DEPLOYMENT}")
    holder: str = lease["spec"].get("holderIdentity", "")
    return holder


async def test_a_step_whose_worker_is_killed_is_run_again(lab: ClusterLab) -> None:
    await lab.flows(replicas=2)
    pod = await pod_of_step(lab, "slow")

    await lab.kubectl("delete", "pod", pod, "--grace-period=0", "--force")

    run = await lab.until_phase("slow", "Completed")
    assert run["status"]["result"] == {"attempt": 2}


async def test_a_killed_operator_is_replaced_and_no_event_is_lost(
    lab: ClusterLab, installation: Installation
) -> None:
    await lab.flows()
    await start_all(lab)
    before = await leader(installation)
    await send_to_all(lab, 0)

    await installation.kubectl("delete", "pod", before, "--grace-period=0", "--force")
    await send_to_all(lab, EVENTS_EACH)

    await until_all_processed(lab, 2 * EVENTS_EACH)
    await lab.check_history()
    assert await leader(installation) != before
    await installation.kubectl.wait_for_rollout(DEPLOYMENT)


@pytest.mark.stops_node
async def test_a_node_whose_kubelet_and_containerd_die_loses_nothing(
    lab: ClusterLab, settings: Settings
) -> None:
    await lab.flows()
    await start_all(lab)
    await send_to_all(lab, 0)
    for component in ("kubelet", "containerd"):
        settings.kill_component(component)

    await send_to_all(lab, EVENTS_EACH)  # pods that run already go on
    await until_all_processed(lab, 2 * EVENTS_EACH)

    for component in ("containerd", "kubelet"):
        settings.start_component(component)
    pod = await pod_of_step(lab, "slow")
    await lab.kubectl("delete", "pod", pod, "--grace-period=0", "--force")
    await lab.until_phase("slow", "Completed", patience=NODE_PATIENCE_S)
    await lab.check_history()

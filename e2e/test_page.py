"""What the guide to events promises, with the guide's own workflow, in pods."""

from e2e.lab import ClusterLab
from e2e.settings import ROOT

MANIFESTS = ROOT / "examples" / "manifests"
ACCOUNT = "webhook"
FROM_A_POD = """
import asyncio, json
from grctl.client import Client

async def main():
    async with Client() as client:
        handle = await client.start_workflow(
            workflow_type="ProcessOrder",
            workflow_id="order-pod",
            workflow_input={"order_id": "pod"},
        )
        await handle.send("set_priority", payload="high")
        await handle.send("update_quantity", payload={"item_id": "apple", "qty": 3})
        await handle.send("approve")
        result = await handle.result(timeout=60)
        info = await handle.describe()
        print(json.dumps({"result": result, "store": info.store}))

asyncio.run(main())
"""


async def test_an_order_waits_for_its_approval_and_completes(lab: ClusterLab) -> None:
    await lab.worker()
    await lab.kubectl("apply", "-f", str(MANIFESTS / "order.yaml"))
    await lab.until_phase("order-abc", "WaitEvent")

    await lab.kubectl("apply", "-f", str(MANIFESTS / "mistyped.yaml"))
    rejected = await lab.until_settled("order-abc-aprove")
    for manifest in ("set-priority", "update-quantity", "approve"):
        await lab.kubectl("apply", "-f", str(MANIFESTS / f"{manifest}.yaml"))
    await lab.kubectl.wait("wfr/order-abc", "condition=Succeeded")

    assert rejected["reason"] == "UnknownEvent"
    assert '"approve"' in rejected["message"]
    status = (await lab.run("order-abc"))["status"]
    assert status["result"] == {"order_id": "abc", "status": "fulfilled", "parcel": "high-abc"}
    assert status["store"]["qty_apple"] == 3


async def test_events_that_come_before_run_and_worker_are_handled(lab: ClusterLab) -> None:
    for manifest in ("approve", "set-priority"):
        await lab.kubectl("apply", "-f", str(MANIFESTS / f"{manifest}.yaml"))
    await lab.kubectl("apply", "-f", str(MANIFESTS / "order.yaml"))

    await lab.worker()

    run = await lab.until_phase("order-abc", "Completed")
    assert run["status"]["result"]["parcel"] == "normal-abc"  # approved before it was hurried
    assert (await lab.until_settled("order-abc-set-priority"))["reason"] == "RunFinished"


async def test_the_sdk_in_a_pod_needs_no_configuration(lab: ClusterLab) -> None:
    await lab.worker()
    await lab.kubectl("create", "serviceaccount", ACCOUNT)
    line = ("create", "rolebinding", ACCOUNT, "--clusterrole=grctl-editor")
    await lab.kubectl(*line, f"--serviceaccount={lab.namespace}:{ACCOUNT}")

    printed = await lab.in_pod(FROM_A_POD, ACCOUNT)

    assert printed["result"]["parcel"] == "high-pod"
    assert (printed["store"]["priority"], printed["store"]["qty_apple"]) == ("high", 3)


async def test_kubectl_shows_the_state_of_a_run(lab: ClusterLab) -> None:
    await lab.worker()
    await lab.kubectl("apply", "-f", str(MANIFESTS / "order.yaml"))
    await lab.until_phase("order-abc", "WaitEvent")

    table = await lab.kubectl("get", "wfr")
    told = await lab.kubectl("describe", "wfr", "order-abc")

    assert "ProcessOrder" in table
    assert "approve, reject" in table
    assert "WaitingForEvent" in told

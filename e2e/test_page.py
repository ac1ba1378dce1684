"""What the guide to events promises, with the guide's own workflow, in pods."""

from e2e.place import Place
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


async def test_an_order_waits_for_its_approval_and_completes(place: Place) -> None:
    await place.worker()
    await place.kubectl("apply", "-f", str(MANIFESTS / "order.yaml"))
    await place.until_phase("order-abc", "WaitEvent")

    await place.kubectl("apply", "-f", str(MANIFESTS / "mistyped.yaml"))
    rejected = await place.until_settled("order-abc-aprove")
    for manifest in ("set-priority", "update-quantity", "approve"):
        await place.kubectl("apply", "-f", str(MANIFESTS / f"{manifest}.yaml"))
    await place.kubectl.wait("wfr/order-abc", "condition=Succeeded")

    assert rejected["reason"] == "UnknownEvent"
    assert '"approve"' in rejected["message"]
    status = (await place.run("order-abc"))["status"]
    assert status["result"] == {"order_id": "abc", "status": "fulfilled", "parcel": "high-abc"}
    assert status["store"]["qty_apple"] == 3


async def test_events_that_come_before_run_and_worker_are_handled(place: Place) -> None:
    for manifest in ("approve", "set-priority"):
        await place.kubectl("apply", "-f", str(MANIFESTS / f"{manifest}.yaml"))
    await place.kubectl("apply", "-f", str(MANIFESTS / "order.yaml"))

    await place.worker()

    run = await place.until_phase("order-abc", "Completed")
    assert run["status"]["result"]["parcel"] == "normal-abc"  # approved before it was hurried
    assert (await place.until_settled("order-abc-set-priority"))["reason"] == "RunFinished"


async def test_the_sdk_in_a_pod_needs_no_configuration(place: Place) -> None:
    await place.worker()
    await place.kubectl("create", "serviceaccount", ACCOUNT)
    line = ("create", "rolebinding", ACCOUNT, "--clusterrole=grctl-editor")
    await place.kubectl(*line, f"--serviceaccount={place.namespace}:{ACCOUNT}")

    printed = await place.in_pod(FROM_A_POD, ACCOUNT)

    assert printed["result"]["parcel"] == "high-pod"
    assert (printed["store"]["priority"], printed["store"]["qty_apple"]) == ("high", 3)


async def test_kubectl_shows_what_a_person_asks(place: Place) -> None:
    await place.worker()
    await place.kubectl("apply", "-f", str(MANIFESTS / "order.yaml"))
    await place.until_phase("order-abc", "WaitEvent")

    table = await place.kubectl("get", "wfr")
    told = await place.kubectl("describe", "wfr", "order-abc")

    assert "ProcessOrder" in table
    assert "approve, reject" in table
    assert "WaitingForEvent" in told

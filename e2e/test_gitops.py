"""A GitOps tool that applies the same manifests again changes nothing, on a real API server."""

import pytest

from e2e.lab import ClusterLab
from e2e.settings import ROOT
from grctl.kube import EVENTS, RUNS

LAYOUT = ROOT / "examples" / "gitops" / "orders"
RUN, APPROVE = (str(LAYOUT / name) for name in ("order-abc.yaml", "order-abc-approve.yaml"))
SERVER_SIDE = ("apply", "--server-side", "-f")


async def version(lab: ClusterLab, what: str) -> str:
    found: str = (await lab.kubectl.json(what))["metadata"]["resourceVersion"]
    return found


async def test_a_waiting_run_that_is_applied_again_does_not_change(lab: ClusterLab) -> None:
    await lab.worker()
    await lab.kubectl(*SERVER_SIDE, RUN)
    await lab.until_phase("order-abc", "WaitEvent")
    before = await version(lab, "wfr/order-abc")

    for _ in range(2):
        await lab.kubectl(*SERVER_SIDE, RUN)

    assert await version(lab, "wfr/order-abc") == before
    assert await lab.kubectl("diff", "--server-side", "-f", RUN) == ""


async def test_a_waiting_event_that_is_applied_again_keeps_its_place(lab: ClusterLab) -> None:
    for _ in range(2):
        await lab.kubectl(*SERVER_SIDE, APPROVE)
    await lab.until(
        EVENTS, "order-abc-approve", lambda item: (item or {}).get("status", {}).get("place")
    )
    before = await version(lab, "wfe/order-abc-approve")
    await lab.client.send(workflow_id="order-abc", event_name="reject")

    for _ in range(2):
        await lab.kubectl(*SERVER_SIDE, APPROVE)

    assert await version(lab, "wfe/order-abc-approve") == before
    assert await lab.kubectl("diff", "--server-side", "-f", APPROVE) == ""
    await lab.worker()
    await lab.kubectl(*SERVER_SIDE, RUN)
    run = await lab.until_phase("order-abc", "Completed")
    assert run["status"]["result"]["status"] == "fulfilled"  # approved, not rejected


@pytest.mark.parametrize("flags", [(), ("--server-side",)])
async def test_finished_objects_that_are_applied_again_do_not_change(
    lab: ClusterLab, flags: tuple[str, ...]
) -> None:
    await lab.worker()
    apply = ("apply", *flags, "-f", RUN, "-f", APPROVE)
    await lab.kubectl(*apply)
    await lab.until_phase("order-abc", "Completed")
    await lab.until_settled("order-abc-approve")
    before = [await version(lab, what) for what in ("wfr/order-abc", "wfe/order-abc-approve")]

    await lab.kubectl(*apply)

    after = [await version(lab, what) for what in ("wfr/order-abc", "wfe/order-abc-approve")]
    assert after == before
    assert await lab.kubectl("diff", *flags, "-f", RUN, "-f", APPROVE) == ""


async def test_pruned_objects_are_deleted(lab: ClusterLab) -> None:
    await lab.worker()
    await lab.kubectl("apply", "-f", RUN, "-f", APPROVE)
    await lab.until_phase("order-abc", "Completed")

    # A run takes its settled events along, so an event may be gone already.
    await lab.kubectl("delete", "--ignore-not-found", "-f", RUN, "-f", APPROVE)

    await lab.until_gone(RUNS, "order-abc")
    await lab.until_gone(EVENTS, "order-abc-approve")

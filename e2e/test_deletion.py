"""A deleted run takes its events with it, and nothing holds a deleted namespace."""

from e2e.lab import GONE_PATIENCE_S, ClusterLab
from e2e.settings import ROOT
from grctl.kube import EVENTS, RUNS
from tests.lab.waiting import NAMESPACES

MANIFESTS = ROOT / "examples" / "manifests"


async def test_a_deleted_run_takes_its_events_with_it(lab: ClusterLab) -> None:
    await lab.worker()
    await lab.kubectl("apply", "-f", str(MANIFESTS / "order.yaml"))
    await lab.kubectl("apply", "-f", str(MANIFESTS / "set-priority.yaml"))
    await lab.until_settled("order-abc-set-priority")

    await lab.kubectl("delete", "wfr", "order-abc")

    await lab.until_gone(RUNS, "order-abc")
    await lab.until_gone(EVENTS, "order-abc-set-priority")


async def test_a_namespace_with_runs_and_waiting_events_can_be_deleted(lab: ClusterLab) -> None:
    await lab.kubectl("apply", "-f", str(MANIFESTS / "order.yaml"))
    await lab.kubectl("apply", "-f", str(MANIFESTS / "approve.yaml"))
    await lab.until_phase("order-abc", "Pending")

    await lab.kubectl("delete", "namespace", lab.namespace, "--wait=false")

    await lab.until_gone(NAMESPACES, lab.namespace, GONE_PATIENCE_S)

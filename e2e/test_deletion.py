"""A run that is deleted takes its events with it, and nothing keeps its namespace."""

from e2e.place import GONE, NAMESPACES, Place
from e2e.settings import ROOT
from grctl.kube import EVENTS, RUNS

MANIFESTS = ROOT / "examples" / "manifests"


async def test_a_deleted_run_takes_everything_of_it_along(place: Place) -> None:
    await place.worker()
    await place.kubectl("apply", "-f", str(MANIFESTS / "order.yaml"))
    await place.kubectl("apply", "-f", str(MANIFESTS / "set-priority.yaml"))
    await place.until_settled("order-abc-set-priority")

    await place.kubectl("delete", "wfr", "order-abc")

    await place.until_gone(RUNS, "order-abc")
    await place.until_gone(EVENTS, "order-abc-set-priority")


async def test_a_namespace_with_runs_and_waiting_events_goes(place: Place) -> None:
    await place.kubectl("apply", "-f", str(MANIFESTS / "order.yaml"))
    await place.kubectl("apply", "-f", str(MANIFESTS / "approve.yaml"))
    await place.until_phase("order-abc", "Pending")

    await place.kubectl("delete", "namespace", place.namespace, "--wait=false")

    await place.until_gone(NAMESPACES, place.namespace, GONE)

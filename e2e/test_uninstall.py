"""After an uninstall runs stay and hold nothing, and a new operator goes on with them."""

from collections.abc import AsyncIterator

import pytest

from e2e.installation import CRDS, Installation
from e2e.lab import GONE_PATIENCE_S, ClusterLab
from grctl.kube import RUNS
from grctl.models import FINALIZER
from tests.lab.waiting import NAMESPACES

IDS = ("stays", "goes")


@pytest.fixture
async def left(lab: ClusterLab, installation: Installation) -> AsyncIterator[ClusterLab]:
    """A lab with two waiting runs and no operator, which is installed again at the end."""
    await lab.flows()
    for name in IDS:
        await lab.client.start_workflow(workflow_type="Append", workflow_id=name)
        await lab.client.send(workflow_id=name, event_name="append", payload=1)
        await lab.until_processed(name, 1)
    await lab.client.send(workflow_id="stays", event_name="apend")
    await lab.until_core_event("stays", "Rejected")
    await installation.uninstall()
    yield lab
    if not installation.is_installed:
        await installation.install()


async def test_runs_outlive_the_operator_and_go_on_with_the_next_one(
    left: ClusterLab, installation: Installation
) -> None:
    kept = {name: await left.run(name) for name in IDS}
    await left.kubectl("get", "crd", *CRDS)
    await left.kubectl("delete", "wfr", "goes", "--timeout=20s")
    await left.client.send(workflow_id="stays", event_name="append", payload=2)
    await left.client.send(workflow_id="stays", event_name="apend")

    await installation.install()

    run = await left.until_processed("stays", 4)
    assert run["status"]["store"]["payloads"] == [1, 2]
    assert run["metadata"]["finalizers"] == [FINALIZER]
    await left.until_core_event("stays", "Rejected", count=2)  # the next operator goes on counting
    assert all("finalizers" not in each["metadata"] for each in kept.values())
    await left.until_gone(RUNS, "goes")


async def test_a_namespace_can_be_deleted_without_an_operator(left: ClusterLab) -> None:
    await left.kubectl("delete", "namespace", left.namespace, "--wait=false")

    await left.until_gone(NAMESPACES, left.namespace, GONE_PATIENCE_S)

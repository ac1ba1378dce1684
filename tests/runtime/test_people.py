"""What people do with kubectl and the SDK besides what they should: each has one answer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from grctl.client import Client, WorkflowAlreadyRunningError
from grctl.kube import EVENTS, RUNS
from grctl.models import API_VERSION
from grctl.models.directive import Complete, NextStep, WaitForEvent
from grctl_operator.engine import dispatch, size
from grctl_operator.runtime.operator import Operator
from tests.lab.kubectl import Kubectl
from tests.runtime.conftest import Cluster, Json
from tests.runtime.played_worker import PlayedWorker, connected
from tests.runtime.test_operator import greeting, operating, start_and_wait

KIB = 1024


@asynccontextmanager
async def served(cluster: Cluster) -> AsyncIterator[tuple[Operator, PlayedWorker]]:
    """An operator, and a worker that is connected to it."""
    async with (
        operating(cluster) as operator,
        connected(operator.port, greeting(cluster)) as worker,
    ):
        yield operator, worker


@pytest.fixture
def kubectl(cluster: Cluster, tmp_path: Path) -> Kubectl:
    return Kubectl(Path(cluster.kubeconfig), cluster.namespace, tmp_path)


@pytest.fixture
async def client(cluster: Cluster) -> AsyncIterator[Client]:
    async with Client(cluster.namespace, cluster.kubeconfig) as client:
        yield client


def manifest(kind: str, name: str, **spec: Any) -> Json:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}


APPROVE = manifest("WorkflowEvent", "approve-1", workflowId="order-1", eventName="approve")
ORDER = manifest("WorkflowRun", "order-1", workflow={"type": "Order", "input": {"amount": 1}})


# the same id again


async def test_an_id_can_be_started_anew_only_after_its_run_finished(
    cluster: Cluster, client: Client
) -> None:
    async with served(cluster) as (_, worker):
        first = await client.start_workflow(workflow_type="Order", workflow_id="order-1")
        with pytest.raises(WorkflowAlreadyRunningError, match=r"'order-1' \(Order\) is active"):
            await client.start_workflow(workflow_type="Order", workflow_id="order-1")
        await worker.succeeds(await worker.executes(), WaitForEvent())
        sent = await first.send("approve")
        await worker.succeeds(await worker.executes(), Complete())
        await sent.settled(timeout=15)
        second = await client.start_workflow(workflow_type="Order", workflow_id="order-1")
        await worker.succeeds(await worker.executes(), WaitForEvent())
        assert await cluster.events() == []
    assert first.uid != second.uid


async def test_a_handle_of_an_earlier_run_sends_what_the_present_one_rejects(
    cluster: Cluster, client: Client
) -> None:
    async with served(cluster) as (_, worker):
        first = await client.start_workflow(workflow_type="Order", workflow_id="order-1")
        await worker.succeeds(await worker.executes(), Complete())
        await first.result(timeout=15)
        second = await client.start_workflow(workflow_type="Order", workflow_id="order-1")
        await worker.succeeds(await worker.executes(), WaitForEvent())
        stray = await (await first.send("approve")).settled(timeout=15)
        await second.send("approve")
        execute = await worker.executes()
    assert (stray.phase, stray.reason) == ("Rejected", "RunGone")
    assert execute.execution.run_uid == second.uid


async def test_an_event_that_waits_for_a_deleted_run_never_reaches_the_next_run_of_its_id(
    cluster: Cluster, client: Client
) -> None:
    async with served(cluster) as (_, worker):
        handle = await client.start_workflow(workflow_type="Order", workflow_id="order-1")
        start = await worker.executes()
        sent = await handle.send("approve")
        unbound = await client.send(workflow_id="order-1", event_name="approve")
        await cluster.delete_run("order-1")
        await cluster.until_gone(RUNS, "order-1")
        await cluster.start("order-1")
        again = await worker.executes()
        await worker.succeeds(again, WaitForEvent())
        await cluster.until_phase("order-1", "WaitEvent")
        left = await cluster.events()
        told = await cluster.until_core_event(str(unbound.uid), "Rejected")
    assert start.execution.run_uid != again.execution.run_uid
    assert left == []
    assert told["message"].startswith("RunDeleted: ")
    assert sent.uid != unbound.uid


# manifests


@pytest.mark.parametrize("how", ["--server-side=false", "--server-side"])
async def test_a_manifest_that_is_applied_twice_is_one_run_and_one_event(
    cluster: Cluster, kubectl: Kubectl, how: str
) -> None:
    async with served(cluster) as (_, worker):
        for _ in range(2):
            await kubectl("apply", how, "-f", "-", stdin=ORDER)
        await worker.succeeds(await worker.executes(), NextStep(step="pay"))
        step = await worker.executes()
        for _ in range(2):
            await kubectl("apply", how, "-f", "-", stdin=APPROVE)
        await worker.succeeds(step, WaitForEvent())
        await worker.succeeds(await worker.executes(), WaitForEvent())
        await cluster.until_settled(APPROVE)
        for body in (APPROVE, ORDER):
            await kubectl("apply", how, "-f", "-", stdin=body)
        await cluster.send("order-1", "reject", name="last")
        last = await worker.executes()
    assert last.execution.event == "last"
    run = await cluster.run("order-1")
    assert run["status"]["events"]["processed"] == 1


async def test_an_event_that_is_applied_anew_while_it_waits_keeps_its_place(
    cluster: Cluster, kubectl: Kubectl
) -> None:
    async with served(cluster) as (_, worker):
        await start_and_wait(cluster, worker, "order-1")
        await cluster.send("order-1", "approve")
        busy = await worker.executes()
        await kubectl("apply", "-f", "-", stdin=APPROVE)
        await cluster.send("order-1", "reject")
        labelled = {**APPROVE, "metadata": {"name": "approve-1", "labels": {"team": "a"}}}
        await kubectl("apply", "-f", "-", stdin=labelled)
        await worker.succeeds(busy, WaitForEvent())
        execute = await worker.executes()
    assert execute.execution.event == "approve-1"


async def test_an_edited_spec_is_refused_and_says_why_and_what_to_do(kubectl: Kubectl) -> None:
    await kubectl("apply", "-f", "-", stdin=APPROVE)
    await kubectl("apply", "-f", "-", stdin=ORDER)

    edited = {**APPROVE, "spec": APPROVE["spec"] | {"payload": {"by": "ann"}}}
    event = await kubectl("apply", "-f", "-", stdin=edited, fails=True)
    changed = {**ORDER, "spec": {"workflow": {"type": "Order", "input": {"amount": 2}}}}
    run = await kubectl("apply", "-f", "-", stdin=changed, fails=True)

    assert "the spec of a WorkflowEvent cannot be changed: it was sent by creating it" in event
    assert "Create another one, under another name" in event
    assert "spec.workflow cannot be changed: another workflow, input or timeout is another" in run
    assert "Delete this run first, or take another name" in run


async def test_an_event_to_an_id_that_no_run_can_have_is_refused_and_says_so(
    kubectl: Kubectl,
) -> None:
    lost = {**APPROVE, "spec": {"workflowId": "Order 1", "eventName": "approve"}}

    said = await kubectl("apply", "-f", "-", stdin=lost, fails=True)

    assert "spec.workflowId" in said
    assert "no run can have this name: a workflow id has lower-case letters" in said


async def test_a_mistyped_workflow_type_is_told_with_those_that_are_served(
    cluster: Cluster,
) -> None:
    async with served(cluster):
        await cluster.start("order-1", workflow_type="Oder")
        run = await cluster.until_run("order-1", lambda run: bool(run["status"].get("message")))
    assert run["status"]["message"] == (
        f'No worker serves workflow type "Oder" in namespace "{cluster.namespace}";'
        ' those connected serve "Order".'
    )


async def test_an_event_whose_run_has_no_worker_is_told_so(
    cluster: Cluster, kubectl: Kubectl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "ANNOUNCED_AFTER", timedelta(0))
    async with operating(cluster):
        await cluster.start("order-1")
        await kubectl("apply", "-f", "-", stdin=APPROVE)
        event = await cluster.api.get(EVENTS.path(cluster.namespace, "approve-1"))
        await cluster.until_core_event(event["metadata"]["uid"], "NoWorker")
        said = await kubectl("describe", "wfe", "approve-1")
    assert 'No worker serves workflow type "Order"' in said
    assert "The event waits." in said


# sizes


async def test_an_outcome_that_makes_the_run_too_large_fails_it(cluster: Cluster) -> None:
    async with served(cluster) as (_, worker):
        await cluster.start("order-1", input="x" * 900 * KIB)
        start = await worker.executes()
        await worker.succeeds(start, WaitForEvent(), big="x" * 200 * KIB)
        run = await cluster.until_phase("order-1", "Failed")
    assert run["status"]["error"]["message"].startswith(
        "start gave too much. The run would be 1100."
    )
    assert run["status"]["store"] == {}


async def test_a_status_that_the_api_server_refuses_as_too_large_fails_the_run(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        size, "MAX_RUN_BYTES", 8 * KIB * KIB
    )  # what we do not measure, as annotations
    async with served(cluster) as (_, worker):
        await cluster.start("order-1", input="x" * 900 * KIB)
        waiting = await cluster.send("order-1", "approve")
        await worker.succeeds(await worker.executes(), WaitForEvent(), big="x" * 900 * KIB)
        run = await cluster.until_phase("order-1", "Failed")
        event = await cluster.until_settled(waiting)
        await cluster.delete_run("order-1")
        await cluster.until_gone(RUNS, "order-1")
    assert run["status"]["error"]["type"] == "TooLarge"
    assert event["status"]["reason"] == "RunFinished"


async def test_an_event_is_withdrawn_by_deleting_it_also_while_it_waits_for_a_run(
    cluster: Cluster, kubectl: Kubectl
) -> None:
    async with served(cluster) as (_, worker):
        await kubectl("apply", "-f", "-", stdin=APPROVE)
        await kubectl("delete", "wfe", "approve-1")
        await start_and_wait(cluster, worker, "order-1")
        await cluster.send("order-1", "reject")
        execute = await worker.executes()
        (left,) = await cluster.events()
    assert execute.execution.handler_name == "reject"
    assert left["spec"]["eventName"] == "reject"

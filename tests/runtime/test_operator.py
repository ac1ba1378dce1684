"""The whole operator against an API server, with played workers. States are asserted, not calls."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from grctl.kube import CORE_EVENTS, EVENTS, RUNS, FencedError
from grctl.models.directive import Complete, NextStep, WaitForEvent
from grctl_operator.runtime.operator import Operator
from grctl_operator.runtime.outage import StoreRestoredError
from grctl_operator.runtime.settings import Settings
from tests.runtime.conftest import Cluster
from tests.runtime.played_worker import PlayedWorker, catalogue, connected, hello

ORDER = catalogue("Order", "approve", "reject", steps=("pay",))


@asynccontextmanager
async def operating(cluster: Cluster, **settings: Any) -> AsyncIterator[Operator]:
    place = {"namespaces": (cluster.namespace,), "kubeconfig": cluster.kubeconfig}
    operator = Operator(Settings(**({"dispatcher_port": 0} | place | settings)))
    await operator.connect()
    operator.begin()
    await operator.decides.wait()
    operator.deciding.registry.accepting_since -= timedelta(
        seconds=10
    )  # all workers had time to return
    operator.deciding.dispatcher._absent._closed_grace = 0.01
    try:
        yield operator
        assert operator.failure is None
    finally:
        await operator.stop()


def greeting(cluster: Cluster, **fields: Any) -> Any:
    return hello(ORDER, namespace=cluster.namespace, **fields)


async def start_and_wait(cluster: Cluster, worker: PlayedWorker, name: str) -> None:
    """Bring a run to where it waits for an event."""
    await cluster.start(name)
    await worker.succeeds(await worker.executes(), WaitForEvent())
    await cluster.until_phase(name, "WaitEvent")


async def test_a_run_starts_waits_takes_an_event_and_a_step_and_completes(
    cluster: Cluster,
) -> None:
    async with (
        operating(cluster) as operator,
        connected(operator.port, greeting(cluster)) as worker,
    ):
        await cluster.start("order-1", input={"amount": 3})
        start = await worker.executes()
        assert (start.execution.handler_kind, start.payload) == ("start", {"amount": 3})
        await worker.succeeds(start, WaitForEvent(), amount=3)
        await cluster.until_phase("order-1", "WaitEvent")

        sent = await cluster.send("order-1", "approve", {"by": "ann"})
        approve = await worker.executes()
        assert (approve.execution.handler_name, approve.payload) == ("approve", {"by": "ann"})
        assert approve.store == {"amount": 3}
        await worker.succeeds(approve, NextStep(step="pay"))
        await worker.succeeds(await worker.executes(), Complete(result="paid"))

        run = await cluster.until_phase("order-1", "Completed")
        event = await cluster.until_settled(sent)
    assert run["status"]["result"] == "paid"
    assert run["status"]["commits"] == 3
    assert event["status"]["phase"] == "Processed"
    assert event["status"]["sequence"] == 1
    assert event["status"]["runUid"] == run["metadata"]["uid"]
    assert "place" not in event["status"]


async def test_every_released_execution_was_committed(cluster: Cluster) -> None:
    async with (
        operating(cluster) as operator,
        connected(operator.port, greeting(cluster)) as worker,
    ):
        await start_and_wait(cluster, worker, "order-1")
        await cluster.send("order-1", "approve")
        await worker.succeeds(await worker.executes(), NextStep(step="pay"))
        await worker.executes()
        assert [each.committed for each in worker.releases] == [True, True]


async def test_events_from_before_the_run_are_handled_in_the_order_of_their_creation(
    cluster: Cluster,
) -> None:
    names = ["approve", "reject", "approve", "reject", "reject"]
    sent = [await cluster.send("order-1", name) for name in names]
    async with (
        operating(cluster) as operator,
        connected(operator.port, greeting(cluster)) as worker,
    ):
        await cluster.start("order-1")
        await worker.succeeds(await worker.executes(), WaitForEvent())
        handled = []
        for _ in names:
            execute = await worker.executes()
            handled.append(execute.execution.event)
            await worker.succeeds(execute, WaitForEvent())
        settled = [await cluster.until_settled(event) for event in sent]
    assert handled == [event["metadata"]["name"] for event in sent]
    assert [event["status"]["sequence"] for event in settled] == [1, 2, 3, 4, 5]


async def test_a_mistyped_event_is_rejected_with_the_names_that_fit_and_the_run_goes_on(
    cluster: Cluster,
) -> None:
    async with (
        operating(cluster) as operator,
        connected(operator.port, greeting(cluster)) as worker,
    ):
        await start_and_wait(cluster, worker, "order-1")
        mistyped = await cluster.until_settled(await cluster.send("order-1", "aprove"))
        await cluster.send("order-1", "approve")
        execute = await worker.executes()
    assert mistyped["status"]["reason"] == "UnknownEvent"
    assert '"approve", "reject"' in mistyped["status"]["message"]
    assert execute.execution.handler_name == "approve"


async def test_a_refused_payload_rejects_the_event_and_the_run_goes_on(cluster: Cluster) -> None:
    async with (
        operating(cluster) as operator,
        connected(operator.port, greeting(cluster)) as worker,
    ):
        await start_and_wait(cluster, worker, "order-1")
        sent = await cluster.send("order-1", "approve", 7)
        await worker.refuses(await worker.executes(), "approve takes a name, not 7")
        refused = await cluster.until_settled(sent)
        await cluster.send("order-1", "approve", "ann")
        execute = await worker.executes()
    assert (refused["status"]["reason"], refused["status"]["message"]) == (
        "BadPayload",
        "approve takes a name, not 7",
    )
    assert execute.payload == "ann"


async def test_an_execution_whose_worker_is_killed_is_tried_again_elsewhere(
    cluster: Cluster,
) -> None:
    async with operating(cluster) as operator:
        async with connected(operator.port, greeting(cluster)) as first:
            await start_and_wait(cluster, first, "order-1")
            await cluster.send("order-1", "approve")
            lost = await first.executes()
        async with connected(operator.port, greeting(cluster, worker="worker-2")) as second:
            again = await second.executes()
            await second.succeeds(again, Complete())
            await cluster.until_phase("order-1", "Completed")
    assert (lost.execution.attempt, again.execution.attempt) == (1, 2)
    assert lost.execution.event_uid == again.execution.event_uid


async def test_a_worker_that_comes_back_in_time_keeps_what_it_runs(cluster: Cluster) -> None:
    async with operating(cluster) as operator:
        operator.deciding.dispatcher._absent._closed_grace = 60.0
        first = greeting(cluster, instance="a")
        async with connected(operator.port, first) as worker:
            await start_and_wait(cluster, worker, "order-1")
            await cluster.send("order-1", "approve")
            execute = await worker.executes()
        back = greeting(cluster, instance="a", held=(execute.execution,))
        async with connected(operator.port, back) as worker:
            await worker.succeeds(execute, Complete(result="once"))
            run = await cluster.until_phase("order-1", "Completed")
    assert run["status"]["lastExecution"] == execute.execution.id


async def test_an_outcome_held_over_a_restart_of_the_operator_is_committed(
    cluster: Cluster,
) -> None:
    async with (
        operating(cluster) as operator,
        connected(operator.port, greeting(cluster, instance="a")) as worker,
    ):
        await start_and_wait(cluster, worker, "order-1")
        sent = await cluster.send("order-1", "approve")
        execute = await worker.executes()
    async with operating(cluster) as operator:
        back = greeting(cluster, instance="a", held=(execute.execution,))
        async with connected(operator.port, back) as worker:
            await worker.succeeds(execute, Complete(result="once"))
            run = await cluster.until_phase("order-1", "Completed")
            event = await cluster.until_settled(sent)
    assert run["status"]["lastExecution"] == execute.execution.id
    assert event["status"]["phase"] == "Processed"


async def test_a_deleted_run_rejects_its_waiting_events_and_leaves_nothing_behind(
    cluster: Cluster,
) -> None:
    async with (
        operating(cluster) as operator,
        connected(operator.port, greeting(cluster, capacity=1)) as worker,
    ):
        await start_and_wait(cluster, worker, "order-1")
        await cluster.send("order-1", "approve")
        await worker.executes()
        for _ in range(3):
            await cluster.send("order-1", "reject")
        other = await cluster.send("order-2", "approve")
        await cluster.delete_run("order-1")
        await cluster.until_gone(RUNS, "order-1")
        left = await cluster.events()
    assert [event["metadata"]["uid"] for event in left] == [other["metadata"]["uid"]]


async def test_an_event_to_a_finished_run_is_rejected(cluster: Cluster) -> None:
    async with (
        operating(cluster) as operator,
        connected(operator.port, greeting(cluster)) as worker,
    ):
        await cluster.start("order-1")
        await worker.succeeds(await worker.executes(), Complete())
        await cluster.until_phase("order-1", "Completed")
        late = await cluster.until_settled(await cluster.send("order-1", "approve"))
    assert late["status"]["reason"] == "RunFinished"


async def test_a_run_without_a_worker_says_so(cluster: Cluster) -> None:
    async with operating(cluster):
        await cluster.start("order-1")
        run = await cluster.until_run("order-1", lambda run: bool(run["status"].get("message")))
    assert 'No worker serves workflow type "Order"' in run["status"]["message"]
    assert run["status"]["phase"] == "Pending"


async def test_a_run_without_our_finalizer_gets_it(cluster: Cluster) -> None:
    async with operating(cluster):
        await cluster.start("order-1")
        await cluster.api.merge(
            RUNS.path(cluster.namespace, "order-1"), {"metadata": {"finalizers": None}}
        )
        run = await cluster.until_run("order-1", lambda run: "finalizers" in run["metadata"])
    assert run["metadata"]["finalizers"] == ["grctl.dev/settle"]


async def test_a_touched_event_keeps_its_place(cluster: Cluster) -> None:
    async with (
        operating(cluster) as operator,
        connected(operator.port, greeting(cluster)) as worker,
    ):
        await start_and_wait(cluster, worker, "order-1")
        await cluster.send("order-1", "approve")
        busy = await worker.executes()
        sent = [await cluster.send("order-1", "reject") for _ in range(3)]
        path = EVENTS.path(cluster.namespace, sent[0]["metadata"]["name"])
        await cluster.api.merge(path, {"metadata": {"labels": {"seen": "yes"}}})
        await worker.succeeds(busy, WaitForEvent())
        handled = []
        for _ in sent:
            execute = await worker.executes()
            handled.append(execute.execution.event_uid)
            await worker.succeeds(execute, WaitForEvent())
        touched = await cluster.until_settled(sent[0])
    assert handled == [event["metadata"]["uid"] for event in sent]
    assert touched["status"]["place"] == int(sent[0]["metadata"]["resourceVersion"])


async def test_a_withdrawn_event_is_not_handled(cluster: Cluster) -> None:
    async with (
        operating(cluster) as operator,
        connected(operator.port, greeting(cluster)) as worker,
    ):
        await start_and_wait(cluster, worker, "order-1")
        await cluster.send("order-1", "approve")
        busy = await worker.executes()
        withdrawn = await cluster.send("order-1", "reject")
        kept = await cluster.send("order-1", "approve")
        await cluster.api.delete(EVENTS.path(cluster.namespace, withdrawn["metadata"]["name"]))
        await cluster.until_gone(EVENTS, withdrawn["metadata"]["name"])
        await worker.succeeds(busy, WaitForEvent())
        execute = await worker.executes()
    assert execute.execution.event_uid == kept["metadata"]["uid"]


async def test_a_wait_times_out_into_its_step(cluster: Cluster) -> None:
    async with (
        operating(cluster) as operator,
        connected(operator.port, greeting(cluster)) as worker,
    ):
        await cluster.start("order-1")
        wait = WaitForEvent(timeout=timedelta(seconds=0.1), timeout_step="pay")
        await worker.succeeds(await worker.executes(), wait)
        execute = await worker.executes()
    assert (execute.execution.handler_kind, execute.execution.handler_name) == ("step", "pay")


async def test_people_are_told_once_that_no_run_of_an_events_id_exists(cluster: Cluster) -> None:
    async with operating(cluster):
        sent = await cluster.send("order-1", "approve")
        told = await cluster.until_core_event(sent["metadata"]["uid"])
    assert told["reason"] == "NoSuchRun"
    assert told["involvedObject"]["kind"] == "WorkflowEvent"


async def test_core_events_are_found_by_their_object(cluster: Cluster) -> None:
    async with operating(cluster):
        run = await cluster.start("order-1")
        told = await cluster.until_core_event(run["metadata"]["uid"])
        await cluster.until_run("order-1", lambda item: bool(item["status"].get("message")))
        assert [each["reason"] for each in await cluster.events(CORE_EVENTS)] == ["NoWorker"]
    assert told["reason"] == "NoWorker"


async def test_a_restored_store_is_not_written_to_and_the_operator_stays(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        operating(cluster, http_port=0) as operator,
        connected(operator.port, greeting(cluster)) as worker,
    ):
        await start_and_wait(cluster, worker, "order-1")
        watch = operator.acting.watches._scopes[cluster.namespace].runs
        watch.revision += 1_000_000
        with pytest.raises(StoreRestoredError):
            await operator._parts.keep(watch.run, "watch runs")
        assert not operator.leading
        assert not operator.ended.is_set()
        assert operator.metrics.value("grctl_store_restored") == 1
        with pytest.raises(FencedError):
            await operator.api.merge(RUNS.path(cluster.namespace, "order-1"), {})
    [record] = [each for each in caplog.records if each.levelname == "CRITICAL"]
    said = vars(record)["error"] + vars(record)["hint"]
    assert re.search(r"at revision \d+ of .* was at 1\d{6} before", said)
    assert "rollout restart" in said


async def test_a_run_that_is_gone_waits_for_no_worker(cluster: Cluster) -> None:
    """An alert on the metric would go on firing."""

    def waits(operator: Operator) -> float:
        return operator.metrics.value("grctl_runs_waiting_for_worker")

    async with operating(cluster) as operator:
        for name in ("deleted", "terminated", "cancelled"):
            await cluster.start(name, "NobodyServesThis")
            await cluster.until_run(name, lambda run: "NobodyServesThis" in str(run["status"]))
        assert waits(operator) == 3
        await cluster.delete_run("deleted")
        await cluster.until_gone(RUNS, "deleted")
        await cluster.desire("terminated", terminate=True)
        await cluster.desire("cancelled", cancel=True)
        await cluster.until_phase("terminated", "Terminated")
        await cluster.until_phase("cancelled", "Cancelled")
        await cluster.start("last", "NobodyServesThis")
        await cluster.until_run("last", lambda run: "NobodyServesThis" in str(run["status"]))
        assert waits(operator) == 1

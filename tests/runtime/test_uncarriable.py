"""What cannot be read or carried, on a whole operator: it ends, and runs beside it go on."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from grctl.kube import RUNS
from grctl.models.directive import Complete, WaitForEvent
from grctl_operator.views.payloads import PayloadBudget
from tests.runtime.conftest import Cluster
from tests.runtime.played_worker import PlayedWorker, connected
from tests.runtime.test_operator import greeting, operating


def nested(levels: int) -> Any:
    value: Any = []
    for _ in range(levels - 1):
        value = [value]
    return value


@pytest.fixture
async def worker(cluster: Cluster) -> AsyncIterator[PlayedWorker]:
    async with (
        operating(cluster) as operator,
        connected(operator.port, greeting(cluster)) as connected_worker,
    ):
        yield connected_worker


async def completes(cluster: Cluster, worker: PlayedWorker, name: str) -> None:
    await cluster.start(name)
    await worker.succeeds(await worker.executes(), Complete(result=[name]))
    assert (await cluster.until_phase(name, "Completed"))["status"]["result"] == [name]


async def test_a_run_with_an_input_that_is_too_deep_fails_and_others_go_on(
    cluster: Cluster, worker: PlayedWorker
) -> None:
    for levels in (101, 200, 240):
        await cluster.start(f"deep-{levels}", input=nested(levels))
    await completes(cluster, worker, "order-1")
    for levels in (101, 200, 240):
        failed = await cluster.until_phase(f"deep-{levels}", "Failed")
        assert failed["status"]["error"]["type"] == "BadInput"


async def test_an_event_with_a_payload_that_is_too_deep_is_rejected_in_its_turn(
    cluster: Cluster, worker: PlayedWorker
) -> None:
    await cluster.start("order-1")
    await worker.succeeds(await worker.executes(), WaitForEvent(), kept={"a": [1, 2.5, None]})
    deep = await cluster.send("order-1", "approve", nested(240))
    after = await cluster.send("order-1", "approve", nested(100))
    execute = await worker.executes()
    assert execute.payload == nested(100)
    assert execute.store == {"kept": {"a": [1, 2.5, None]}}
    await worker.succeeds(execute, Complete())
    rejected, handled = await cluster.until_settled(deep), await cluster.until_settled(after)
    assert (rejected["status"]["reason"], rejected["status"]["sequence"]) == ("BadPayload", 1)
    assert (handled["status"]["phase"], handled["status"]["sequence"]) == ("Processed", 2)


async def test_a_run_that_cannot_be_read_says_so_and_others_go_on(
    cluster: Cluster, worker: PlayedWorker
) -> None:
    item = await cluster.start("odd")
    start = await worker.executes()
    path = RUNS.path(cluster.namespace, "odd", "status")
    await cluster.api.merge(path, {"status": {"store": {"a": nested(150)}}})
    told = await cluster.until_core_event(item["metadata"]["uid"], reason="Unreadable")
    assert "status.store['a'] is nested deeper than 100 levels" in told["message"]
    await completes(cluster, worker, "order-1")
    await cluster.api.merge(path, {"status": {"store": {"a": None}}})
    await worker.succeeds(start, Complete())
    await cluster.until_phase("odd", "Completed")


async def test_a_payload_that_was_not_kept_is_read_when_its_turn_comes(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PayloadBudget, "has_room_for", lambda _self, _payload: False)
    async with (
        operating(cluster) as operator,
        connected(operator.port, greeting(cluster)) as worker,
    ):
        await cluster.start("order-1")
        await worker.succeeds(await worker.executes(), WaitForEvent())
        sent = [await cluster.send("order-1", "approve", {"n": number}) for number in range(3)]
        for number in range(3):
            execute = await worker.executes()
            assert execute.payload == {"n": number}
            await worker.succeeds(execute, WaitForEvent())
        for each in sent:
            assert (await cluster.until_settled(each))["status"]["phase"] == "Processed"

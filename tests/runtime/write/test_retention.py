"""What is over goes in time: finished runs, and settled events beyond the newest."""

import pytest

from grctl.kube import EVENTS, RUNS, Api
from grctl.models.directive import Complete, WaitForEvent
from grctl.models.phases import SETTLED_SELECTOR
from grctl_operator.runtime.write import trimmer
from tests.runtime.conftest import Cluster, Json
from tests.runtime.played_worker import PlayedWorker, connected
from tests.runtime.test_operator import greeting, operating, start_and_wait


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trimmer, "TRIM_PAUSE_S", 0.01)


async def handle(cluster: Cluster, worker: PlayedWorker, count: int) -> list[Json]:
    """Send and handle so many events, one after the other."""
    sent = []
    for _ in range(count):
        event = await cluster.send("order-1", "approve")
        await worker.succeeds(await worker.executes(), WaitForEvent())
        sent.append(await cluster.until_settled(event))
    return sent


async def test_a_finished_run_goes_when_its_time_is_over_and_takes_its_events_along(
    cluster: Cluster,
) -> None:
    async with (
        operating(cluster) as operator,
        connected(operator.port, greeting(cluster)) as worker,
    ):
        await cluster.start("order-1", desired={"ttlSecondsAfterFinished": 0})
        await worker.succeeds(await worker.executes(), WaitForEvent())
        await handle(cluster, worker, 1)
        await cluster.send("order-1", "approve")
        await worker.succeeds(await worker.executes(), Complete())
        await cluster.until_gone(RUNS, "order-1")
        assert await cluster.events() == []


async def test_a_time_given_after_the_end_counts_from_the_end(cluster: Cluster) -> None:
    async with (
        operating(cluster) as operator,
        connected(operator.port, greeting(cluster)) as worker,
    ):
        await cluster.start("order-1")
        await worker.succeeds(await worker.executes(), Complete())
        await cluster.until_phase("order-1", "Completed")
        await cluster.desire("order-1", ttlSecondsAfterFinished=0)
        await cluster.until_gone(RUNS, "order-1")


async def test_an_operator_that_starts_late_deletes_runs_that_expired_meanwhile(
    cluster: Cluster,
) -> None:
    async with (
        operating(cluster) as operator,
        connected(operator.port, greeting(cluster)) as worker,
    ):
        await cluster.start("order-1")
        await worker.succeeds(await worker.executes(), Complete())
        await cluster.until_phase("order-1", "Completed")
    await cluster.desire("order-1", ttlSecondsAfterFinished=0)
    async with operating(cluster):
        await cluster.until_gone(RUNS, "order-1")


async def test_only_the_newest_settled_events_stay(cluster: Cluster) -> None:
    async with (
        operating(cluster) as operator,
        connected(operator.port, greeting(cluster)) as worker,
    ):
        await start_and_wait(cluster, worker, "order-1")
        await cluster.desire("order-1", keepEvents=2)
        sent = await handle(cluster, worker, 5)
        for event in sent[:3]:
            await cluster.until_gone(EVENTS, event["metadata"]["name"])
        left = await cluster.events()
    assert sorted(event["status"]["sequence"] for event in left) == [4, 5]
    assert operator.metrics.value("grctl_events_removed_total") == 3


async def test_a_finished_run_that_keeps_no_event_is_left_without_events(cluster: Cluster) -> None:
    async with (
        operating(cluster) as operator,
        connected(operator.port, greeting(cluster)) as worker,
    ):
        await start_and_wait(cluster, worker, "order-1")
        sent = await handle(cluster, worker, 2)
        await cluster.desire("order-1", keepEvents=0)
        last = await cluster.send("order-1", "approve")
        await worker.succeeds(await worker.executes(), Complete())
        await cluster.until_phase("order-1", "Completed")
        for event in (*sent, last):
            await cluster.until_gone(EVENTS, event["metadata"]["name"])


async def test_an_operator_that_starts_removes_surplus_events(cluster: Cluster) -> None:
    async with (
        operating(cluster) as operator,
        connected(operator.port, greeting(cluster)) as worker,
    ):
        await start_and_wait(cluster, worker, "order-1")
        sent = await handle(cluster, worker, 3)
    await cluster.desire("order-1", keepEvents=1)
    async with operating(cluster):
        for event in sent[:2]:
            await cluster.until_gone(EVENTS, event["metadata"]["name"])
        left = await cluster.events()
    assert [event["metadata"]["uid"] for event in left] == [sent[2]["metadata"]["uid"]]


async def test_removing_costs_no_list_per_event(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trimmer, "TRIM_SURPLUS_RATIO", 1.0)
    get, lists = Api.get, []

    async def counting(
        self: Api, path: str, params: dict[str, str] | None = None, *, at_most: int | None = None
    ) -> Json:
        if (params or {}).get("fieldSelector") == SETTLED_SELECTOR:
            lists.append(path)
        return await get(self, path, params, at_most=at_most)

    monkeypatch.setattr(Api, "get", counting)
    async with (
        operating(cluster) as operator,
        connected(operator.port, greeting(cluster)) as worker,
    ):
        await cluster.start("order-1", desired={"keepEvents": 10})
        await worker.succeeds(await worker.executes(), WaitForEvent())
        sent = await handle(cluster, worker, 31)
        await cluster.until_gone(EVENTS, sent[10]["metadata"]["name"])
    assert 1 <= len(lists) <= 4

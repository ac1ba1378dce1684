"""Settled events beyond those that are kept go, and nothing else does; and when a list pays."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from grctl.kube import EVENTS, Api, ApiError, UnreachableError
from grctl_operator.engine.decision import Trim
from grctl_operator.engine.observation import Key
from grctl_operator.runtime.people.metrics import Metrics
from grctl_operator.runtime.write import trimmer as trimmer_module
from grctl_operator.runtime.write.trimmer import LATEST, Surplus, Through, Trimmer
from grctl_operator.views.runs import RunCache
from tests.runtime.conftest import Cluster, Json


class Yard:
    """A trimmer, a run that it knows, and events of it."""

    def __init__(self, cluster: Cluster, run: Json) -> None:
        self.cluster = cluster
        self.key = Key(cluster.namespace, "order-1")
        self.uid: str = run["metadata"]["uid"]
        self.runs = RunCache()
        self.runs.on_answer(run)
        self.metrics = Metrics()
        self.lists = 0

    @asynccontextmanager
    async def trimming(self, through: int) -> AsyncIterator[Trimmer]:
        trimmer = Trimmer(self.cluster.api, self.runs, self.metrics, pause=0.01)
        self.trim(trimmer, through)
        task = asyncio.create_task(trimmer.run())
        yield trimmer
        task.cancel()

    def trim(self, trimmer: Trimmer, through: int) -> None:
        run = self.runs.get(self.key)
        assert run is not None
        trimmer.trim(self.key, run, Trim(through))

    async def settled(self, sequence: int, run_uid: str | None = None, **fields: Any) -> Json:
        """An event that was settled as the so-many-th of a run."""
        event = await self.cluster.send("order-1", "approve", name=fields.get("name"))
        event["status"] = {
            "phase": "Processed",
            "sequence": sequence,
            "runUid": run_uid or self.uid,
        }
        path = EVENTS.path(self.cluster.namespace, event["metadata"]["name"], "status")
        return await self.cluster.api.replace(path, event)

    async def gone(self, event: Json) -> None:
        await self.cluster.until_gone(EVENTS, event["metadata"]["name"])

    @property
    def removed(self) -> float:
        return self.metrics.value("grctl_events_removed_total")

    async def left(self) -> set[str]:
        return {event["metadata"]["uid"] for event in await self.cluster.events()}


@pytest.fixture
async def yard(cluster: Cluster) -> Yard:
    return Yard(cluster, await cluster.start("order-1"))


def uids(*events: Json) -> set[str]:
    return {event["metadata"]["uid"] for event in events}


async def test_settled_events_up_to_the_sequence_go_and_newer_ones_stay(yard: Yard) -> None:
    events = [await yard.settled(sequence) for sequence in (1, 2, 3, 4)]
    async with yard.trimming(2):
        for event in events[:2]:
            await yard.gone(event)
    assert await yard.left() == uids(*events[2:])
    assert yard.removed == 2


async def test_what_waits_and_what_another_run_settled_stays(yard: Yard) -> None:
    waits = await yard.cluster.send("order-1", "approve")
    earlier_run = await yard.settled(1, run_uid="an-earlier-run")
    nobodys = await yard.settled(1)
    del nobodys["status"]["sequence"], nobodys["status"]["runUid"]
    path = EVENTS.path(yard.cluster.namespace, nobodys["metadata"]["name"], "status")
    await yard.cluster.api.replace(path, nobodys)
    other = await yard.cluster.send("order-2", "approve")
    first = await yard.settled(1)
    async with yard.trimming(5) as trimmer:
        await yard.gone(first)
        last = await yard.settled(6)
        yard.trim(trimmer, 6)
        await yard.gone(last)  # by a second list: the first is over
    assert await yard.left() == uids(waits, earlier_run, nobodys, other)


async def test_more_than_a_page_is_removed_by_one_list(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trimmer_module, "PAGE", 3)
    events = [await yard.settled(sequence) for sequence in range(1, 9)]
    async with yard.trimming(8):
        for event in events:
            await yard.gone(event)
    assert await yard.left() == set()


async def test_another_event_of_a_removed_ones_name_is_not_touched(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    await yard.settled(1, name="approve-1")
    last = await yard.settled(2, name="approve-2")
    delete = Api.delete
    anew: list[Json] = []

    async def overtaken(self: Api, path: str, *arguments: Any, **named: Any) -> Json:
        if path.endswith("approve-1") and not anew:
            await delete(self, path)
            anew.append(await yard.cluster.send("order-1", "approve", name="approve-1"))
        return await delete(self, path, *arguments, **named)

    monkeypatch.setattr(Api, "delete", overtaken)
    async with yard.trimming(2) as trimmer:
        await yard.gone(last)
        third = await yard.settled(3)
        yard.trim(trimmer, 3)
        await yard.gone(third)  # by a second list: the first is over
    assert await yard.left() == uids(*anew)
    assert yard.removed == 2


async def test_after_a_restart_what_is_left_is_removed(yard: Yard) -> None:
    first, second = await yard.settled(1), await yard.settled(2)
    async with yard.trimming(1):
        await yard.gone(first)
    async with yard.trimming(2):
        await yard.gone(second)
    assert await yard.left() == set()


async def test_a_failure_is_logged_and_tried_again(
    yard: Yard, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(trimmer_module, "AFTER_FAILURE", 0.0)
    delete, failures = Api.delete, [UnreachableError("no answer")]

    async def failing(self: Api, *arguments: Any, **named: Any) -> Json:
        if failures:
            raise failures.pop()
        return await delete(self, *arguments, **named)

    monkeypatch.setattr(Api, "delete", failing)
    event = await yard.settled(1)
    async with yard.trimming(1):
        await yard.gone(event)
    assert "settled events not removed" in caplog.text


# when a list pays


def surplus(stayed: int, **wanted: int) -> Surplus:
    made = Surplus(stayed=stayed)
    for name, sequence in wanted.items():
        made.want(Key("shop", name), Through("u1", sequence), now=0.0)
    return made


def test_the_first_list_is_taken_at_once() -> None:
    assert surplus(0, order=1).pays(now=0.0)


def test_without_a_surplus_no_list_is_taken() -> None:
    assert not surplus(0).pays(now=LATEST)


def test_a_list_waits_for_a_share_of_what_it_reads() -> None:
    assert not surplus(1000, order=99).pays(now=LATEST - 1)
    assert surplus(1000, order=100).pays(now=0.0)


def test_the_surplus_of_all_runs_counts_together() -> None:
    assert surplus(1000, order=60, other=60).pays(now=0.0)


def test_a_small_surplus_is_removed_in_the_end() -> None:
    assert surplus(1000, order=1).pays(now=LATEST)


def test_only_what_came_since_the_last_list_counts() -> None:
    made = surplus(0, order=1000)
    made.done(dict(made.wanted), stayed=1000, now=1.0)
    made.want(Key("shop", "order"), Through("u1", 1050), now=2.0)
    assert not made.pays(now=3.0)
    made.want(Key("shop", "order"), Through("u1", 1100), now=2.0)
    assert made.pays(now=3.0)


def test_what_is_removed_is_not_wanted_again() -> None:
    made = surplus(0, order=3)
    made.done(dict(made.wanted), stayed=5, now=1.0)
    made.want(Key("shop", "order"), Through("u1", 3), now=2.0)
    assert (made.wanted, made.since) == ({}, None)


def test_what_is_wanted_while_a_list_is_read_stays_wanted() -> None:
    made = surplus(0, order=3)
    read = dict(made.wanted)
    made.want(Key("shop", "order"), Through("u1", 7), now=1.0)
    made.done(read, stayed=0, now=2.0)
    assert made.wanted == {Key("shop", "order"): Through("u1", 7)}


def test_a_new_run_of_the_id_begins_anew() -> None:
    made = surplus(0, order=300)
    made.done(dict(made.wanted), stayed=0, now=1.0)
    made.want(Key("shop", "order"), Through("u2", 1), now=2.0)
    assert made.pays(now=2.0)


def test_runs_that_are_gone_are_forgotten() -> None:
    made = surplus(0, order=3, other=4)
    made.done({Key("shop", "order"): Through("u1", 3)}, stayed=0, now=1.0)
    made.forget(lambda key, through: True)
    assert (made.wanted, made.removed, made.since) == ({}, {}, None)


async def test_an_event_that_may_not_be_removed_is_passed_over(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    delete = yard.cluster.api.delete
    stays, goes = await yard.settled(1), await yard.settled(2)

    async def denied(path: str, *arguments: Any, **more: Any) -> Json:
        if path.endswith(f"/{stays['metadata']['name']}"):
            raise ApiError(403, "Forbidden", "denied by a webhook")
        return await delete(path, *arguments, **more)

    monkeypatch.setattr(yard.cluster.api, "delete", denied)
    async with yard.trimming(through=2):
        await yard.gone(goes)
    assert yard.removed == 1


async def test_a_namespace_where_removals_hang_keeps_no_other_waiting(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = asyncio.Event()

    async def hangs(namespace: str, _surplus: Surplus) -> None:
        if namespace == "bad":
            began.set()
            await asyncio.Event().wait()
        await look(namespace, _surplus)

    goes = await yard.settled(1)
    async with yard.trimming(through=0) as trimmer:
        look = trimmer._list_and_remove
        monkeypatch.setattr(trimmer, "_list_and_remove", hangs)
        run = yard.runs.get(yard.key)
        assert run is not None
        bad = Key("bad", "order-1")
        yard.runs.on_answer(
            {**run.to_json(), "metadata": {**run.metadata.to_json(), "namespace": "bad"}}
        )
        trimmer.trim(bad, run, Trim(1))
        await asyncio.wait_for(began.wait(), 60)
        yard.trim(trimmer, 1)
        await yard.gone(goes)

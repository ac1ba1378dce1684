"""Which settled events are removed, and when a list is worth it."""

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
from grctl_operator.runtime.write.trimmer import LATEST_TRIM_S, Surplus, Through, Trimmer
from grctl_operator.views.runs import RunCache
from tests.runtime.conftest import Cluster, Json


class TrimmerParts:
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
        trimmer = Trimmer(self.cluster.api, self.runs, self.metrics)
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
async def parts(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> TrimmerParts:
    monkeypatch.setattr(trimmer_module, "TRIM_PAUSE_S", 0.01)
    return TrimmerParts(cluster, await cluster.start("order-1"))


def uids(*events: Json) -> set[str]:
    return {event["metadata"]["uid"] for event in events}


async def test_settled_events_up_to_the_sequence_go_and_newer_ones_stay(
    parts: TrimmerParts,
) -> None:
    events = [await parts.settled(sequence) for sequence in (1, 2, 3, 4)]
    async with parts.trimming(2):
        for event in events[:2]:
            await parts.gone(event)
    assert await parts.left() == uids(*events[2:])
    assert parts.removed == 2


async def test_waiting_events_and_those_of_another_run_stay(parts: TrimmerParts) -> None:
    waits = await parts.cluster.send("order-1", "approve")
    earlier_run = await parts.settled(1, run_uid="an-earlier-run")
    nobodys = await parts.settled(1)
    del nobodys["status"]["sequence"], nobodys["status"]["runUid"]
    path = EVENTS.path(parts.cluster.namespace, nobodys["metadata"]["name"], "status")
    await parts.cluster.api.replace(path, nobodys)
    other = await parts.cluster.send("order-2", "approve")
    first = await parts.settled(1)
    async with parts.trimming(5) as trimmer:
        await parts.gone(first)
        last = await parts.settled(6)
        parts.trim(trimmer, 6)
        await parts.gone(last)  # by a second list: the first is over
    assert await parts.left() == uids(waits, earlier_run, nobodys, other)


async def test_more_than_a_page_is_removed_by_one_list(
    parts: TrimmerParts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trimmer_module, "TRIM_PAGE_SIZE", 3)
    events = [await parts.settled(sequence) for sequence in range(1, 9)]
    async with parts.trimming(8):
        for event in events:
            await parts.gone(event)
    assert await parts.left() == set()


async def test_a_new_event_with_the_name_of_a_removed_one_is_not_touched(
    parts: TrimmerParts, monkeypatch: pytest.MonkeyPatch
) -> None:
    await parts.settled(1, name="approve-1")
    last = await parts.settled(2, name="approve-2")
    delete = Api.delete
    anew: list[Json] = []

    async def overtaken(self: Api, path: str, *arguments: Any, **named: Any) -> Json:
        if path.endswith("approve-1") and not anew:
            await delete(self, path)
            anew.append(await parts.cluster.send("order-1", "approve", name="approve-1"))
        return await delete(self, path, *arguments, **named)

    monkeypatch.setattr(Api, "delete", overtaken)
    async with parts.trimming(2) as trimmer:
        await parts.gone(last)
        third = await parts.settled(3)
        parts.trim(trimmer, 3)
        await parts.gone(third)  # by a second list: the first is over
    assert await parts.left() == uids(*anew)
    assert parts.removed == 2


async def test_after_a_restart_the_rest_is_removed(parts: TrimmerParts) -> None:
    first, second = await parts.settled(1), await parts.settled(2)
    async with parts.trimming(1):
        await parts.gone(first)
    async with parts.trimming(2):
        await parts.gone(second)
    assert await parts.left() == set()


async def test_a_failure_is_logged_and_tried_again(
    parts: TrimmerParts, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(trimmer_module, "PAUSE_AFTER_TRIM_FAILURE_S", 0.0)
    delete, failures = Api.delete, [UnreachableError("no answer")]

    async def failing(self: Api, *arguments: Any, **named: Any) -> Json:
        if failures:
            raise failures.pop()
        return await delete(self, *arguments, **named)

    monkeypatch.setattr(Api, "delete", failing)
    event = await parts.settled(1)
    async with parts.trimming(1):
        await parts.gone(event)
    assert "settled events not removed" in caplog.text


# when a list is_worth_a_list


def surplus(stayed: int, **wanted: int) -> Surplus:
    made = Surplus(stayed=stayed)
    for name, sequence in wanted.items():
        made.want(Key("shop", name), Through("u1", sequence), now=0.0)
    return made


def test_the_first_list_is_taken_at_once() -> None:
    assert surplus(0, order=1).is_worth_a_list(now=0.0)


def test_without_a_surplus_no_list_is_taken() -> None:
    assert not surplus(0).is_worth_a_list(now=LATEST_TRIM_S)


def test_a_list_waits_for_a_share_of_what_it_reads() -> None:
    assert not surplus(1000, order=99).is_worth_a_list(now=LATEST_TRIM_S - 1)
    assert surplus(1000, order=100).is_worth_a_list(now=0.0)


def test_the_surplus_of_all_runs_counts_together() -> None:
    assert surplus(1000, order=60, other=60).is_worth_a_list(now=0.0)


def test_a_small_surplus_is_removed_in_the_end() -> None:
    assert surplus(1000, order=1).is_worth_a_list(now=LATEST_TRIM_S)


def test_only_events_settled_since_the_last_list_count() -> None:
    made = surplus(0, order=1000)
    made.on_removed(dict(made.wanted), stayed=1000, now=1.0)
    made.want(Key("shop", "order"), Through("u1", 1050), now=2.0)
    assert not made.is_worth_a_list(now=3.0)
    made.want(Key("shop", "order"), Through("u1", 1100), now=2.0)
    assert made.is_worth_a_list(now=3.0)


def test_removed_events_are_not_wanted_again() -> None:
    made = surplus(0, order=3)
    made.on_removed(dict(made.wanted), stayed=5, now=1.0)
    made.want(Key("shop", "order"), Through("u1", 3), now=2.0)
    assert (made.wanted, made.since) == ({}, None)


def test_events_wanted_while_a_list_is_read_stay_wanted() -> None:
    made = surplus(0, order=3)
    read = dict(made.wanted)
    made.want(Key("shop", "order"), Through("u1", 7), now=1.0)
    made.on_removed(read, stayed=0, now=2.0)
    assert made.wanted == {Key("shop", "order"): Through("u1", 7)}


def test_a_new_run_of_the_id_begins_anew() -> None:
    made = surplus(0, order=300)
    made.on_removed(dict(made.wanted), stayed=0, now=1.0)
    made.want(Key("shop", "order"), Through("u2", 1), now=2.0)
    assert made.is_worth_a_list(now=2.0)


def test_runs_that_are_gone_are_forgotten() -> None:
    made = surplus(0, order=3, other=4)
    made.on_removed({Key("shop", "order"): Through("u1", 3)}, stayed=0, now=1.0)
    made.forget(lambda key, through: True)
    assert (made.wanted, made.removed, made.since) == ({}, {}, None)


async def test_an_event_that_may_not_be_removed_is_passed_over(
    parts: TrimmerParts, monkeypatch: pytest.MonkeyPatch
) -> None:
    delete = parts.cluster.api.delete
    stays, goes = await parts.settled(1), await parts.settled(2)

    async def denied(path: str, *arguments: Any, **more: Any) -> Json:
        if path.endswith(f"/{stays['metadata']['name']}"):
            raise ApiError(403, "Forbidden", "denied by a webhook")
        return await delete(path, *arguments, **more)

    monkeypatch.setattr(parts.cluster.api, "delete", denied)
    async with parts.trimming(through=2):
        await parts.gone(goes)
    assert parts.removed == 1


async def test_a_namespace_where_removals_hang_keeps_no_other_waiting(
    parts: TrimmerParts, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = asyncio.Event()

    async def hangs(namespace: str, _surplus: Surplus) -> None:
        if namespace == "bad":
            began.set()
            await asyncio.Event().wait()
        await look(namespace, _surplus)

    goes = await parts.settled(1)
    async with parts.trimming(through=0) as trimmer:
        look = trimmer._list_and_remove
        monkeypatch.setattr(trimmer, "_list_and_remove", hangs)
        run = parts.runs.get(parts.key)
        assert run is not None
        bad = Key("bad", "order-1")
        parts.runs.on_answer(
            {**run.to_json(), "metadata": {**run.metadata.to_json(), "namespace": "bad"}}
        )
        trimmer.trim(bad, run, Trim(1))
        await asyncio.wait_for(began.wait(), 60)
        parts.trim(trimmer, 1)
        await parts.gone(goes)

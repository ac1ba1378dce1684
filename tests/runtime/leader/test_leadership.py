"""The leaderships of several operators on one API server. Durations are short."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from grctl.kube import LEASES, Api, Connection, UnreachableError
from grctl_operator.runtime.leader.leadership import (
    Leadership,
    LeadershipLostError,
    seconds_since_boot,
)
from grctl_operator.runtime.leader.lease import Candidate, LeaseTiming
from grctl_operator.runtime.outage import StoreRestoredError
from tests.runtime.conftest import PATIENCE, Cluster, Json

NAME = "the-lease"
BRIEF = LeaseTiming(duration=1.0, deadline=0.7, every=0.1)
EAGER = LeaseTiming(every=0.1)
WORKERS = 3


class Clock:
    """A clock that a test can move, as when a process is stopped for a while."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return seconds_since_boot() + self.ahead


class Calls:
    """Records what a leadership tells its listener."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.workers: int | None = None
        self._grown = asyncio.Condition()

    def on_leader(self, url: str | None) -> None:
        self._write(f"leader {url}")

    def on_silence(self) -> None:
        self._write("silence")

    def on_taken(self, workers: int | None) -> None:
        self.workers = workers
        self._write("taken")

    def on_suspended(self) -> None:
        self._write("suspended")

    def on_resumed(self) -> None:
        self._write("resumed")

    async def until(self, line: str, times: int = 1) -> None:
        async with asyncio.timeout(PATIENCE), self._grown:
            await self._grown.wait_for(lambda: self.lines.count(line) >= times)

    def _write(self, line: str) -> None:
        self.lines.append(line)
        self._tell = asyncio.create_task(self._notify())

    async def _notify(self) -> None:
        async with self._grown:
            self._grown.notify_all()


class ElectedOperator:
    """An operator that does nothing but lead or stand by."""

    def __init__(self, api: Api, namespace: str, name: str, timing: LeaseTiming) -> None:
        self.clock = Clock()
        self.calls = Calls()
        url = f"http://{name}:8700"
        self.leadership = Leadership(
            api,
            namespace,
            NAME,
            Candidate(name, url, "all"),
            self.calls,
            workers=lambda: WORKERS,
            timing=timing,
            now=self.clock,
        )
        self.task = asyncio.create_task(self.leadership.run())

    async def dies(self) -> None:
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task


@asynccontextmanager
async def operator(
    cluster: Cluster, name: str, timing: LeaseTiming = BRIEF, api: Api | None = None
) -> AsyncIterator[ElectedOperator]:
    made = ElectedOperator(api or cluster.api, cluster.namespace, name, timing)
    try:
        yield made
    finally:
        with suppress(LeadershipLostError, StoreRestoredError):
            await made.dies()


@asynccontextmanager
async def leader(
    cluster: Cluster, name: str, timing: LeaseTiming = BRIEF, api: Api | None = None
) -> AsyncIterator[ElectedOperator]:
    async with operator(cluster, name, timing, api) as made:
        await made.calls.until("taken")
        yield made


async def lease(cluster: Cluster) -> Json:
    return await cluster.api.get(LEASES.path(cluster.namespace, NAME))


async def until_renewed(cluster: Cluster) -> None:
    before = (await lease(cluster))["spec"]["renewTime"]
    await cluster._until(LEASES, NAME, lambda item: item["spec"]["renewTime"] > before)


async def test_a_lease_that_nobody_has_is_taken_at_once(cluster: Cluster) -> None:
    async with leader(cluster, "one", LeaseTiming()) as one:
        item = await lease(cluster)
        assert one.leadership.leading
    assert item["spec"]["holderIdentity"] == "one"
    assert item["spec"]["leaseDurationSeconds"] == 10
    assert item["metadata"]["annotations"]["grctl.dev/dispatcher-url"] == "http://one:8700"


async def test_a_standby_knows_the_address_of_the_leader_and_may_not_write(
    cluster: Cluster,
) -> None:
    async with leader(cluster, "one", LeaseTiming()), operator(cluster, "two") as two:
        await two.calls.until("leader http://one:8700")
        await asyncio.wait_for(two.leadership.leader_known.wait(), PATIENCE)
        assert not two.leadership.leading


async def test_a_released_lease_is_taken_at_once(cluster: Cluster) -> None:
    async with leader(cluster, "one", LeaseTiming()) as one, operator(cluster, "two") as two:
        await two.calls.until("leader http://one:8700")
        await one.dies()
        await one.leadership.release()
        assert not one.leadership.leading
        began = seconds_since_boot()
        await two.calls.until("taken")
        assert two.calls.workers == WORKERS
    assert seconds_since_boot() - began < LeaseTiming().duration / 2
    assert two.calls.lines == ["leader http://one:8700", "leader None", "taken"]


async def test_the_lease_of_a_killed_operator_is_taken_when_it_may_no_longer_write(
    cluster: Cluster,
) -> None:
    async with leader(cluster, "one") as one, operator(cluster, "two") as two:
        await one.dies()
        await two.calls.until("taken")
        assert not one.leadership.leading
    assert two.calls.lines == ["leader http://one:8700", "silence", "taken"]


async def test_a_holder_renews_the_lease(cluster: Cluster) -> None:
    async with leader(cluster, "one", EAGER), operator(cluster, "two") as two:
        for _ in range(3):
            await until_renewed(cluster)
        assert two.calls.lines == ["leader http://one:8700"]


async def test_an_operator_that_finds_the_lease_in_its_own_name_takes_it_at_once(
    cluster: Cluster,
) -> None:
    async with leader(cluster, "one", LeaseTiming()) as one:
        await one.dies()
        began = seconds_since_boot()
        async with leader(cluster, "one", LeaseTiming()):
            assert seconds_since_boot() - began < LeaseTiming().duration / 2
            assert (await lease(cluster))["spec"]["leaseTransitions"] == 1


async def test_a_process_that_was_stopped_for_long_may_not_write(
    cluster: Cluster,
) -> None:
    async with leader(cluster, "one", LeaseTiming()) as one:
        one.clock.ahead += LeaseTiming().deadline
        assert not one.leadership.leading


async def test_a_process_that_was_stopped_ends_when_another_leads(cluster: Cluster) -> None:
    async with leader(cluster, "one", EAGER) as one:
        taken = {"spec": {"holderIdentity": "two", "leaseTransitions": 1}}
        await cluster.api.merge(LEASES.path(cluster.namespace, NAME), taken)
        with pytest.raises(LeadershipLostError, match="is held by two in term 1"):
            await asyncio.wait_for(one.task, PATIENCE)
        assert not one.leadership.leading


async def test_two_processes_of_one_identity_are_told_apart(cluster: Cluster) -> None:
    async with leader(cluster, "one", EAGER) as one, leader(cluster, "one", LeaseTiming()):
        with pytest.raises(LeadershipLostError, match="by one in term 1, and was ours in term 0"):
            await asyncio.wait_for(one.task, PATIENCE)


class CutApi(Api):
    """An API server that takes no writes while it is cut off."""

    cut: bool = False

    async def replace(self, path: str, body: Json, params: Any = None) -> Json:
        if self.cut:
            raise UnreachableError(f"PUT {path}: cut")
        return await super().replace(path, body, params)


async def test_a_holder_that_cannot_renew_is_suspended_and_goes_on_if_nobody_led_meanwhile(
    cluster: Cluster,
) -> None:
    async with (
        CutApi(await Connection.find(cluster.kubeconfig)) as api,
        leader(cluster, "one", BRIEF, api) as one,
    ):
        api.cut = True
        await one.calls.until("suspended")
        assert one.leadership.remaining() <= 0
        api.cut = False
        await one.calls.until("resumed")
        assert one.leadership.leading
        assert (await lease(cluster))["spec"]["leaseTransitions"] == 0


async def test_a_lease_that_a_person_changes_is_kept(cluster: Cluster) -> None:
    async with leader(cluster, "one", EAGER) as one:
        path = LEASES.path(cluster.namespace, NAME)
        await cluster.api.merge(path, {"metadata": {"labels": {"seen": "yes"}}})
        await until_renewed(cluster)
        assert one.leadership.leading


async def test_a_lease_that_a_person_deletes_is_created_again(cluster: Cluster) -> None:
    async with leader(cluster, "one", EAGER) as one:
        await cluster.api.delete(LEASES.path(cluster.namespace, NAME))
        await cluster._until(LEASES, NAME, lambda item: "spec" in item)
        assert one.leadership.leading


async def test_a_standby_releases_nothing(cluster: Cluster) -> None:
    async with leader(cluster, "one", EAGER), operator(cluster, "two") as two:
        await two.calls.until("leader http://one:8700")
        await two.leadership.release()
        assert (await lease(cluster))["spec"]["holderIdentity"] == "one"


async def test_a_standby_is_told_of_a_leader_that_was_started_again(cluster: Cluster) -> None:
    async with leader(cluster, "one", LeaseTiming()) as one, operator(cluster, "two") as two:
        await two.calls.until("leader http://one:8700")
        await one.dies()
        async with leader(cluster, "one", LeaseTiming()):
            await two.calls.until("leader http://one:8700", times=2)


async def test_a_lease_whose_holder_a_person_clears_is_kept(cluster: Cluster) -> None:
    async with leader(cluster, "one", EAGER) as one:
        cleared = {"spec": {"holderIdentity": None}}
        await cluster.api.merge(LEASES.path(cluster.namespace, NAME), cleared)
        await cluster._until(LEASES, NAME, lambda item: "holderIdentity" in item["spec"])
        assert one.leadership.leading
        assert (await lease(cluster))["spec"]["leaseTransitions"] == 0


async def test_a_lease_of_an_older_version_means_a_restored_store(cluster: Cluster) -> None:
    async with leader(cluster, "one", EAGER) as one:
        one.leadership._ours["metadata"]["resourceVersion"] = "1000000"
        with pytest.raises(StoreRestoredError, match="and was of 1000000 before"):
            await asyncio.wait_for(one.task, PATIENCE)
        assert not one.leadership.leading

"""The settled events of deleted runs go, in the background and with few looks."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from grctl.kube import EVENTS, ApiError
from grctl.models import WorkflowRun
from grctl_operator.engine.observation import Key
from grctl_operator.runtime import outage
from grctl_operator.runtime.work_queue import WorkQueue
from grctl_operator.runtime.write.purger import FEW, Purger
from tests.runtime.conftest import PATIENCE, Cluster, Json


class Yard:
    """A purger, and the looks at all events of a namespace that it costs."""

    def __init__(self, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cluster = cluster
        self.queue = WorkQueue()
        self.purger = Purger(cluster.api, self.queue)
        self.looks: Counter[str] = Counter()
        self.failures: list[Exception] = []
        for name in ("get", "delete_all"):
            monkeypatch.setattr(cluster.api, name, self._counting(getattr(cluster.api, name)))

    def _counting(self, ask: Callable[..., Any]) -> Callable[..., Any]:
        async def asked(path: str, params: Any = None, **more: Any) -> Any:
            if "fieldSelector" in (params or {}):
                self.looks[params["fieldSelector"]] += 1
                if self.failures:
                    raise self.failures.pop()
            return await ask(path, params, **more)

        return asked

    async def purged(self, *runs: WorkflowRun) -> None:
        """Ask for some runs, and wait until each may be let go."""
        keys = {Key(self.cluster.namespace, run.metadata.name): run for run in runs}
        waiting = {key for key, run in keys.items() if not self.purger.purge(key, run)}
        async with asyncio.timeout(PATIENCE):
            while waiting:
                waiting.remove(key := await self.queue.take())
                self.queue.done(key)
                assert self.purger.purge(key, keys[key])

    async def event(self, run: str, phase: str | None) -> Json:
        event = await self.cluster.send(run, "approve")
        if phase is None:
            return event
        event["status"] = {"phase": phase, "runUid": f"uid-of-{run}"}
        path = EVENTS.path(self.cluster.namespace, event["metadata"]["name"], "status")
        return await self.cluster.api.replace(path, event)

    async def left(self) -> list[tuple[str, str]]:
        return sorted(
            (each["spec"]["workflowId"], each["status"]["phase"])
            for each in await self.cluster.events()
        )


def deleted(name: str, version: int = 7, **counted: int) -> WorkflowRun:
    metadata = {"name": name, "uid": f"uid-of-{name}", "resourceVersion": str(version)}
    spec = {"workflow": {"type": "Order"}}
    return WorkflowRun.model_validate(
        {"metadata": metadata, "spec": spec, "status": {"events": counted}}
    )


@pytest.fixture
async def yard(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Yard:
    monkeypatch.setattr(outage, "FIRST", 0.001)
    return Yard(cluster, monkeypatch)


async def test_a_run_without_events_costs_no_look(yard: Yard) -> None:
    assert yard.purger.purge(Key(yard.cluster.namespace, "order-1"), deleted("order-1"))
    assert not yard.looks


async def test_a_run_is_looked_for_by_the_phases_that_it_counted(yard: Yard) -> None:
    for phase in ("Processed", "Rejected", None):
        await yard.event("order-1", phase)
    await yard.event("order-2", "Processed")
    await yard.purged(deleted("order-1", processed=1, rejected=1))
    assert await yard.left() == [("order-1", "Pending"), ("order-2", "Processed")]
    assert yard.looks.total() == 2


async def test_runs_that_are_deleted_together_share_one_list(yard: Yard) -> None:
    runs = [f"order-{number}" for number in range(FEW + 5)]
    for name in runs:
        await yard.event(name, "Processed")
        await yard.event(name, None)
    await yard.event("other", "Processed")
    await yard.purged(*(deleted(name, processed=1) for name in runs))
    assert await yard.left() == [*((name, "Pending") for name in runs), ("other", "Processed")]
    assert yard.looks.total() == 1


async def test_what_fails_is_tried_again_until_the_events_are_gone(yard: Yard) -> None:
    yard.failures = [ApiError(500, "", "trouble"), ApiError(403, "Forbidden", "denied")]
    await yard.event("order-1", "Processed")
    await yard.purged(deleted("order-1", processed=1))
    assert await yard.left() == []


async def test_a_run_that_changed_meanwhile_is_looked_for_again(yard: Yard) -> None:
    key = Key(yard.cluster.namespace, "order-1")
    assert not yard.purger.purge(key, deleted("order-1", processed=1))
    await yard.queue.take()
    yard.queue.done(key)
    assert not yard.purger.purge(key, deleted("order-1", version=8, processed=1, rejected=1))
    await yard.queue.take()
    assert yard.purger.purge(key, deleted("order-1", version=8, processed=1, rejected=1))


async def test_a_run_whose_counts_cannot_be_read_is_looked_for_by_all_phases(yard: Yard) -> None:
    for phase in ("Processed", "Failed", "Rejected"):
        await yard.event("order-1", phase)
    run = deleted("order-1").model_copy(update={"unreadable": "events: not a mapping"})
    await yard.purged(run)
    assert await yard.left() == []

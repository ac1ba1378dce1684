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
from grctl_operator.runtime.write.purger import MAX_RUNS_PURGED_ONE_BY_ONE, Purger
from tests.runtime.conftest import PATIENCE, Cluster, Json


class PurgerParts:
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
async def parts(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> PurgerParts:
    monkeypatch.setattr(outage, "FIRST_API_PAUSE_S", 0.001)
    return PurgerParts(cluster, monkeypatch)


async def test_a_run_without_events_costs_no_look(parts: PurgerParts) -> None:
    assert parts.purger.purge(Key(parts.cluster.namespace, "order-1"), deleted("order-1"))
    assert not parts.looks


async def test_a_run_is_looked_for_by_the_phases_that_it_counted(parts: PurgerParts) -> None:
    for phase in ("Processed", "Rejected", None):
        await parts.event("order-1", phase)
    await parts.event("order-2", "Processed")
    await parts.purged(deleted("order-1", processed=1, rejected=1))
    assert await parts.left() == [("order-1", "Pending"), ("order-2", "Processed")]
    assert parts.looks.total() == 2


async def test_runs_that_are_deleted_together_share_one_list(parts: PurgerParts) -> None:
    runs = [f"order-{number}" for number in range(MAX_RUNS_PURGED_ONE_BY_ONE + 5)]
    for name in runs:
        await parts.event(name, "Processed")
        await parts.event(name, None)
    await parts.event("other", "Processed")
    await parts.purged(*(deleted(name, processed=1) for name in runs))
    assert await parts.left() == [*((name, "Pending") for name in runs), ("other", "Processed")]
    assert parts.looks.total() == 1


async def test_a_failed_removal_is_tried_again_until_the_events_are_gone(
    parts: PurgerParts,
) -> None:
    parts.failures = [ApiError(500, "", "trouble"), ApiError(403, "Forbidden", "denied")]
    await parts.event("order-1", "Processed")
    await parts.purged(deleted("order-1", processed=1))
    assert await parts.left() == []


async def test_a_run_that_changed_meanwhile_is_looked_for_again(parts: PurgerParts) -> None:
    key = Key(parts.cluster.namespace, "order-1")
    assert not parts.purger.purge(key, deleted("order-1", processed=1))
    await parts.queue.take()
    parts.queue.done(key)
    assert not parts.purger.purge(key, deleted("order-1", version=8, processed=1, rejected=1))
    await parts.queue.take()
    assert parts.purger.purge(key, deleted("order-1", version=8, processed=1, rejected=1))


async def test_a_run_whose_counts_cannot_be_read_is_looked_for_by_all_phases(
    parts: PurgerParts,
) -> None:
    for phase in ("Processed", "Failed", "Rejected"):
        await parts.event("order-1", phase)
    run = deleted("order-1").model_copy(update={"unreadable": "events: not a mapping"})
    await parts.purged(run)
    assert await parts.left() == []

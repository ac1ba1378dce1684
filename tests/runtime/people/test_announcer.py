"""Core Events as an API server keeps them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from grctl.kube import CORE_EVENTS, Api, ApiError, UnreachableError
from grctl_operator.engine.observation import Key
from grctl_operator.runtime import outage
from grctl_operator.runtime.people import announcer as module
from grctl_operator.runtime.people import notices
from grctl_operator.runtime.people.announcer import Announcer, involved_object
from grctl_operator.runtime.people.metrics import Metrics
from grctl_operator.runtime.people.notices import Notice
from tests.runtime.conftest import PATIENCE, Cluster, Json

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class AnnouncerParts:
    """An announcer, its metrics, and a clock that the test moves."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.metrics = Metrics()
        self.time = NOON
        self.announcer = Announcer(cluster.api, self.metrics, operator="op", now=lambda: self.time)

    def announce(self, reason: str, message: str, run: str = "order-1", **fields: Any) -> None:
        about = involved_object("WorkflowRun", self.cluster.namespace, run, f"uid-of-{run}")
        of = Key(self.cluster.namespace, run)
        self.announcer.announce(Notice(about, of, reason, message, **fields))

    async def core_events(self, result: str, count: int) -> list[Json]:
        """Wait for so many results. Return all core Events."""
        name = "grctl_core_events_total"
        async with asyncio.timeout(PATIENCE):
            while self.metrics.value(name, result=result) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return await self.cluster.events(CORE_EVENTS)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WRITE_PAUSE_S", 0.0)
    monkeypatch.setattr(notices, "FIRST_NOTICE_PAUSE_S", 0.0)


@asynccontextmanager
async def announcing(cluster: Cluster) -> AsyncIterator[AnnouncerParts]:
    parts = AnnouncerParts(cluster)
    writing = asyncio.create_task(parts.announcer.run())
    try:
        yield parts
    finally:
        writing.cancel()


async def test_a_core_event_names_its_object_reason_and_time(cluster: Cluster) -> None:
    async with announcing(cluster) as parts:
        parts.announce("Failed", "no money", warning=True)
        (told,) = await parts.core_events("written", 1)
    assert told["involvedObject"] == {
        "apiVersion": "grctl.dev/v1alpha1",
        "kind": "WorkflowRun",
        "namespace": cluster.namespace,
        "name": "order-1",
        "uid": "uid-of-order-1",
    }
    assert (told["reason"], told["message"], told["type"]) == ("Failed", "no money", "Warning")
    assert (told["count"], told["firstTimestamp"]) == (1, "2026-11-23T12:00:00Z")
    assert told["source"] == {"component": "grctl-operator"}
    assert told["metadata"]["name"].startswith("order-1.")


async def test_a_second_occurrence_is_counted_in_the_same_core_event(cluster: Cluster) -> None:
    async with announcing(cluster) as parts:
        parts.announce("WorkerLost", "attempt 1")
        await parts.core_events("written", 1)
        parts.time += timedelta(minutes=2)
        parts.announce("WorkerLost", "attempts 2 and 3", times=2)
        (told,) = await parts.core_events("written", 2)
    assert (told["count"], told["message"]) == (3, "attempts 2 and 3")
    assert told["firstTimestamp"] == "2026-11-23T12:00:00Z"
    assert told["lastTimestamp"] == "2026-11-23T12:02:00Z"


async def test_a_new_operator_does_not_announce_a_known_state_again(cluster: Cluster) -> None:
    async with announcing(cluster) as before:
        before.announce("NoWorker", "none", since=NOON - timedelta(seconds=5))
        (first,) = await before.core_events("written", 1)
    async with announcing(cluster) as after:
        after.time += timedelta(minutes=9)
        after.announce("NoWorker", "none", since=NOON - timedelta(seconds=5))
        after.announce("Failed", "no money")
        told = await after.core_events("written", 1)
    assert {each["reason"]: each["count"] for each in told} == {"NoWorker": 1, "Failed": 1}
    assert first["metadata"]["resourceVersion"] in {
        each["metadata"]["resourceVersion"] for each in told
    }


async def test_a_new_operator_goes_on_counting(cluster: Cluster) -> None:
    async with announcing(cluster) as before:
        before.announce("WorkerLost", "attempt 1")
        await before.core_events("written", 1)
    async with announcing(cluster) as after:
        after.announce("WorkerLost", "attempt 2")
        (told,) = await after.core_events("written", 1)
    assert (told["count"], told["message"]) == (2, "attempt 2")


async def test_a_core_event_that_the_api_server_forgot_begins_anew(cluster: Cluster) -> None:
    async with announcing(cluster) as parts:
        parts.announce("WorkerLost", "attempt 1")
        (told,) = await parts.core_events("written", 1)
        await cluster.api.delete(CORE_EVENTS.path(cluster.namespace, told["metadata"]["name"]))
        parts.announce("WorkerLost", "attempt 2")
        (anew,) = await parts.core_events("written", 2)
    assert (anew["count"], anew["message"]) == (1, "attempt 2")


async def test_the_announcer_waits_for_an_api_server_that_is_away(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    create = cluster.api.create
    tries = iter([UnreachableError("refused"), ApiError(503, "", "etcd is away")])

    async def away(path: str, body: Json) -> Json:
        error = next(tries, None)
        if error:
            raise error
        return await create(path, body)

    monkeypatch.setattr(cluster.api, "create", away)
    async with announcing(cluster) as parts:
        parts.announce("Failed", "no money")
        assert len(await parts.core_events("written", 1)) == 1
    assert caplog.messages.count("waiting for the API server") == 1


async def test_a_refused_core_event_is_counted_and_logged_once_and_the_next_is_tried(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def forbidden(path: str, body: Json) -> Json:
        raise ApiError(403, "Forbidden", "cannot create events")

    monkeypatch.setattr(cluster.api, "create", forbidden)
    async with announcing(cluster) as parts:
        parts.announce("Failed", "no money")
        parts.announce("Failed", "no money", run="order-2")
        assert await parts.core_events("failed", 2) == []
        monkeypatch.undo()
        parts.announce("Completed", "Completed.")
        assert len(await parts.core_events("written", 1)) == 1
    assert caplog.messages.count("core event refused") == 1


async def test_dropped_core_events_are_counted(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "MAX_WAITING_NOTICES", 2)
    parts = AnnouncerParts(cluster)
    for number in range(5):
        parts.announce("Failed", "no money", run=f"order-{number}", warning=True)
    assert parts.metrics.value("grctl_core_events_total", result="dropped") == 3


@pytest.mark.parametrize("name", ["a" * 253, f"{'a' * 229}.b", f"{'a' * 228}-.b"])
async def test_an_object_with_a_long_name_gets_a_core_event(cluster: Cluster, name: str) -> None:
    async with announcing(cluster) as parts:
        parts.announce("Failed", "no money", run=name)
        (told,) = await parts.core_events("written", 1)
    assert told["involvedObject"]["name"] == name


async def test_a_message_that_is_too_long_is_cut(cluster: Cluster) -> None:
    async with announcing(cluster) as parts:
        parts.announce("Failed", "x" * 5000)
        (told,) = await parts.core_events("written", 1)
    assert told["message"] == "x" * 1021 + "..."


class Webhook:
    """An admission webhook over the core Events of one namespace."""

    def __init__(self, api: Api, namespace: str) -> None:
        self.error: Exception | None = None
        self._create = api.create
        self._prefix = f"/namespaces/{namespace}/"

    async def create(self, path: str, body: Json) -> Json:
        if self._prefix not in path:
            return await self._create(path, body)
        if self.error is None:
            await asyncio.Event().wait()
            raise AssertionError("unreachable")
        raise self.error


@pytest.mark.parametrize(
    "failure", [ApiError(500, "InternalError", "failed calling webhook"), None, KeyError("count")]
)
async def test_core_events_that_fail_or_hang_hold_up_no_other_namespace_and_are_dropped(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, failure: Exception | None
) -> None:
    for name, seconds in (("WRITE_LINGER_S", 0.01), ("WRITE_BUDGET_S", 0.05)):
        monkeypatch.setattr(module, name, seconds)
    monkeypatch.setattr(outage, "LONGEST_API_PAUSE_S", 0.001)
    webhook = Webhook(cluster.api, "bad")
    webhook.error = failure
    monkeypatch.setattr(cluster.api, "create", webhook.create)
    async with announcing(cluster) as parts:
        for number in range(10):
            about = involved_object("WorkflowRun", "bad", f"order-{number}", f"u{number}")
            parts.announcer.announce(Notice(about, Key("bad", "order"), "Failed", "no money"))
        parts.announce("Failed", "no money")
        assert len(await parts.core_events("written", 1)) == 1
        await parts.core_events("failed", 10)


async def test_a_namespace_whose_core_events_hang_keeps_a_bounded_number(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_WAITING_PER_NAMESPACE", 2)
    monkeypatch.setattr(module, "WRITE_LINGER_S", 0.01)
    monkeypatch.setattr(cluster.api, "create", Webhook(cluster.api, cluster.namespace).create)
    async with announcing(cluster) as parts:
        for number in range(5):
            parts.announce("Failed", "no money", run=f"order-{number}", warning=True)
        await parts.core_events("dropped", 2)

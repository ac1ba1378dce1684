import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from grctl.kube import EVENTS, Api, ApiError, UnreachableError
from grctl.models import EventPhase, EventReason
from grctl.models.run import Handling, Settlement
from grctl_operator.engine.decision import Settle
from grctl_operator.engine.observation import Key
from grctl_operator.runtime import lingering, outage
from grctl_operator.runtime.people.activity_log import ActivityLog
from grctl_operator.runtime.people.metrics import Metrics
from grctl_operator.runtime.work_queue import WorkQueue
from grctl_operator.runtime.write import event_writer
from grctl_operator.runtime.write.event_writer import EventWriter, final_status
from grctl_operator.views.event_caches import EventCaches
from tests.runtime.conftest import PATIENCE, Cluster, Json

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HANDLED = {"phase": "Processed", "reason": "Handled"}


class WriterParts:
    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.key = Key(cluster.namespace, "order-1")
        self.caches = EventCaches()
        self.cache = self.caches.get(cluster.namespace)
        self.queue = WorkQueue()
        self.metrics = Metrics()
        self.runless: list[str] = []
        """The namespaces of events that were settled without a run."""
        activity_log = ActivityLog(self.metrics, lambda: NOON)
        self.writer = EventWriter(
            cluster.api,
            self.caches,
            self.queue,
            activity_log,
            on_settled=self.queue.add,
            on_runless=self.runless.append,
        )

    async def settle(self, event: Json, phase: EventPhase = EventPhase.PROCESSED) -> None:
        """Settle and wait until the run is woken by it."""
        self.writer.settle(self.key, settling(event, phase))
        await self.woken()

    async def woken(self) -> None:
        assert await self.queue.take() == self.key
        self.queue.done(self.key)

    async def label(self, event: Json) -> Json:
        path = EVENTS.path(self.cluster.namespace, event["metadata"]["name"])
        return await self.cluster.api.merge(path, {"metadata": {"labels": {"seen": "yes"}}})

    async def events(self) -> list[Json]:
        return await self.cluster.events()


def settling(event: Json, phase: EventPhase = EventPhase.PROCESSED) -> Settle:
    reason = EventReason.HANDLED if phase is EventPhase.PROCESSED else EventReason.UNKNOWN_EVENT
    settlement = Settlement(
        uid=event["metadata"]["uid"],
        name=event["metadata"]["name"],
        phase=phase,
        reason=reason,
        message="why",
        sequence=4,
        at=NOON,
    )
    return Settle(settlement, "run-uid")


@pytest.fixture
def parts(cluster: Cluster) -> WriterParts:
    return WriterParts(cluster)


async def test_a_settled_event_says_how_it_ended(parts: WriterParts) -> None:
    sent = await parts.cluster.send("order-1", "approve")
    parts.cache.on_change("ADDED", sent)
    await parts.settle(sent)
    (event,) = await parts.events()
    status = event["status"]
    conditions = {each["type"]: each["status"] for each in status.pop("conditions")}
    assert status == {
        "phase": "Processed",
        "observedGeneration": event["metadata"]["generation"],
        "sequence": 4,
        "runUid": "run-uid",
        "reason": "Handled",
        "message": "why",
        "settledAt": "2026-11-23T12:00:00Z",
    }
    assert conditions == {"Succeeded": "True"}
    assert event["spec"] == sent["spec"]


async def test_a_settled_event_says_how_it_was_handled_in_the_same_write(
    parts: WriterParts,
) -> None:
    sent = await parts.cluster.send("order-1", "approve")
    parts.cache.on_change("ADDED", sent)
    handling = Handling(
        handler="approve",
        worker="w1",
        began_at=NOON,
        attempts=3,
        tasks="charge (2), mail",
        commit=4,
    )
    effect = settling(sent)
    handled = effect.settlement.model_copy(update={"handling": handling})
    parts.writer.settle(parts.key, replace(effect, settlement=handled))
    await parts.woken()
    (event,) = await parts.events()
    facts = {name: event["status"].get(name) for name in ("handler", "worker", "startedAt")}
    assert facts == {"handler": "approve", "worker": "w1", "startedAt": "2026-11-23T12:00:00Z"}
    assert (event["status"]["attempts"], event["status"]["tasks"]) == (3, "charge (2), mail")
    assert event["status"]["commit"] == 4
    assert parts.metrics.value("grctl_events_settled_total", **HANDLED) == 1


def test_a_rejected_event_is_stalled() -> None:
    event = {"metadata": {"uid": "u", "name": "n"}}
    status = final_status(settling(event, EventPhase.REJECTED), None)
    conditions = {each.type: each.status for each in status.conditions}
    assert conditions == {"Succeeded": "False", "Stalled": "True"}


async def test_the_cache_knows_an_event_settled_when_its_run_is_woken(parts: WriterParts) -> None:
    sent = await parts.cluster.send("order-1", "approve")
    parts.cache.on_change("ADDED", sent)
    await parts.settle(sent)
    assert len(parts.cache) == 0
    assert parts.cache.on_change("ADDED", sent) is None  # late news do not bring it back


async def test_settling_twice_at_once_is_one_write(parts: WriterParts) -> None:
    sent = await parts.cluster.send("order-1", "approve")
    parts.cache.on_change("ADDED", sent)
    parts.writer.settle(parts.key, settling(sent))
    await parts.settle(sent)
    assert parts.metrics.value("grctl_events_settled_total", **HANDLED) == 1


async def test_an_event_touched_meanwhile_is_settled_all_the_same(parts: WriterParts) -> None:
    sent = await parts.cluster.send("order-1", "approve")
    parts.cache.on_change("ADDED", sent)
    await parts.label(sent)
    await parts.settle(sent)
    (event,) = await parts.events()
    assert event["status"]["phase"] == "Processed"
    assert event["metadata"]["labels"] == {"seen": "yes"}


async def test_a_kept_place_is_in_the_status_and_stays_there(parts: WriterParts) -> None:
    sent = await parts.cluster.send("order-1", "approve")
    parts.cache.on_change("ADDED", sent)
    parts.cache.on_change("MODIFIED", await parts.label(sent))
    (changed,) = parts.cache.get_view(parts.key)
    assert parts.cache.get_view(parts.key).changed == (changed,)
    await parts.writer.keep_place(parts.key, changed)
    await parts.woken()
    (kept,) = parts.cache.get_view(parts.key)
    assert not parts.cache.get_view(parts.key).changed
    assert kept.place == changed.place
    await parts.settle(sent)
    (event,) = await parts.events()
    assert event["status"]["place"] == int(sent["metadata"]["resourceVersion"])
    assert event["status"]["phase"] == "Processed"


async def test_an_event_settled_before_is_left_as_it_is(parts: WriterParts) -> None:
    sent = await parts.cluster.send("order-1", "approve")
    await parts.settle(sent)
    await parts.settle(sent, EventPhase.REJECTED)
    (event,) = await parts.events()
    assert event["status"]["phase"] == "Processed"


async def test_an_event_that_is_gone_needs_no_write(parts: WriterParts) -> None:
    sent = await parts.cluster.send("order-1", "approve")
    parts.cache.on_change("ADDED", sent)
    path = EVENTS.path(parts.cluster.namespace, sent["metadata"]["name"])
    await parts.cluster.api.delete(path)
    await parts.settle(sent)
    assert len(parts.cache) == 0
    assert await parts.events() == []


async def test_a_settlement_that_is_refused_for_good_is_not_tried_at_every_reconcile(
    parts: WriterParts, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = asyncio.Event()
    tries = []

    async def refuse(path: str, body: Json) -> Json:
        tries.append(path)
        refused.set()
        raise ApiError(500, "", "etcdserver: request is too large")

    monkeypatch.setattr(parts.cluster.api, "replace", refuse)
    monkeypatch.setattr(event_writer, "PAUSE_AFTER_REFUSAL_S", 0.05)
    sent = await parts.cluster.send("order-1", "approve")
    parts.cache.on_change("ADDED", sent)
    parts.writer.settle(parts.key, settling(sent))
    await refused.wait()
    for _ in range(10):
        parts.writer.settle(parts.key, settling(sent))
        await asyncio.sleep(0)
    assert len(tries) == 1
    monkeypatch.undo()
    await parts.woken()
    await parts.settle(sent)
    (event,) = await parts.events()
    assert event["status"]["phase"] == "Processed"


async def test_another_event_of_the_name_is_not_touched(parts: WriterParts) -> None:
    sent = await parts.cluster.send("order-1", "approve", name="approve-1")
    parts.cache.on_change("ADDED", sent)
    await parts.cluster.api.delete(EVENTS.path(parts.cluster.namespace, "approve-1"))
    again = await parts.cluster.send("order-1", "approve", name="approve-1")
    await parts.settle(sent)
    (event,) = await parts.events()
    assert event["metadata"]["resourceVersion"] == again["metadata"]["resourceVersion"]


class Webhook:
    """An admission webhook over the events of one namespace: it denies, fails or hangs."""

    def __init__(self, api: Api, namespace: str) -> None:
        self.tries = 0
        self.error: Exception | None = None
        self.tried = asyncio.Event()
        self.hangs = asyncio.Event()
        self._replace = api.replace
        self._prefix = f"/namespaces/{namespace}/"

    async def replace(self, path: str, body: Json) -> Json:
        if self._prefix not in path:
            return await self._replace(path, body)
        self.tries += 1
        self.tried.set()
        if self.error is not None:
            raise self.error
        await self.hangs.wait()
        return await self._replace(path, body)


@pytest.fixture
async def webhook(parts: WriterParts, monkeypatch: pytest.MonkeyPatch) -> Webhook:
    """It is over namespace `bad`, where 70 events of 70 runs are to be settled."""
    monkeypatch.setattr(lingering, "LINGERS_AFTER_S", 0.01)
    monkeypatch.setattr(outage, "FIRST_API_PAUSE_S", 0.01)
    made = Webhook(parts.cluster.api, "bad")
    monkeypatch.setattr(parts.cluster.api, "replace", made.replace)
    return made


def flood(parts: WriterParts) -> None:
    for number in range(70):
        item = {"metadata": {"uid": f"u{number}", "name": f"e{number}", "namespace": "bad"}}
        item["metadata"] |= {"resourceVersion": "5", "creationTimestamp": "2026-11-23T12:00:00Z"}
        parts.cache.on_change(
            "ADDED", {**item, "spec": {"workflowId": f"r{number}", "eventName": "a"}}
        )
        parts.writer.settle(Key("bad", f"r{number}"), settling(item))


FAILURES = [
    ApiError(403, "Forbidden", 'admission webhook "bad" denied the request'),
    ApiError(500, "InternalError", "failed calling webhook"),
    UnreachableError("no answer"),
    None,
]


@pytest.mark.parametrize("failure", FAILURES)
async def test_a_namespace_where_no_write_succeeds_holds_up_no_other(
    parts: WriterParts, webhook: Webhook, failure: Exception | None
) -> None:
    webhook.error = failure
    flood(parts)
    await webhook.tried.wait()
    for _ in range(20):
        sent = await parts.cluster.send("order-1", "approve")
        parts.cache.on_change("ADDED", sent)
        async with asyncio.timeout(PATIENCE):
            await parts.settle(sent)
    assert parts.metrics.value("grctl_events_settled_total", **HANDLED) == 20
    assert len(parts.writer.under_way) == 70
    assert not failure or webhook.tries < 70  # they are tried again later each time
    for each in parts.writer.under_way:
        each.cancel()


async def test_an_event_whose_write_failed_is_settled_when_the_namespace_is_well(
    parts: WriterParts, webhook: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    webhook._prefix = f"/namespaces/{parts.cluster.namespace}/"
    webhook.error = FAILURES[0]
    sent = await parts.cluster.send("order-1", "approve")
    parts.cache.on_change("ADDED", sent)
    parts.writer.settle(parts.key, settling(sent))
    await webhook.tried.wait()
    webhook.error = None
    webhook.hangs.set()
    await parts.woken()
    (event,) = await parts.events()
    assert event["status"]["phase"] == "Processed"
    assert caplog.messages.count("waiting for the API server") == 1

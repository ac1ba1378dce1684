"""Workers of several versions, one after the other and side by side, with the whole operator."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from grctl.models.directive import Complete, WaitForEvent
from grctl.models.phases import HandlerKind
from grctl.models.wire import Catalogue, Hello, OfferedHandler
from grctl_operator.engine import dispatch
from grctl_operator.runtime.operator import Operator
from grctl_operator.runtime.write import refresher
from tests.runtime.conftest import Cluster, Json
from tests.runtime.played_worker import catalogue, connected, hello
from tests.runtime.test_operator import operating, start_and_wait

HOUR = timedelta(hours=1)


def version(cluster: Cluster, name: str, *events: str, steps: tuple[str, ...] = ()) -> Hello:
    order = catalogue("Order", *events, steps=steps)
    return hello(order, namespace=cluster.namespace, worker=name)


def names(run: Json) -> list[str]:
    found: list[str] = run["status"].get("eventNames", [])
    return found


async def test_an_event_that_waited_for_the_run_is_shown_while_its_handler_runs(
    cluster: Cluster,
) -> None:
    async with (
        operating(cluster) as operator,
        connected(operator.port, version(cluster, "v1", "approve")) as worker,
    ):
        event = await cluster.send("order-1", "approve")
        await cluster.start("order-1")
        await worker.succeeds(await worker.executes(), WaitForEvent())
        execute = await worker.executes()
        run = await cluster.until_phase("order-1", "Running")
        await worker.succeeds(execute, Complete())
    assert run["status"]["step"]["event"] == event["metadata"]["name"]
    assert run["status"]["message"] == "Runs event handler approve on worker v1."


async def test_an_event_without_a_handler_after_a_rollout_is_handled_after_the_rollback(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "ANNOUNCED_AFTER", timedelta())
    async with operating(cluster) as operator:
        async with connected(operator.port, version(cluster, "v2", "approve", "refund")) as worker:
            await start_and_wait(cluster, worker, "order-1")
        async with connected(operator.port, version(cluster, "v1", "approve")):
            event = await cluster.send("order-1", "refund")
            run = await cluster.until_run("order-1", says("No connected worker of Order has"))
            told = await cluster.until_core_event(event["metadata"]["uid"], "NoHandler")
            assert operator.metrics.value("grctl_runs_without_handler") == 1
        async with connected(operator.port, version(cluster, "v2", "approve", "refund")) as worker:
            await worker.succeeds(await worker.executes(), Complete())
            settled = await cluster.until_settled(event)
        assert operator.metrics.value("grctl_runs_without_handler") == 0
    assert settled["status"]["phase"] == "Processed"
    assert 'event handler "refund"' in run["status"]["message"]
    assert told["message"].endswith("The event waits.")


async def test_waiting_runs_show_what_an_upgraded_worker_handles(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refresher, "REFRESH_AFTER_S", 0.0)
    monkeypatch.setattr(refresher, "CATALOGUE_GATHER_S", 0.0)
    async with operating(cluster) as operator:
        async with connected(operator.port, version(cluster, "v1", "approve", "reject")) as worker:
            await start_and_wait(cluster, worker, "order-1")
            await start_and_wait(cluster, worker, "order-2")
        async with connected(operator.port, version(cluster, "v2", "sign_off", "reject")):
            for name in ("order-1", "order-2"):
                run = await cluster.until_run(name, lambda run: "sign_off" in names(run))
                assert run["status"]["pastEventNames"] == ["approve"]
                assert run["status"]["message"] == "Waits for an event: sign_off, reject."


async def test_a_timeout_step_that_no_version_has_is_told_long_before_it_is_due(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "ANNOUNCED_AFTER", timedelta())
    async with operating(cluster) as operator:
        async with connected(operator.port, version(cluster, "v1", "approve")) as worker:
            started = await cluster.start("order-1")
            wait = WaitForEvent(timeout=HOUR, timeout_step="escalate")
            await worker.succeeds(await worker.executes(), wait)
            run = await cluster.until_phase("order-1", "WaitEvent")
            told = await cluster.until_core_event(started["metadata"]["uid"], "NoTimeoutStep")
            assert operator.metrics.value("grctl_runs_without_handler") == 1
        await _is_served(cluster, operator, version(cluster, "v2", "approve", steps=("escalate",)))
    assert "No connected worker of Order has that step" in run["status"]["message"]
    assert 'has the step "escalate", which is due at' in told["message"]


async def _is_served(cluster: Cluster, operator: Operator, greeting: Hello) -> None:
    async with connected(operator.port, greeting) as worker:
        event = await cluster.send("order-1", "approve")
        await worker.succeeds(await worker.executes(), Complete())
        await cluster.until_settled(event)
        assert operator.metrics.value("grctl_runs_without_handler") == 0


def says(text: str) -> Callable[[Json], bool]:
    return lambda run: str(run["status"].get("message", "")).startswith(text)


def both(cluster: Cluster, name: str, *fields: str) -> Hello:
    """A version whose handler of `both` takes some fields."""
    schema = {"type": "object", "properties": {each: {} for each in fields}}
    handlers = (
        OfferedHandler(kind=HandlerKind.START, name="start"),
        OfferedHandler(kind=HandlerKind.EVENT, name="both", payload=schema),
    )
    order = Catalogue(type="Order", handlers=handlers)
    return hello(order, namespace=cluster.namespace, worker=name)


async def test_a_payload_that_the_older_version_refuses_is_taken_by_the_newer(
    cluster: Cluster,
) -> None:
    async with (
        operating(cluster) as operator,
        connected(operator.port, both(cluster, "old", "x")) as old,
    ):
        await start_and_wait(cluster, old, "order-1")
        event = await cluster.send("order-1", "both", {"x": 1, "y": 2})
        execute = await old.executes()
        async with connected(operator.port, both(cluster, "new", "x", "y")) as new:
            await old.refuses(execute, "y: is unknown")
            await new.succeeds(await new.executes(), Complete())
            settled = await cluster.until_settled(event)
    assert settled["status"]["phase"] == "Processed"


async def test_a_payload_that_both_versions_refuse_is_rejected_and_the_next_event_goes_on(
    cluster: Cluster,
) -> None:
    async with (
        operating(cluster) as operator,
        connected(operator.port, both(cluster, "old", "x")) as old,
    ):
        await start_and_wait(cluster, old, "order-1")
        event = await cluster.send("order-1", "both", {"z": 1})
        following = await cluster.send("order-1", "both", {"x": 1})
        execute = await old.executes()
        async with connected(operator.port, both(cluster, "new", "x", "y")) as new:
            await old.refuses(execute, "z: is unknown")
            await new.refuses(await new.executes(), "y: is missing")
            settled = await cluster.until_settled(event)
    async with (
        operating(cluster) as operator,
        connected(operator.port, both(cluster, "old", "x")) as old,
    ):
        await old.succeeds(await old.executes(), Complete())
        processed = await cluster.until_settled(following)
    assert (settled["status"]["reason"], settled["status"]["sequence"]) == ("BadPayload", 1)
    assert (processed["status"]["phase"], processed["status"]["sequence"]) == ("Processed", 2)

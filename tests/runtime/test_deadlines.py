"""Who ends a wait when its deadline has come: by the API server's clock, which the test sets."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from grctl.kube import RUNS, Api, Connection
from grctl.models import API_VERSION, FINALIZER
from grctl.models.directive import Complete, WaitForEvent
from grctl_local import LocalServer
from grctl_operator.runtime.operator import Operator
from grctl_operator.runtime.watch import event_reader
from grctl_operator.runtime.watch.event_stream import EventStream
from tests.runtime.conftest import NAMESPACES, Cluster, Json, _install_crds
from tests.runtime.played_worker import PlayedWorker, connected
from tests.runtime.test_operator import greeting, operating

DAY = timedelta(hours=24)
WAIT = WaitForEvent(timeout=DAY, timeout_step="pay")


class SetClock:
    """The API server's clock: it goes as ours does from where it is set, or stands still."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)
        self.stands_at: datetime | None = None

    def __call__(self) -> datetime:
        return self.stands_at or datetime.now(UTC) + self.ahead

    def go_on_from(self, moment: datetime) -> None:
        self.ahead, self.stands_at = moment - datetime.now(UTC), None


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
async def cluster(clock: SetClock) -> AsyncIterator[Cluster]:
    """A namespace on an embedded API with that clock."""
    async with (
        LocalServer(clock=clock) as server,
        Api(await Connection.find(server.kubeconfig_path)) as api,
    ):
        await _install_crds(api)
        await api.create(NAMESPACES.path(), {"metadata": {"name": "shop"}})
        yield Cluster(api, "shop", str(server.kubeconfig_path))


async def wait_for_a_day(cluster: Cluster, worker: PlayedWorker) -> datetime:
    """Bring a run to where it waits for a day. Give the deadline."""
    await cluster.start("order-1")
    await worker.succeeds(await worker.executes(), WAIT)
    return deadline_of(await cluster.until_phase("order-1", "WaitEvent"))


def deadline_of(run: Json) -> datetime:
    return datetime.fromisoformat(run["status"]["wait"]["deadline"])


async def tell_time(operator: Operator) -> None:
    """Send a request, so that the operator learns the time and looks at its deadlines."""
    await operator.api.get("/version")


async def handler_of(worker: PlayedWorker) -> tuple[str, str]:
    """Return the handler that ends the wait."""
    execution = (await worker.executes()).execution
    return execution.handler_kind.value, execution.handler_name


@pytest.mark.parametrize(
    ("after", "handler"),
    [
        (-1.0, ("event", "approve")),
        (0.0, ("event", "approve")),
        (0.999, ("event", "approve")),
        (1.0, ("step", "pay")),
    ],
)
async def test_an_event_that_came_while_no_operator_was_up_is_judged_by_when_it_was_created(
    cluster: Cluster, clock: SetClock, after: float, handler: tuple[str, str]
) -> None:
    async with (
        operating(cluster) as operator,
        connected(operator.port, greeting(cluster)) as worker,
    ):
        deadline = await wait_for_a_day(cluster, worker)
    clock.stands_at = deadline + timedelta(seconds=after)
    sent = await cluster.send("order-1", "approve")
    clock.go_on_from(deadline + timedelta(minutes=10))
    async with (
        operating(cluster) as operator,
        connected(operator.port, greeting(cluster)) as worker,
    ):
        assert await handler_of(worker) == handler
        waits = (await cluster.run("order-1"))["status"].get("wait")
        inbox = [event["metadata"]["uid"] for event in await cluster.events()]
    assert inbox == [sent["metadata"]["uid"]]
    assert (waits is None) == (handler[0] == "step")


async def test_an_event_in_time_wins_although_the_watch_shows_it_only_after_the_deadline(
    cluster: Cluster, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        operating(cluster) as operator,
        connected(operator.port, greeting(cluster)) as worker,
    ):
        deadline = await wait_for_a_day(cluster, worker)
        late: list[tuple[EventStream, str, Json]] = []
        show = EventStream.on_change
        monkeypatch.setattr(EventStream, "on_change", lambda *news: late.append(news))
        clock.stands_at = deadline - timedelta(seconds=1)
        sent = await cluster.send("order-1", "approve")
        clock.go_on_from(deadline + timedelta(seconds=10))
        await tell_time(operator)
        approve = await worker.executes()
        for stream, change, item in late:
            show(stream, change, item)
        await worker.succeeds(approve, Complete())
        await cluster.until_phase("order-1", "Completed")
        settled = await cluster.until_settled(sent)
    assert approve.execution.event_uid == sent["metadata"]["uid"]
    assert settled["status"]["sequence"] == 1


async def test_a_rejected_event_leaves_the_deadline_where_it_is(
    cluster: Cluster, clock: SetClock
) -> None:
    async with (
        operating(cluster) as operator,
        connected(operator.port, greeting(cluster)) as worker,
    ):
        deadline = await wait_for_a_day(cluster, worker)
        clock.go_on_from(deadline - timedelta(hours=1))
        await tell_time(operator)
        mistyped = await cluster.until_settled(await cluster.send("order-1", "aprove"))
        run = await cluster.run("order-1")
        clock.go_on_from(deadline + timedelta(seconds=2))
        await tell_time(operator)
        assert await handler_of(worker) == ("step", "pay")
    assert mistyped["status"]["reason"] == "UnknownEvent"
    assert deadline_of(run) == deadline


async def test_a_wait_entered_with_a_full_inbox_never_times_out(
    cluster: Cluster, clock: SetClock
) -> None:
    for _ in range(3):
        await cluster.send("order-1", "approve")
    async with (
        operating(cluster) as operator,
        connected(operator.port, greeting(cluster)) as worker,
    ):
        await cluster.start("order-1")
        await worker.succeeds(await worker.executes(), WAIT)
        for number in range(3):
            approve = await worker.executes()
            assert approve.execution.handler_name == "approve"
            deadline = deadline_of(await cluster.run("order-1"))
            clock.go_on_from(deadline + timedelta(hours=1))
            await tell_time(operator)
            await worker.succeeds(approve, Complete() if number == 2 else WAIT)
        run = await cluster.until_phase("order-1", "Completed")
    assert [entry["kind"] for entry in run["status"]["history"]] == ["start", *["event"] * 3]


async def test_a_thousand_waits_with_one_deadline_all_time_out_once_and_share_lists(
    cluster: Cluster, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        event_reader, "DEBOUNCE_S", 0.05
    )  # a busy machine pauses for more than 1 ms
    deadline = datetime.now(UTC).replace(microsecond=0) + DAY
    names = [f"order-{number}" for number in range(1000)]
    for name in names:
        await _start_waiting(cluster, name, deadline)
    await cluster.send(names[0], "approve")
    async with operating(cluster) as operator:
        await operator.decides.wait()
        clock.go_on_from(deadline + timedelta(seconds=2))
        await tell_time(operator)
        runs = await _until_timed_out(cluster, set(names[1:]))
        first = await cluster.run(names[0])
    lists = operator.metrics.value("grctl_event_lists_total")
    assert not first["status"].get("history")
    assert {run["status"]["commits"] for run in runs} == {2}
    assert all([entry["kind"] for entry in run["status"]["history"]] == ["timeout"] for run in runs)
    assert lists <= 10  # 2 as a rule: nothing is read while one after the other asks


async def _start_waiting(cluster: Cluster, name: str, deadline: datetime) -> None:
    """Make a run that waits since before the operator came."""
    body: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": "WorkflowRun",
        "metadata": {"name": name, "finalizers": [FINALIZER]},
        "spec": {"workflow": {"type": "Order"}},
    }
    run = await cluster.api.create(RUNS.path(cluster.namespace), body)
    since = (deadline - DAY).isoformat()
    run["status"] = {
        "phase": "WaitEvent",
        "commits": 1,
        "lastExecution": "started",
        "wait": {"since": since, "deadline": deadline.isoformat(), "timeoutStep": "pay"},
    }
    await cluster.api.replace(RUNS.path(cluster.namespace, name, "status"), run)


async def _until_timed_out(cluster: Cluster, names: set[str]) -> list[Json]:
    """Wait until these runs have gone on with their timeout's step, and give them."""
    runs: dict[str, Json] = {}
    async with asyncio.timeout(60):
        async for run in cluster.versions(RUNS.path(cluster.namespace), {}):
            if run["metadata"]["name"] in names and "step" in run["status"]:
                runs[run["metadata"]["name"]] = run
            if len(runs) == len(names):
                break
    return list(runs.values())


async def test_a_run_starts_although_the_api_servers_clock_stepped_back_an_hour(
    cluster: Cluster, clock: SetClock
) -> None:
    async with (
        operating(cluster) as operator,
        connected(operator.port, greeting(cluster)) as worker,
    ):
        clock.go_on_from(datetime.now(UTC) - timedelta(hours=1))
        await tell_time(operator)
        await cluster.start("order-1")
        await worker.succeeds(await worker.executes(), WaitForEvent())
        await cluster.until_phase("order-1", "WaitEvent")
        sent = await cluster.send("order-1", "approve")
        await worker.succeeds(await worker.executes(), Complete())
        await cluster.until_phase("order-1", "Completed")
        settled = await cluster.until_settled(sent)
    assert settled["status"]["phase"] == "Processed"


async def test_work_that_waits_for_workers_to_return_does_not_wait_for_a_clock_that_stepped_back(
    cluster: Cluster, clock: SetClock
) -> None:
    clock.go_on_from(datetime.now(UTC) + timedelta(hours=1))
    await cluster.start("order-1")
    async with operating(cluster) as operator:
        operator.deciding.registry.accepting_since = operator.clock.now()
        clock.go_on_from(datetime.now(UTC))
        await tell_time(operator)
        async with connected(operator.port, greeting(cluster)) as worker:
            execute = await worker.executes()
    assert execute.execution.workflow_id == "order-1"

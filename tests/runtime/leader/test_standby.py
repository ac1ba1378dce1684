"""Two operators for one namespace: one leads, the other stands by and takes over."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from grctl.kube import LEASES
from grctl.models import RunPhase
from grctl.models.directive import WaitForEvent
from grctl.models.wire import (
    CONNECT_PATH,
    UNREACHABLE,
    Goodbye,
    Hello,
    RecordedOperations,
    encode,
    from_operator,
)
from grctl_operator.engine.observation import Key
from grctl_operator.runtime.leader.leadership import LeadershipLostError, seconds_since_boot
from grctl_operator.runtime.leader.lease import LEASE_DURATION_S
from grctl_operator.runtime.operator import Operator
from grctl_operator.runtime.settings import LEASE_NAME, Settings
from tests.pem import write_pair
from tests.runtime.conftest import PATIENCE, Cluster
from tests.runtime.played_worker import PlayedWorker, catalogue, connected, hello

ORDER = catalogue("Order", "approve")


@asynccontextmanager
async def operating(cluster: Cluster, **settings: Any) -> AsyncIterator[Operator]:
    operator = Operator(
        Settings(
            namespaces=(cluster.namespace,),
            kubeconfig=cluster.kubeconfig,
            dispatcher_port=0,
            **settings,
        )
    )
    await operator.connect()
    operator.begin()
    try:
        yield operator
    finally:
        await operator.stop()


@asynccontextmanager
async def leading(cluster: Cluster) -> AsyncIterator[Operator]:
    async with operating(cluster) as operator:
        await asyncio.wait_for(operator.decides.wait(), PATIENCE)
        yield operator


@asynccontextmanager
async def standing_by(cluster: Cluster) -> AsyncIterator[Operator]:
    async with operating(cluster) as operator:
        await until(lambda: operator.ready)
        yield operator


def greeting(cluster: Cluster, **fields: Any) -> Hello:
    return hello(ORDER, namespace=cluster.namespace, **fields)


async def goodbye(port: int, greeting: Hello) -> Goodbye:
    """Send a Hello and return the Goodbye."""
    url = f"http://127.0.0.1:{port}{CONNECT_PATH}"
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        await socket.send_str(encode(greeting))
        answer = from_operator.validate_json(await socket.receive_str(timeout=PATIENCE))
    assert isinstance(answer, Goodbye)
    return answer


async def connect_from(port: int, greeting: Hello, nobody_at: str) -> None:
    """Connect as a worker that found nobody at an address, until it is accepted."""
    async with connected(port, greeting, headers={UNREACHABLE: nobody_at}):
        pass


async def start_and_wait(cluster: Cluster, worker: PlayedWorker, name: str) -> None:
    await cluster.start(name)
    await worker.succeeds(await worker.executes(), WaitForEvent())
    await cluster.until_phase(name, "WaitEvent")


async def test_a_standby_is_ready_and_sends_workers_to_the_leader(cluster: Cluster) -> None:
    async with leading(cluster) as leader, standing_by(cluster) as standby:
        answer = await goodbye(standby.port, greeting(cluster))
        assert (leader.leading, standby.leading, standby.ready) == (True, False, True)
    assert answer.redirect == f"http://127.0.0.1:{leader.port}"


async def test_workers_connect_by_tls_if_there_is_a_certificate(
    cluster: Cluster, tmp_path: Path
) -> None:
    pair = write_pair(tmp_path, "127.0.0.1")
    tls = ssl.create_default_context(cafile=pair.certificate)
    async with (
        operating(cluster, tls_cert=str(pair.certificate), tls_key=str(pair.key)) as operator,
        connected(operator.port, greeting(cluster), tls=tls),
    ):
        assert operator.leading


async def test_a_worker_that_waits_for_a_leader_is_accepted_by_it(cluster: Cluster) -> None:
    async with (
        operating(cluster) as operator,
        connected(operator.port, greeting(cluster)),
    ):
        assert operator.leading


async def test_a_worker_that_found_nobody_at_the_leaders_is_accepted_by_the_next_leader(
    cluster: Cluster,
) -> None:
    async with leading(cluster) as leader, standing_by(cluster) as standby:
        leaders = f"http://127.0.0.1:{leader.port}"
        coming = asyncio.create_task(connect_from(standby.port, greeting(cluster), leaders))
        await until(lambda: standby.deciding.dispatcher.connections == 1)
        await leader.stop()
        await coming
        assert standby.leading


async def test_a_stopped_leader_is_followed_at_once_and_nothing_is_handled_twice(
    cluster: Cluster,
) -> None:
    loop = asyncio.get_running_loop()
    async with leading(cluster) as leader, standing_by(cluster) as standby:
        async with connected(leader.port, greeting(cluster)) as worker:
            await start_and_wait(cluster, worker, "order-1")
            first = await cluster.send("order-1", "approve", 1)
            await worker.succeeds(await worker.executes(), WaitForEvent())
            await cluster.until_settled(first)
        second = await cluster.send("order-1", "approve", 2)
        await leader.stop()
        began = loop.time()
        await asyncio.wait_for(standby.decides.wait(), PATIENCE)
        took = loop.time() - began
        async with connected(standby.port, greeting(cluster)) as worker:
            execute = await worker.executes()
    assert took < LEASE_DURATION_S / 2
    assert execute.execution.event_uid == second["metadata"]["uid"]
    assert execute.execution.commits == 2


async def test_taking_over_costs_one_list_of_events_however_many_runs_others_committed(
    cluster: Cluster,
) -> None:
    names = [f"order-{number}" for number in range(5)]
    async with leading(cluster) as leader, standing_by(cluster) as standby:
        async with connected(leader.port, greeting(cluster)) as worker:
            for name in names:
                await start_and_wait(cluster, worker, name)
        lists = counted_lists(standby)
        await leader.stop()
        await asyncio.wait_for(standby.decides.wait(), PATIENCE)
        for name in names:
            await cluster.send(name, "approve")
        async with connected(standby.port, greeting(cluster)) as worker:
            for _ in names:
                await worker.executes()
    assert len(lists) == 1


async def test_runs_of_others_are_read_while_the_leader_is_silent_and_not_again_afterwards(
    cluster: Cluster,
) -> None:
    async with leading(cluster) as leader, standing_by(cluster) as standby:
        async with connected(leader.port, greeting(cluster)) as worker:
            await start_and_wait(cluster, worker, "order-1")
        await until(lambda: standby.runs.count(RunPhase.WAIT_EVENT) == 1)
        lists = counted_lists(standby)
        standby.on_silence()
        await until(lambda: knows_all_consumed(standby, cluster, "order-1"))
        await leader.stop()
        await asyncio.wait_for(standby.decides.wait(), PATIENCE)
        await cluster.send("order-1", "approve")
        async with connected(standby.port, greeting(cluster)) as worker:
            await worker.executes()
    assert len(lists) == 1


def knows_all_consumed(operator: Operator, cluster: Cluster, name: str) -> bool:
    key = Key(cluster.namespace, name)
    known = operator.runs.get_version(key)
    return known is not None and operator.events.of(key).get_view(key).is_complete(
        known.uid, known.commits
    )


async def test_an_event_that_the_leader_handled_unseen_is_not_handled_again(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with leading(cluster) as leader, standing_by(cluster) as standby:
        async with connected(leader.port, greeting(cluster)) as worker:
            await start_and_wait(cluster, worker, "order-1")
            await until(lambda: standby.runs.count(RunPhase.WAIT_EVENT) == 1)
            standby.on_silence()
            await until(lambda: knows_all_consumed(standby, cluster, "order-1"))
            first = await cluster.send("order-1", "approve", 1)
            execute = await worker.executes()
            await until(lambda: len(standby.events) == 1)
            with monkeypatch.context() as unseen:
                for cache in (standby.runs, standby.events.get(cluster.namespace)):
                    unseen.setattr(cache, "on_change", lambda _change, _item: None)
                await worker.succeeds(execute, WaitForEvent())
                await cluster.until_settled(first)
                await leader.stop()
                await asyncio.wait_for(standby.decides.wait(), PATIENCE)
        await cluster.send("order-1", "approve", 2)
        async with connected(standby.port, greeting(cluster)) as worker:
            execute = await worker.executes()
    assert (execute.payload, execute.execution.commits) == (2, 2)


async def test_a_task_that_was_recorded_unseen_is_in_the_journal_that_the_next_leader_sends(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    paid = {"ok": 7, "n": 1}
    async with leading(cluster) as leader, standing_by(cluster) as standby:
        async with connected(leader.port, greeting(cluster)) as worker:
            await start_and_wait(cluster, worker, "order-1")
            await until(lambda: standby.runs.count(RunPhase.WAIT_EVENT) == 1)
            standby.on_silence()
            await until(lambda: knows_all_consumed(standby, cluster, "order-1"))
            with monkeypatch.context() as unseen:
                for cache in (standby.runs, standby.events.get(cluster.namespace)):
                    unseen.setattr(cache, "on_change", lambda _change, _item: None)
                sent = await cluster.send("order-1", "approve", 1)
                execute = await worker.executes()
                await worker.records(execute, charge=paid, awaited=True)
                await worker.hear(RecordedOperations)
                await leader.stop()
                await asyncio.wait_for(standby.decides.wait(), PATIENCE)
        async with connected(standby.port, greeting(cluster)) as worker:
            key = Key(cluster.namespace, "order-1")
            standby.events.of(key).on_change("ADDED", sent)  # the watch shows it late
            standby.deciding.queue.add(key)
            again = await worker.executes()
    assert (again.execution.event, again.journal) == (execute.execution.event, {"charge": paid})


def counted_lists(operator: Operator) -> list[str]:
    """Record each list that an operator asks for."""
    lists: list[str] = []
    get = operator.api.get

    async def counting(path: str, params: Any = None, *, at_most: int | None = None) -> Any:
        if path.endswith(("/workflowruns", "/workflowevents")):
            lists.append(path)
        return await get(path, params, at_most=at_most)

    operator.api.get = counting  # type: ignore[method-assign]
    return lists


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110  a cache tells nobody
            await asyncio.sleep(0.01)


async def test_a_standby_keeps_nothing_of_runs_that_are_gone(cluster: Cluster) -> None:
    async with leading(cluster), standing_by(cluster) as standby:
        await cluster.start("order-1")
        await cluster.send("order-1", "approve")
        await until(lambda: len(standby.events) == 1)
        await cluster.delete_run("order-1")
        await until(lambda: standby.events.keys() == () and len(standby.runs) == 0)


async def test_an_operator_whose_lease_another_took_ends(cluster: Cluster) -> None:
    async with leading(cluster) as operator:
        taken = {"spec": {"holderIdentity": "another", "leaseTransitions": 1}}
        await cluster.api.merge(LEASES.path(cluster.namespace, LEASE_NAME), taken)
        await asyncio.wait_for(operator.ended.wait(), PATIENCE)
        assert isinstance(operator.failure, LeadershipLostError)
        assert not operator.leading


async def test_an_operator_that_stops_leaves_the_lease_free(cluster: Cluster) -> None:
    async with leading(cluster):
        pass
    item = await cluster.api.get(LEASES.path(cluster.namespace, LEASE_NAME))
    assert not item["spec"].get("holderIdentity")


async def test_a_lease_may_have_another_name_and_be_elsewhere(cluster: Cluster) -> None:
    async with operating(cluster, lease_name="mine", lease_namespace="kube-system") as operator:
        await asyncio.wait_for(operator.decides.wait(), PATIENCE)
        item = await cluster.api.get(LEASES.path("kube-system", "mine"))
    await cluster.api.delete(LEASES.path("kube-system", "mine"))
    assert item["metadata"]["annotations"]["grctl.dev/namespaces"] == cluster.namespace


async def test_a_suspended_operator_decides_nothing_until_it_leads_again(cluster: Cluster) -> None:
    async with leading(cluster) as operator, connected(operator.port, greeting(cluster)) as worker:
        operator.on_suspended()
        await cluster.start("order-1")
        await until(lambda: len(operator.deciding.queue) == 1)
        operator.on_resumed()
        execute = await worker.executes()
    assert execute.execution.workflow_id == "order-1"


def refused(operator: Operator) -> float:
    """Count the reconciles that failed, as a write was refused."""
    return operator.metrics.value("grctl_reconcile_errors_total", cause="api")


async def test_an_outcome_is_committed_when_a_leader_may_write_again_and_not_before(
    cluster: Cluster,
) -> None:
    async with leading(cluster) as operator, connected(operator.port, greeting(cluster)) as worker:
        await cluster.start("order-1")
        execute = await worker.executes()
        errors = refused(operator)
        operator.leadership._now = lambda: (
            seconds_since_boot() + LEASE_DURATION_S
        )  # as after a SIGSTOP
        await worker.succeeds(execute, WaitForEvent())
        await until(lambda: refused(operator) > errors)
        before = await cluster.run("order-1")
        operator.leadership._now = seconds_since_boot
        after = await cluster.until_phase("order-1", "WaitEvent")
    assert "commits" not in before["status"]
    assert after["status"]["commits"] == 1

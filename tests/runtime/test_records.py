"""What handlers record, with the whole operator, an API server and played workers."""

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from grctl.models.directive import Complete
from grctl.models.wire import Execute, RecordedOperations
from grctl_local import LocalServer
from grctl_operator.runtime.operator import Operator
from tests.runtime.conftest import Cluster
from tests.runtime.played_worker import PlayedWorker, connected
from tests.runtime.test_api_outage import prepared, started, until_unreachable
from tests.runtime.test_operator import greeting, operating, start_and_wait

Json = dict[str, Any]

OK: Json = {"ok": {"id": 7}, "n": 1}
OTHER: Json = {"ok": {"id": 8}, "n": 1}


async def handling(cluster: Cluster, worker: PlayedWorker) -> Execute:
    """Bring a run to where its worker handles an event."""
    await start_and_wait(cluster, worker, "order-1")
    await cluster.send("order-1", "approve", name="approve-1")
    return await worker.executes()


def written(operator: Operator) -> float:
    return operator.metrics.value("grctl_records_written_total")


async def test_an_awaited_record_is_durable_when_its_handler_is_told(cluster: Cluster) -> None:
    async with (
        operating(cluster) as operator,
        connected(operator.port, greeting(cluster)) as worker,
    ):
        execute = await handling(cluster, worker)
        await worker.records(execute, charge=OK, awaited=True)
        told = await worker.hear(RecordedOperations)
        status = (await cluster.run("order-1"))["status"]
        await worker.succeeds(execute, Complete())
        run = await cluster.until_phase("order-1", "Completed")
        assert written(operator) == 1
    assert (told.execution, told.keys) == (execute.execution.id, ("charge",))
    uid = execute.execution.event_uid
    assert status["journal"] == {"eventUid": uid, "entries": {"charge": OK}}
    assert (status["commits"], run["status"]["commits"]) == (1, 2)
    assert "journal" not in run["status"]


async def test_a_record_that_its_commit_overtakes_is_never_written(cluster: Cluster) -> None:
    async with (
        operating(cluster) as operator,
        connected(operator.port, greeting(cluster)) as worker,
    ):
        execute = await handling(cluster, worker)
        await worker.records(execute, charge=OK)
        await worker.succeeds(execute, Complete())
        await cluster.until_phase("order-1", "Completed")
        assert written(operator) == 0
        while operator.metrics.value("grctl_records_superseded_total") != 1:
            await worker.socket.receive_str(timeout=60)


async def test_a_record_that_nobody_waits_for_is_written_in_time(cluster: Cluster) -> None:
    async with (
        operating(cluster) as operator,
        connected(operator.port, greeting(cluster)) as worker,
    ):
        execute = await handling(cluster, worker)
        await worker.records(execute, charge=OK)
        told = await worker.hear(RecordedOperations)
        run = await cluster.until_run("order-1", lambda run: "journal" in run["status"])
    assert told.keys == ("charge",)
    assert run["status"]["journal"]["entries"] == {"charge": OK}


async def test_a_further_attempt_is_given_what_the_lost_one_recorded(cluster: Cluster) -> None:
    async with operating(cluster) as operator:
        async with connected(operator.port, greeting(cluster)) as worker:
            execute = await handling(cluster, worker)
            await worker.records(execute, charge=OK, awaited=True)
            await worker.hear(RecordedOperations)
            await worker.records(execute, mail=OK)
        async with connected(operator.port, greeting(cluster, worker="two")) as second:
            again = await second.executes()
            await second.succeeds(again, Complete())
            await cluster.until_phase("order-1", "Completed")
    assert (again.execution.attempt, again.execution.event) == (2, "approve-1")
    assert again.journal == {"charge": OK, "mail": OK}
    assert again.time is not None


async def test_a_record_that_was_repeated_to_the_next_operator_counts_once(
    cluster: Cluster,
) -> None:
    async with operating(cluster) as first, connected(first.port, greeting(cluster)) as worker:
        execute = await handling(cluster, worker)
        await worker.records(execute, charge=OK, awaited=True)
        await worker.hear(RecordedOperations)
    held = greeting(cluster, held=(execute.execution,))
    async with operating(cluster) as second, connected(second.port, held) as worker:
        await worker.records(execute, charge=OK, mail=OTHER, awaited=True)
        told: set[str] = set()
        while told != {"charge", "mail"}:
            told |= set((await worker.hear(RecordedOperations)).keys)
        status = (await cluster.run("order-1"))["status"]
        assert written(second) == 1
    assert status["journal"]["entries"] == {"charge": OK, "mail": OTHER}


async def test_a_handler_goes_on_when_the_api_server_is_back_that_was_away_for_its_record(
    tmp_path: Path,
) -> None:
    data, kubeconfig = tmp_path / "data", tmp_path / "kubeconfig"
    async with AsyncExitStack() as stack:
        async with LocalServer(data=data, kubeconfig_path=kubeconfig) as server:
            port = int(server.url.rpartition(":")[2])
            cluster = await prepared(stack, kubeconfig)
            operator = await started(stack, kubeconfig)
            worker = await stack.enter_async_context(connected(operator.port, greeting(cluster)))
            execute = await handling(cluster, worker)
        await until_unreachable(cluster.api)
        await worker.records(execute, charge=OK, awaited=True)
        await stack.enter_async_context(
            LocalServer(data=data, port=port, kubeconfig_path=kubeconfig)
        )
        told = await worker.hear(RecordedOperations)
        entries = (await cluster.run("order-1"))["status"]["journal"]["entries"]
        await worker.succeeds(execute, Complete(result="kept"))
        run = await cluster.until_phase("order-1", "Completed")
        assert operator.failure is None
        await operator.stop()
    assert (told.keys, entries) == (("charge",), {"charge": OK})
    assert run["status"]["result"] == "kept"

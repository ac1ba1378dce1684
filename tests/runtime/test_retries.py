"""Handlers that are tried again or held, with the whole operator; what is counted of them."""

import asyncio

from grctl.models.directive import Complete
from grctl.models.retry_policy import OnFailure, RetryPolicy
from grctl.models.run import RunError
from grctl.models.wire import Execute, Failed, Outcome
from grctl_operator.runtime.operator import Operator
from tests.runtime.conftest import PATIENCE, Cluster
from tests.runtime.played_worker import PlayedWorker, connected
from tests.runtime.test_operator import greeting, operating, start_and_wait

TWICE = RetryPolicy(max_attempts=2, initial_delay_ms=0)


async def fail(worker: PlayedWorker, execute: Execute, on_failure: OnFailure) -> None:
    error = RunError(type="ConnectionError", message="no answer")
    result = Failed(reason="HandlerFailed", error=error, policy=TWICE, on_failure=on_failure)
    await worker.say(Outcome(execution=execute.execution, result=result))


async def until_counted(operator: Operator, name: str, count: float) -> None:
    async with asyncio.timeout(PATIENCE):
        while operator.metrics.value(name) != count:  # noqa: ASYNC110  a metric tells nobody
            await asyncio.sleep(0.01)


async def test_a_handler_that_is_tried_again_is_counted_and_its_event_says_how_often(
    cluster: Cluster,
) -> None:
    async with (
        operating(cluster) as operator,
        connected(operator.port, greeting(cluster)) as worker,
    ):
        await start_and_wait(cluster, worker, "order-1")
        sent = await cluster.send("order-1", "approve")
        await fail(worker, await worker.executes(), "fail")
        again = await worker.executes()
        await worker.succeeds(again, Complete())
        event = await cluster.until_settled(sent)
        assert operator.metrics.value("grctl_handler_retries_total") == 1
    status = event["status"]
    assert (status["phase"], status["attempts"], status["worker"]) == ("Processed", 2, "worker-1")
    assert status["handler"] == "approve"


async def test_a_run_that_is_held_is_shown_until_it_is_given_new_attempts(cluster: Cluster) -> None:
    async with (
        operating(cluster) as operator,
        connected(operator.port, greeting(cluster)) as worker,
    ):
        await start_and_wait(cluster, worker, "order-1")
        await cluster.send("order-1", "approve")
        for _ in range(2):
            await fail(worker, await worker.executes(), "hold")
        await until_counted(operator, "grctl_runs_stalled", 1)
        await cluster.desire("order-1", retry=1)
        await worker.succeeds(await worker.executes(), Complete())
        await cluster.until_phase("order-1", "Completed")
        await until_counted(operator, "grctl_runs_stalled", 0)
        assert operator.metrics.value("grctl_handler_retries_total") == 1

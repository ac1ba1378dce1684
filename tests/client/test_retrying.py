"""Retrying a run that is held: once for each stall, whoever asks, and never a run that goes on."""

import asyncio
from typing import Any

import pytest

from grctl.client import Client, RunNotHeldError, WorkflowHandle, WorkflowNotFoundError
from grctl.client.access import Access
from grctl.kube import RUNS
from tests.client.actions import start
from tests.client.stub_operator import StubOperator

MESSAGE = "approve failed 4 times (ValueError: no stock). Mend the cause, then: grctl retry ..."
SINCE = "2026-11-28T12:00:00Z"
HELD_STEP = {
    "name": "approve",
    "kind": "event",
    "failures": 4,
    "since": SINCE,
    "stall": {"reason": "HandlerFailed", "message": MESSAGE, "since": SINCE},
}


async def held(client: Client, operator: StubOperator, **fields: Any) -> WorkflowHandle:
    handle: WorkflowHandle = await start(client)
    status = {"phase": "WaitEvent", "commits": 1, "wait": {"since": SINCE}, "step": HELD_STEP}
    await operator.set_status(RUNS, "order-abc", **(status | fields))
    return handle


async def spec_of(operator: StubOperator) -> dict[str, Any]:
    spec: dict[str, Any] = (await operator.run("order-abc"))["spec"]
    return spec


async def test_a_retry_raises_the_counter_above_what_the_operator_has_seen(
    client: Client, operator: StubOperator
) -> None:
    handle = await held(client, operator, observedRetry=2)

    assert await handle.retry() == 3
    assert (await spec_of(operator))["retry"] == 3


async def test_a_retry_that_was_asked_for_already_is_not_asked_for_again(
    client: Client, operator: StubOperator
) -> None:
    handle = await held(client, operator)

    assert [await handle.retry(), await handle.retry()] == [1, 1]
    assert await asyncio.gather(*[handle.retry() for _ in range(5)]) == [1] * 5
    assert (await spec_of(operator))["retry"] == 1


async def test_a_second_stall_is_retried_by_a_second_retry(
    client: Client, operator: StubOperator
) -> None:
    handle = await held(client, operator)
    await handle.retry()
    status = {"phase": "WaitEvent", "commits": 1, "wait": {"since": SINCE}, "step": HELD_STEP}
    await operator.set_status(RUNS, "order-abc", **status, observedRetry=1)

    assert await handle.retry() == 2


async def test_a_run_that_is_not_held_is_not_changed(
    client: Client, operator: StubOperator
) -> None:
    handle = await start(client)
    with pytest.raises(
        RunNotHeldError, match="not held, so there is nothing to retry: no operator"
    ):
        await handle.retry()
    waits = {"phase": "WaitEvent", "message": "Waits for an event: approve."}
    await operator.set_status(RUNS, "order-abc", **waits, commits=1, wait={"since": SINCE})
    with pytest.raises(RunNotHeldError, match="nothing to retry: Waits for an event: approve"):
        await handle.retry()
    await operator.finish("order-abc", message="Completed.")
    with pytest.raises(RunNotHeldError, match=r"has finished: Completed\. Start it anew"):
        await handle.retry()

    assert "retry" not in await spec_of(operator)


async def test_a_stall_that_ends_before_the_write_is_not_retried(
    client: Client, operator: StubOperator, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = await held(client, operator)
    merge = Access.merge

    async def late(self: Access, *arguments: Any) -> Any:
        await operator.finish("order-abc", message="Cancelled by spec.", phase="Cancelled")
        return await merge(self, *arguments)

    monkeypatch.setattr(Access, "merge", late)

    with pytest.raises(RunNotHeldError, match="has finished: Cancelled by spec"):
        await handle.retry()
    assert "retry" not in await spec_of(operator)


async def test_a_deleted_run_cannot_be_retried(client: Client, operator: StubOperator) -> None:
    handle = await held(client, operator)
    await operator.api.delete(RUNS.path(operator.namespace, "order-abc"))
    await operator.release("order-abc")

    with pytest.raises(WorkflowNotFoundError):
        await handle.retry()

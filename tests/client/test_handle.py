"""Handles: results, descriptions and ends of exactly one run."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from grctl.client import (
    Client,
    UnreadableObjectError,
    WorkflowCancelledError,
    WorkflowError,
    WorkflowFailedError,
    WorkflowHandle,
    WorkflowNotFoundError,
    WorkflowTerminatedError,
    WorkflowTimedOutError,
)
from grctl.kube import RUNS, Api, ExpiredError, Request, UnreachableError
from grctl.models import RunPhase
from tests.client.actions import start
from tests.client.conftest import ApiServer
from tests.client.stub_operator import StubOperator


async def handle_of_replaced_run(client: Client, operator: StubOperator) -> WorkflowHandle:
    """Return the handle of a run that was replaced by a new one of the same id."""
    handle: WorkflowHandle = await start(client)
    await operator.finish("order-abc", result="old")
    again = asyncio.create_task(start(client))
    await operator.release("order-abc")
    await again
    return handle


@pytest.mark.parametrize("result", ["approved", {"ids": [1]}, None])
async def test_the_result_of_a_finished_run_is_returned(
    client: Client, operator: StubOperator, result: Any
) -> None:
    handle = await start(client)
    await operator.finish("order-abc", result=result)

    assert await handle.result() == result


async def test_a_program_that_awaits_many_results_can_still_send(
    api_server: ApiServer, operator: StubOperator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grctl.kube.api.REQUEST_POOL_SIZE", 2)
    watches: list[Request] = []
    all_wait = asyncio.Event()

    def note(request: Request, _status: int) -> None:
        watches.extend([request] if request.verb == "watch" else [])
        if len(watches) == 5:
            all_wait.set()

    async with Client(api_server.namespace, api_server.kubeconfig) as client:
        handle = await start(client)
        monkeypatch.setattr(client._access._api, "_on_request", note)
        results = [asyncio.create_task(handle.result()) for _ in range(5)]
        await all_wait.wait()

        sent = await handle.send("approve")
        await operator.finish("order-abc", result="done")

        assert (await operator.event(sent.name))["metadata"]["uid"] == sent.uid
        assert await asyncio.gather(*results) == ["done"] * 5


async def test_other_changes_of_a_run_do_not_end_the_wait_for_its_result(
    client: Client, operator: StubOperator
) -> None:
    handle = await start(client)
    waiting = asyncio.create_task(handle.result())

    await operator.set_status(RUNS, "order-abc", phase="Running")
    await operator.set_status(RUNS, "order-abc", phase="WaitEvent")
    await operator.finish("order-abc", result="done")

    assert await waiting == "done"


@pytest.mark.parametrize(
    "break_", [ExpiredError(410, "Expired", "too old"), UnreachableError("the stream broke")]
)
async def test_a_broken_watch_is_opened_again(
    client: Client, operator: StubOperator, monkeypatch: pytest.MonkeyPatch, break_: Exception
) -> None:
    handle = await start(client)
    watch, breaks = Api.watch, [break_, break_]
    all_broke = asyncio.Event()

    async def breaking(self: Api, *arguments: Any) -> Any:
        if breaks:
            raise breaks.pop()
        all_broke.set()
        async for event in watch(self, *arguments):
            yield event

    monkeypatch.setattr(Api, "watch", breaking)
    waiting = asyncio.create_task(handle.result(timeout=10))
    async with asyncio.timeout(10):
        await all_broke.wait()
    await operator.finish("order-abc", result="done")

    assert await waiting == "done"


async def test_the_result_of_a_failed_run_raises_the_error_of_its_handler(
    client: Client, operator: StubOperator
) -> None:
    handle = await start(client)
    error = {"type": "LookupError", "message": "no such order", "stackTrace": "File order.py"}
    await operator.finish("order-abc", "Failed", error=error)

    with pytest.raises(
        WorkflowFailedError, match=r"^order-abc failed: LookupError: no such order"
    ) as caught:
        await handle.result()

    assert caught.value.error is not None
    assert caught.value.error.type == "LookupError"
    assert caught.value.__notes__ == ["In the worker:\nFile order.py"]


@pytest.mark.parametrize(
    ("phase", "error"),
    [
        ("Cancelled", WorkflowCancelledError),
        ("Terminated", WorkflowTerminatedError),
        ("TimedOut", WorkflowTimedOutError),
        ("Failed", WorkflowFailedError),
    ],
)
async def test_the_result_of_another_end_raises_the_error_of_that_end(
    client: Client, operator: StubOperator, phase: str, error: type[WorkflowError]
) -> None:
    handle = await start(client)
    await operator.finish("order-abc", phase, message="Because.")

    with pytest.raises(error, match=r"^order-abc .*Because\.$"):
        await handle.result()


@pytest.mark.parametrize("no_time", [0, timedelta(0)])
async def test_a_wait_for_a_result_may_time_out(client: Client, no_time: Any) -> None:
    handle = await start(client)

    with pytest.raises(TimeoutError, match="'order-abc' is still active after 0 s; it goes on"):
        await handle.result(timeout=no_time)


@pytest.mark.parametrize("phase", ["Completed", "Cancelled", "Failed"])
async def test_finished_returns_the_state_of_every_kind_of_end(
    client: Client, operator: StubOperator, phase: str
) -> None:
    handle = await start(client)
    await operator.finish("order-abc", phase, message="Because.")

    info = await handle.finished(timeout=10)

    assert (info.phase, info.message) == (phase, "Because.")


async def test_the_deletion_of_a_run_ends_the_wait_for_its_result(
    client: Client, operator: StubOperator
) -> None:
    handle = await start(client)
    waiting = asyncio.create_task(handle.result())

    await operator.api.delete(RUNS.path(client.namespace, "order-abc"))
    await operator.release("order-abc")

    with pytest.raises(WorkflowNotFoundError, match=r"This run of 'order-abc' .* was deleted"):
        await waiting


async def test_a_handle_does_not_act_on_a_later_run(client: Client, operator: StubOperator) -> None:
    handle = await handle_of_replaced_run(client, operator)

    for question in (handle.result(timeout=10), handle.describe(), handle.cancel()):
        with pytest.raises(WorkflowNotFoundError):
            await question
    with pytest.raises(WorkflowNotFoundError):
        await handle.terminate()
    assert set((await operator.run("order-abc"))["spec"]) == {"workflow"}


async def test_a_handle_of_a_deleted_run_sends_events_to_that_run_only(
    client: Client, operator: StubOperator
) -> None:
    handle = await handle_of_replaced_run(client, operator)

    sent = await handle.send("approve")

    assert (await operator.event(sent.name))["spec"]["runUid"] == handle.uid


async def test_a_description_has_the_present_state_of_the_run(
    client: Client, operator: StubOperator
) -> None:
    handle = await start(client, workflow_input={"order_id": "abc"})
    assert (await handle.describe()).phase is RunPhase.PENDING

    await operator.set_status(
        RUNS, "order-abc", phase="WaitEvent", message="Waits.", store={"a": 1}, inboxLength=2
    )

    info = await handle.describe()
    assert (info.workflow_id, info.workflow_type, info.uid) == (
        "order-abc",
        "ProcessOrder",
        handle.uid,
    )
    assert (info.phase, info.message, info.store, info.inbox_length) == (
        RunPhase.WAIT_EVENT,
        "Waits.",
        {"a": 1},
        2,
    )


async def test_a_run_that_cannot_be_read_raises_an_error_with_run_and_field(
    client: Client, operator: StubOperator
) -> None:
    handle = await start(client)
    await operator.set_status(RUNS, "order-abc", phase="Completed", settled=[{"name": 1}])

    for question in (handle.describe(), handle.finished(), handle.result(), start(client)):
        with pytest.raises(
            UnreadableObjectError,
            match=r"The run 'order-abc' in namespace '.*' cannot be read: status\.settled\.0\.",
        ) as raised:
            await question
        assert raised.value.problem.startswith("status.settled.0.")


async def test_a_run_whose_history_alone_is_broken_can_be_read(
    client: Client, operator: StubOperator
) -> None:
    handle = await start(client)
    await operator.finish("order-abc", result="done", history=[1])

    assert await handle.result() == "done"


@pytest.mark.parametrize("method", ["cancel", "terminate"])
async def test_cancel_and_terminate_are_written_into_the_spec(
    client: Client, operator: StubOperator, method: str
) -> None:
    handle = await start(client)

    await getattr(handle, method)()
    await getattr(handle, method)()

    assert (await operator.run("order-abc"))["spec"][method] is True


async def test_cancelling_a_deleted_run_raises_not_found(
    client: Client, operator: StubOperator
) -> None:
    handle = await start(client)
    await operator.api.delete(RUNS.path(client.namespace, "order-abc"))
    await operator.release("order-abc")

    with pytest.raises(WorkflowNotFoundError):
        await handle.cancel()

"""Handles: results, descriptions and wishes, each about one run and no other."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from grctl.client import (
    Client,
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
from tests.client.acting import start
from tests.client.conftest import ApiServer
from tests.client.playing import PlayedOperator


async def replaced(client: Client, operator: PlayedOperator) -> WorkflowHandle:
    """Give the handle of a run after which the same id was started anew."""
    handle: WorkflowHandle = await start(client)
    await operator.finish("order-abc", result="old")
    again = asyncio.create_task(start(client))
    await operator.let_go("order-abc")
    await again
    return handle


@pytest.mark.parametrize("result", ["approved", {"ids": [1]}, None])
async def test_the_result_of_a_finished_run_is_given(
    client: Client, operator: PlayedOperator, result: Any
) -> None:
    handle = await start(client)
    await operator.finish("order-abc", result=result)

    assert await handle.result() == result


async def test_a_program_that_awaits_many_results_goes_on_sending(
    api_server: ApiServer, operator: PlayedOperator, monkeypatch: pytest.MonkeyPatch
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


async def test_a_result_is_waited_for_through_other_changes(
    client: Client, operator: PlayedOperator
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
async def test_a_broken_watch_is_taken_up_again(
    client: Client, operator: PlayedOperator, monkeypatch: pytest.MonkeyPatch, break_: Exception
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


async def test_a_failed_run_raises_what_its_handler_raised(
    client: Client, operator: PlayedOperator
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
async def test_a_run_that_ended_otherwise_raises_how(
    client: Client, operator: PlayedOperator, phase: str, error: type[WorkflowError]
) -> None:
    handle = await start(client)
    await operator.finish("order-abc", phase, message="Because.")

    with pytest.raises(error, match=r"^order-abc .*Because\.$"):
        await handle.result()


@pytest.mark.parametrize("no_time", [0, timedelta(0)])
async def test_waiting_may_end_before_the_run_does(client: Client, no_time: Any) -> None:
    handle = await start(client)

    with pytest.raises(TimeoutError, match="'order-abc' is still active after 0 s; it goes on"):
        await handle.result(timeout=no_time)


@pytest.mark.parametrize("phase", ["Completed", "Cancelled", "Failed"])
async def test_waiting_for_the_end_raises_nothing_however_it_ends(
    client: Client, operator: PlayedOperator, phase: str
) -> None:
    handle = await start(client)
    await operator.finish("order-abc", phase, message="Because.")

    info = await handle.finished(timeout=10)

    assert (info.phase, info.message) == (phase, "Because.")


async def test_a_run_that_is_deleted_while_one_waits_is_told(
    client: Client, operator: PlayedOperator
) -> None:
    handle = await start(client)
    waiting = asyncio.create_task(handle.result())

    await operator.api.delete(RUNS.path(client.namespace, "order-abc"))
    await operator.let_go("order-abc")

    with pytest.raises(WorkflowNotFoundError, match=r"This run of 'order-abc' .* was deleted"):
        await waiting


async def test_a_handle_does_not_speak_of_a_later_run(
    client: Client, operator: PlayedOperator
) -> None:
    handle = await replaced(client, operator)

    for question in (handle.result(timeout=10), handle.describe(), handle.cancel()):
        with pytest.raises(WorkflowNotFoundError):
            await question
    with pytest.raises(WorkflowNotFoundError):
        await handle.terminate()
    assert set((await operator.run("order-abc"))["spec"]) == {"workflow"}


async def test_a_handle_whose_run_is_gone_still_sends_what_will_be_rejected(
    client: Client, operator: PlayedOperator
) -> None:
    handle = await replaced(client, operator)

    sent = await handle.send("approve")

    assert (await operator.event(sent.name))["spec"]["runUid"] == handle.uid


async def test_a_run_is_described_as_it_stands(client: Client, operator: PlayedOperator) -> None:
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


@pytest.mark.parametrize("wish", ["cancel", "terminate"])
async def test_a_wish_is_written_into_the_spec(
    client: Client, operator: PlayedOperator, wish: str
) -> None:
    handle = await start(client)

    await getattr(handle, wish)()
    await getattr(handle, wish)()

    assert (await operator.run("order-abc"))["spec"][wish] is True


async def test_a_wish_about_a_deleted_run_is_told(client: Client, operator: PlayedOperator) -> None:
    handle = await start(client)
    await operator.api.delete(RUNS.path(client.namespace, "order-abc"))
    await operator.let_go("order-abc")

    with pytest.raises(WorkflowNotFoundError):
        await handle.cancel()

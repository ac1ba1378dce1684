"""What code for the first grctl does with clients and handles: it runs, or says what to do."""

import asyncio
import gc
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel

import grctl.client
from grctl.client import (
    Client,
    ResultTypeError,
    WorkflowCancelledError,
    WorkflowFailedError,
    WorkflowHandle,
)
from grctl.client.client import Client as SameClient
from grctl.json.serialization import NotJsonError, TooLargeError
from grctl.kube import NotFoundError
from grctl.models import RunInfo
from grctl.models.errors import (
    WorkflowAlreadyRunningError,
    WorkflowError,
    WorkflowNotFoundError,
)
from tests.client.conftest import ApiServer
from tests.client.stub_operator import StubOperator

INPUT = {"order_id": "abc", "amount": 49.99}


class Receipt(BaseModel):
    """A result of a run."""

    number: str
    paid: bool = False


async def start(client: Client, **arguments: Any) -> WorkflowHandle:
    return await client.start_workflow("ProcessOrder", "order-abc", INPUT, **arguments)


async def test_type_id_input_and_timeout_of_a_run_may_be_passed_by_position(
    client: Client, operator: StubOperator
) -> None:
    await client.start_workflow("ProcessOrder", "order-abc", INPUT, timedelta(minutes=30))

    workflow = (await operator.run("order-abc"))["spec"]["workflow"]
    assert workflow == {"type": "ProcessOrder", "input": INPUT, "timeout": "30m"}


async def test_type_id_input_and_timeout_of_a_run_may_be_called_so(
    client: Client, operator: StubOperator
) -> None:
    given: dict[str, Any] = {"type": "ProcessOrder", "id": "order-abc", "input": INPUT}
    given["timeout"] = timedelta(minutes=30)
    running = asyncio.create_task(client.run_workflow(**given))
    await operator.wait_for_run("order-abc")
    await operator.finish("order-abc", result="paid")

    assert await running == "paid"
    workflow = (await operator.run("order-abc"))["spec"]["workflow"]
    assert workflow == {"type": "ProcessOrder", "input": INPUT, "timeout": "30m"}


async def test_a_handle_has_the_run_as_it_was_when_the_handle_was_made(client: Client) -> None:
    handle = await start(client)

    info = handle.run_info

    assert isinstance(info, RunInfo)
    assert (info.id, info.wf_id, info.wf_type) == (handle.uid, "order-abc", "ProcessOrder")


async def test_a_handle_does_not_keep_the_input_of_its_run(client: Client) -> None:
    handle = await client.start_workflow("ProcessOrder", "order-abc", {"text": "x" * 1000})

    assert "x" * 1000 not in str(vars(handle))


async def test_a_handle_of_a_run_that_is_active_already_is_found_by_its_id(
    client: Client, operator: StubOperator
) -> None:
    started = await start(client)
    await operator.finish("order-abc", result="paid")

    for handle in (
        await client.get_handle("order-abc"),
        await client.get_handle(workflow_id="order-abc"),
        await client.get_workflow_handle("order-abc"),
    ):
        assert handle.uid == started.uid
        assert await handle.future == "paid"


async def test_the_run_of_an_id_is_described(client: Client, operator: StubOperator) -> None:
    started = await start(client)
    await operator.finish("order-abc", result="paid")

    info = await client.describe("order-abc")

    assert (info.id, info.result) == (started.uid, "paid")
    with pytest.raises(WorkflowNotFoundError, match="no run of 'order-xyz'"):
        await client.describe("order-xyz")


async def test_a_future_is_done_when_the_run_has_finished(
    client: Client, operator: StubOperator
) -> None:
    handle = await start(client)
    future = handle.future
    assert handle.future is future
    assert not future.done()

    await operator.finish("order-abc", result="paid")

    assert await asyncio.wait_for(handle.future, timeout=60) == "paid"
    assert handle.future.result() == "paid"


async def test_a_future_that_was_cancelled_by_a_timeout_can_be_awaited_again(
    client: Client, operator: StubOperator
) -> None:
    handle = await start(client)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(handle.future, timeout=0)
    await operator.finish("order-abc", result="paid")

    assert await handle.future == "paid"


@pytest.mark.parametrize(
    ("phase", "error"), [("Failed", WorkflowFailedError), ("Cancelled", WorkflowCancelledError)]
)
async def test_a_future_raises_how_the_run_ended(
    client: Client, operator: StubOperator, phase: str, error: type[Exception]
) -> None:
    handle = await start(client)
    await operator.finish("order-abc", phase, message="Because.")

    with pytest.raises(error):
        await handle.future
    assert issubclass(error, WorkflowError)


async def test_a_future_that_nobody_awaits_ends_with_its_client(
    api_server: ApiServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with Client(api_server.namespace, api_server.kubeconfig) as client:
        future = (await start(client)).future

    assert future.cancelled()
    del future
    gc.collect()
    assert not [each for each in caplog.records if each.name == "asyncio"]


async def test_a_result_is_returned_as_the_type_that_was_asked_for(
    client: Client, operator: StubOperator
) -> None:
    handle = await start(client, return_type=Receipt)
    found = await client.get_handle("order-abc", return_type=dict[str, str])
    await operator.finish("order-abc", result={"number": "7"})

    assert await handle.result() == Receipt(number="7")
    assert await handle.future == Receipt(number="7")
    assert await found.result() == {"number": "7"}
    assert (await handle.finished()).result == {"number": "7"}


async def test_run_workflow_returns_the_type_that_was_asked_for(
    client: Client, operator: StubOperator
) -> None:
    running = asyncio.create_task(
        client.run_workflow("ProcessOrder", "order-abc", return_type=Receipt)
    )
    await operator.wait_for_run("order-abc")
    await operator.finish("order-abc", result={"number": "7", "paid": True})

    assert (await running).paid is True


async def test_a_result_that_does_not_fit_the_type_is_named(
    client: Client, operator: StubOperator
) -> None:
    handle = await start(client, return_type=Receipt)
    await operator.finish("order-abc", result="paid")

    with pytest.raises(ResultTypeError, match=r"^The result of 'order-abc' does not fit .*Receipt"):
        await handle.result()


async def test_a_type_that_cannot_be_made_of_json_starts_no_run(
    client: Client, operator: StubOperator
) -> None:
    with pytest.raises(TypeError, match="return_type must be a type that pydantic validates, not"):
        await start(client, return_type=object.__new__)

    with pytest.raises(NotFoundError):
        await operator.run("order-abc")


async def test_a_run_is_cancelled_with_a_reason(client: Client, operator: StubOperator) -> None:
    handle = await start(client)

    await handle.cancel(reason="no stock")

    spec = (await operator.run("order-abc"))["spec"]
    assert (spec["cancel"], spec["cancelReason"]) == (True, "no stock")


async def test_a_cancellation_without_a_reason_keeps_the_one_before(
    client: Client, operator: StubOperator
) -> None:
    handle = await start(client)

    await handle.cancel("no stock")
    await handle.cancel()

    assert (await operator.run("order-abc"))["spec"]["cancelReason"] == "no stock"


@pytest.mark.parametrize(
    ("reason", "kind", "told"),
    [
        (3, TypeError, r"reason must be text, not 3 \(int\)"),
        ("x" * 5000, TooLargeError, "The reason is 4.9 KiB of JSON; at most 4.0 KiB are kept"),
        ("\ud800", NotJsonError, "The reason is text that is not Unicode"),
    ],
)
async def test_a_reason_that_cannot_be_kept_cancels_nothing(
    client: Client, operator: StubOperator, reason: Any, kind: type[Exception], told: str
) -> None:
    handle = await start(client)

    with pytest.raises(kind, match=told):
        await handle.cancel(reason)

    assert "cancel" not in (await operator.run("order-abc"))["spec"]


def test_a_client_takes_no_connection() -> None:
    given: dict[str, Any] = {"connection": object()}
    with pytest.raises(
        TypeError, match=r"^Client\(\) has no argument 'connection': there is no NAT"
    ):
        Client(**given)
    given = {"codec": object()}
    with pytest.raises(
        TypeError, match=r"^Client\(\) has no argument 'codec': pydantic makes JSON"
    ):
        Client(**given)


async def test_a_client_that_was_not_opened_says_how_to_open_it() -> None:
    with pytest.raises(RuntimeError, match="use it as `async with Client\\(\\) as client:`"):
        await Client().start_workflow("ProcessOrder", "order-abc", INPUT)


async def test_a_handle_has_no_updates(client: Client) -> None:
    handle: Any = await start(client)

    with pytest.raises(
        AttributeError, match="WorkflowHandle has no 'update': there are no updates"
    ):
        await handle.update("priority", 3)


@pytest.mark.parametrize("name", ["Connection", "get_logger", "setup_logging"])
def test_a_name_that_the_client_does_not_offer_says_what_to_use(name: str) -> None:
    with pytest.raises(ImportError, match=f"^grctl.client has no {name}: "):
        getattr(grctl.client, name)


def test_the_errors_and_the_client_are_where_they_were() -> None:
    assert grctl.client.WorkflowError is WorkflowError
    assert grctl.client.WorkflowAlreadyRunningError is WorkflowAlreadyRunningError
    assert SameClient is Client

"""Starting runs: ids, sizes, races, and what comes after a finished run."""

import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel

import grctl.client
from grctl.client import (
    Client,
    CrdsMissingError,
    InvalidNameError,
    RunNotReleasedError,
    WorkflowAlreadyRunningError,
    WorkflowNotFoundError,
    starting,
)
from grctl.json.serialization import NotJsonError, TooLargeError
from grctl.kube import RUNS, Api, NotFoundError, UnreachableError
from grctl.models import FINALIZER
from tests.client.actions import lose_answers, start
from tests.client.stub_operator import StubOperator


class Line(BaseModel):
    sku: str
    id: UUID


def test_the_package_offers_the_client_its_handles_and_its_errors() -> None:
    assert [name for name in grctl.client.__all__ if not name.endswith("Error")] == [
        "Client",
        "SentEvent",
        "WorkflowHandle",
    ]
    assert all(hasattr(grctl.client, name) for name in grctl.client.__all__)


async def test_a_started_run_is_a_resource_that_waits_for_a_worker(
    client: Client, operator: StubOperator
) -> None:
    handle = await start(
        client, workflow_input={"order_id": "abc"}, workflow_timeout=timedelta(hours=24)
    )

    run = await operator.run("order-abc")
    assert (run["metadata"]["uid"], run["metadata"]["finalizers"]) == (handle.uid, [FINALIZER])
    assert run["spec"] == {
        "workflow": {"type": "ProcessOrder", "input": {"order_id": "abc"}, "timeout": "24h"}
    }
    assert (handle.workflow_id, handle.namespace) == ("order-abc", client.namespace)


async def test_a_run_may_limit_its_kept_events_and_its_own_lifetime(
    client: Client, operator: StubOperator
) -> None:
    await start(client, keep_events=0, ttl_after_finished=timedelta(minutes=1.5, milliseconds=1))

    spec = (await operator.run("order-abc"))["spec"]
    assert (spec["keepEvents"], spec["ttlSecondsAfterFinished"]) == (0, 91)


async def test_a_run_may_limit_the_retries_of_its_handlers(
    client: Client, operator: StubOperator
) -> None:
    await start(client, backoff_limit=0)

    assert (await operator.run("order-abc"))["spec"]["backoffLimit"] == 0


async def test_an_input_may_be_what_pydantic_can_write(
    client: Client, operator: StubOperator
) -> None:
    line = Line(sku="a", id=UUID(int=1))

    await start(client, workflow_input={"line": line, "at": datetime(2026, 1, 2)})  # noqa: DTZ001

    assert (await operator.run("order-abc"))["spec"]["workflow"]["input"] == {
        "line": {"sku": "a", "id": str(UUID(int=1))},
        "at": "2026-01-02T00:00:00",
    }


@pytest.mark.parametrize(
    ("wrong", "fitting"),
    [
        ("Order_17", "'order-17' would fit"),
        ("-a..b-", "'a.b' would fit"),
        ("Größe é", "'grosse-e' would fit"),
        ("x" * 254, f"'{'x' * 253}' would fit"),
        ("", "ending with a letter or digit.$"),
        (17, "'17' would fit"),
    ],
)
async def test_an_invalid_id_is_refused_with_a_similar_valid_one(
    client: Client, operator: StubOperator, wrong: Any, fitting: str
) -> None:
    with pytest.raises(InvalidNameError, match=f"workflow_id .* is not a name.*{fitting}"):
        await start(client, wrong)

    assert await operator.runs() == []


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"workflow_input": {"a": object()}}, NotJsonError, r"workflow_input\['a'\] is a object"),
        ({"workflow_input": "x" * 600 * 1024}, TooLargeError, "600.* at most 512.0 KiB"),
        ({"workflow_timeout": timedelta(0)}, ValueError, "workflow_timeout must be positive"),
        ({"workflow_timeout": timedelta.max}, ValueError, "at most 36500 days, not 999999999 days"),
        ({"keep_events": -1}, ValueError, "keep_events must be a number of .* not -1"),
        ({"keep_events": 2**31}, ValueError, "from 0 to 2147483647, not 2147483648"),
        ({"workflow_timeout": timedelta(microseconds=999)}, ValueError, "must be positive"),
        (
            {"workflow_timeout": 30},
            TypeError,
            r"workflow_timeout must be a timedelta, not 30 \(int\): write timedelta\(seconds=30\)",
        ),
        ({"workflow_timeout": "30s"}, TypeError, r"workflow_timeout .* not '30s' \(str\)\.$"),
        ({"workflow_timeout": True}, TypeError, r"workflow_timeout .* not True \(bool\)\.$"),
        ({"ttl_after_finished": 1.5}, TypeError, r"ttl_after_finished .* timedelta\(seconds=1.5\)"),
        ({"keep_events": "3"}, ValueError, "keep_events must be .* not '3'"),
        ({"keep_events": True}, ValueError, "keep_events must be .* not True"),
        ({"backoff_limit": -1}, ValueError, "number of retries from 0 to 100, not -1"),
        ({"backoff_limit": 101}, ValueError, "backoff_limit must be a number .* not 101"),
        ({"backoff_limit": False}, ValueError, "backoff_limit must be .* not False"),
        ({"ttl_after_finished": timedelta(-1)}, ValueError, "a time from 0 to 24855 days, not"),
        ({"ttl_after_finished": timedelta.max}, ValueError, "0 to 24855 days, not 999999999 days"),
    ],
)
async def test_an_invalid_argument_is_refused_before_the_write(
    client: Client, operator: StubOperator, arguments: Any, error: Any, message: str
) -> None:
    with pytest.raises(error, match=message):
        await start(client, **arguments)

    assert await operator.runs() == []


async def test_a_start_does_not_replace_an_active_run(
    client: Client, operator: StubOperator
) -> None:
    handle = await start(client)

    with pytest.raises(
        WorkflowAlreadyRunningError,
        match=r"'order-abc' \(ProcessOrder\) is active: Pending.*get_workflow_handle",
    ):
        await start(client)

    assert (await operator.run("order-abc"))["metadata"]["uid"] == handle.uid


async def test_a_finished_run_is_replaced_once_the_operator_releases_it(
    client: Client, operator: StubOperator
) -> None:
    first = await start(client)
    await operator.finish("order-abc")
    again = asyncio.create_task(start(client, workflow_input=2))

    await operator.release("order-abc")

    second = await again
    assert second.uid != first.uid
    run = await operator.run("order-abc")
    assert (run["metadata"]["uid"], run["spec"]["workflow"]["input"]) == (second.uid, 2)


async def test_a_start_waits_for_the_deletion_of_an_earlier_run(
    client: Client, operator: StubOperator
) -> None:
    first = await start(client)
    await operator.api.delete(RUNS.path(client.namespace, "order-abc"))
    again = asyncio.create_task(start(client))

    await operator.release("order-abc")

    assert (await again).uid != first.uid


async def test_a_start_fails_if_no_operator_releases_the_finished_run(
    client: Client, operator: StubOperator, monkeypatch: pytest.MonkeyPatch
) -> None:
    await start(client)
    await operator.finish("order-abc")
    monkeypatch.setattr(starting, "RELEASE_TIMEOUT_S", 0.0)

    with pytest.raises(RunNotReleasedError, match=r"'order-abc' \(Completed\).*Is the operator"):
        await start(client)


@pytest.mark.parametrize("finished_before", [False, True])
async def test_of_two_starts_at_once_exactly_one_succeeds(
    client: Client, operator: StubOperator, finished_before: bool
) -> None:
    releasing = None
    if finished_before:
        await start(client)
        await operator.finish("order-abc")
        releasing = asyncio.create_task(operator.release("order-abc"))

    both = await asyncio.gather(start(client), start(client), return_exceptions=True)

    if releasing:
        await releasing
    (won,) = [each for each in both if not isinstance(each, BaseException)]
    (lost,) = [each for each in both if isinstance(each, BaseException)]
    assert isinstance(lost, WorkflowAlreadyRunningError)
    assert (await operator.run("order-abc"))["metadata"]["uid"] == won.uid


async def test_a_start_whose_answer_was_lost_finds_its_own_run(
    client: Client, operator: StubOperator, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_answers(monkeypatch, 1)

    handle = await start(client)

    assert [run["metadata"]["uid"] for run in await operator.runs()] == [handle.uid]


async def test_a_start_fails_after_eight_tries_without_an_answer(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = 0

    async def unreachable(*_arguments: Any) -> Any:
        nonlocal tries
        tries += 1
        raise UnreachableError("connection refused")

    monkeypatch.setattr(Api, "create", unreachable)

    with pytest.raises(UnreachableError, match="connection refused"):
        await start(client)

    assert tries == 8


async def test_the_error_of_missing_crds_says_how_to_install_them(client: Client) -> None:
    async def missing(*_arguments: Any) -> Any:
        raise NotFoundError(404, "", "404 page not found")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Api, "create", missing)
        patch.setattr(Api, "get", missing)

        with pytest.raises(CrdsMissingError, match=r"grctl crds \| kubectl apply -f -"):
            await start(client)
        with pytest.raises(CrdsMissingError):
            await client.get_workflow_handle(workflow_id="order-abc")


async def test_a_handle_belongs_to_the_present_run_of_an_id(client: Client) -> None:
    started = await start(client)

    handle = await client.get_workflow_handle(workflow_id="order-abc")

    assert handle.uid == started.uid


async def test_an_id_without_a_run_has_no_handle(client: Client) -> None:
    with pytest.raises(WorkflowNotFoundError, match="There is no run of 'order-abc' in namespace"):
        await client.get_workflow_handle(workflow_id="order-abc")


async def test_run_workflow_starts_a_run_and_returns_its_result(
    client: Client, operator: StubOperator
) -> None:
    running = asyncio.create_task(
        client.run_workflow(workflow_type="ProcessOrder", workflow_id="order-abc")
    )

    await operator.wait_for_run("order-abc")
    await operator.finish("order-abc", result=["done"])

    assert await running == ["done"]


async def test_a_client_that_is_not_open_says_how_to_open_it() -> None:
    with pytest.raises(RuntimeError, match=r"async with Client\(\) as client"):
        await Client().send(workflow_id="order-abc", event_name="approve")

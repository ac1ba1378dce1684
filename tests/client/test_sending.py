"""Sending events: names, lost answers, idempotency keys, and final statuses."""

import asyncio
from typing import Any

import pytest

from grctl.client import (
    Client,
    EventGoneError,
    EventNameTakenError,
    InvalidNameError,
    UnreadableObjectError,
)
from grctl.client.names import event_object_name
from grctl.json.serialization import NotJsonError, TooLargeError
from grctl.kube import EVENTS
from grctl.models import EventPhase
from tests.client.actions import lose_answers, start
from tests.client.stub_operator import StubOperator


async def send(client: Client, event_name: str = "approve", **arguments: Any) -> Any:
    return await client.send(workflow_id="order-abc", event_name=event_name, **arguments)


async def test_an_event_may_be_sent_before_there_is_a_run(
    client: Client, operator: StubOperator
) -> None:
    sent = await send(client, "set_priority", payload="high")

    event = await operator.event(sent.name)
    assert event["metadata"]["uid"] == sent.uid
    assert event["spec"] == {
        "workflowId": "order-abc",
        "eventName": "set_priority",
        "payload": "high",
    }
    assert (sent.workflow_id, sent.event_name) == ("order-abc", "set_priority")


async def test_a_handle_sends_to_its_own_run_only(client: Client, operator: StubOperator) -> None:
    handle = await start(client)

    sent = await handle.send("approve")

    event = await operator.event(sent.name)
    assert event["spec"] == {
        "workflowId": "order-abc",
        "eventName": "approve",
        "runUid": handle.uid,
    }


@pytest.mark.parametrize(
    ("workflow_id", "event_name", "readable"),
    [
        ("order-abc", "approve", "order-abc-approve-"),
        ("order-abc", "order.rejected", "order-abc-order.rejected-"),
        ("order-abc", "Set Priority!", "order-abc-set-priority-"),
        ("a", "日本", "a-"),
        ("x" * 253, "approve", "x" * 239 + "-"),
    ],
)
def test_the_name_of_an_events_object_is_readable_and_unique(
    workflow_id: str, event_name: str, readable: str
) -> None:
    names = {event_object_name(workflow_id, event_name) for _ in range(100)}

    assert len(names) == 100
    assert all(name.startswith(readable) and len(name) <= 253 for name in names)


async def test_any_text_can_be_an_events_name(client: Client, operator: StubOperator) -> None:
    sent = await send(client, "Größe geändert!")

    assert (await operator.event(sent.name))["spec"]["eventName"] == "Größe geändert!"


async def test_a_send_whose_answer_was_lost_sends_once(
    client: Client, operator: StubOperator, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_answers(monkeypatch, 1)

    sent = await send(client, payload={"nested": {"null": None}, "number": 1.0})

    assert [each["metadata"]["uid"] for each in await operator.events()] == [sent.uid]


async def test_the_same_event_under_the_same_name_is_sent_once(
    client: Client, operator: StubOperator
) -> None:
    first = await send(client, payload={"by": "Ada"}, name="invoice-17-paid")
    second = await send(client, payload={"by": "Ada"}, name="invoice-17-paid")

    assert (first.uid, first.name) == (second.uid, "invoice-17-paid")
    assert len(await operator.events()) == 1


@pytest.mark.parametrize("other", [{"payload": 2}, {"event_name": "reject", "payload": 1}])
async def test_another_event_under_the_same_name_is_refused(
    client: Client, operator: StubOperator, other: Any
) -> None:
    await send(client, payload=1, name="invoice-17-paid")

    with pytest.raises(EventNameTakenError, match="another event named 'invoice-17-paid': 'approv"):
        await send(client, **other, name="invoice-17-paid")

    assert len(await operator.events()) == 1


@pytest.mark.parametrize(
    ("payload", "other"),
    [
        (0, False),
        (True, 1),
        ([1], [True]),
        ({"paid": 0}, {"paid": False}),
        ({"a": [{"b": True}]}, {"a": [{"b": 1}]}),
        ("1", 1),
        ("", None),
        (0, None),
        ([], {}),
        ({"a": None}, {}),
    ],
    ids=repr,
)
async def test_a_payload_that_only_python_calls_equal_is_another_event(
    client: Client, operator: StubOperator, payload: Any, other: Any
) -> None:
    await send(client, payload=payload, name="k")

    with pytest.raises(EventNameTakenError, match="another event named 'k'"):
        await send(client, payload=other, name="k")


@pytest.mark.parametrize(
    ("payload", "same"),
    [(1, 1.0), ({"a": 1, "b": 2}, {"b": 2.0, "a": 1}), ((1, 2), [1, 2]), (None, None)],
    ids=repr,
)
async def test_a_payload_that_is_stored_as_the_same_json_is_the_same_event(
    client: Client, operator: StubOperator, payload: Any, same: Any
) -> None:
    first = await send(client, payload=payload, name="k")
    second = await send(client, payload=same, name="k")

    assert first.uid == second.uid


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"payload": object()}, NotJsonError, "payload is a object"),
        ({"payload": "x" * 600 * 1024}, TooLargeError, "The payload of 'approve' is 600.* 512.0"),
        ({"event_name": ""}, ValueError, "event_name must be text of 1 to 253 characters"),
        ({"name": "Invoice_17"}, InvalidNameError, "name 'Invoice_17' .* 'invoice-17' would fit"),
    ],
)
async def test_an_invalid_argument_is_refused_before_the_write(
    client: Client, operator: StubOperator, arguments: Any, error: Any, message: str
) -> None:
    with pytest.raises(error, match=message):
        await send(client, **arguments)

    assert await operator.events() == []


async def test_an_event_to_an_invalid_id_is_refused(client: Client) -> None:
    with pytest.raises(InvalidNameError, match=r"workflow_id 'Order' is .*'order' would fit"):
        await client.send(workflow_id="Order", event_name="approve")


async def test_a_settled_event_returns_its_status(client: Client, operator: StubOperator) -> None:
    sent = await send(client)
    settled = asyncio.create_task(sent.settled(timeout=10))

    await operator.set_status(EVENTS, sent.name, phase="Rejected", reason="UnknownEvent")

    status = await settled
    assert (status.phase, status.reason) == (EventPhase.REJECTED, "UnknownEvent")


async def test_a_wait_for_a_pending_event_may_time_out(client: Client) -> None:
    sent = await send(client)

    with pytest.raises(TimeoutError, match="is still pending after 0 s"):
        await sent.settled(timeout=0)


async def test_an_event_that_cannot_be_read_raises_an_error_with_event_and_field(
    client: Client, operator: StubOperator
) -> None:
    sent = await send(client)
    await operator.set_status(EVENTS, sent.name, phase="Rejected", conditions=[1])

    with pytest.raises(
        UnreadableObjectError,
        match=rf"The event '{sent.name}' .* cannot be read: status\.conditions",
    ):
        await sent.settled(timeout=10)


async def test_the_withdrawal_of_an_event_ends_the_wait_for_its_status(
    client: Client, operator: StubOperator
) -> None:
    sent = await send(client)
    settled = asyncio.create_task(sent.settled(timeout=10))

    await operator.api.delete(EVENTS.path(client.namespace, sent.name))

    with pytest.raises(EventGoneError, match="was deleted"):
        await settled

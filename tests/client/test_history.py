"""Reading the history of a run: page by page, and followed without polling."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from grctl.client import Client, WorkflowNotFoundError, history
from grctl.kube import EVENTS, RUNS, Api, ExpiredError
from grctl.models import HistoryItem, HistoryKind
from tests.client.actions import start
from tests.client.stub_operator import StubOperator

SINCE = "2026-11-28T12:00:00Z"
WAITS = {"phase": "WaitEvent", "wait": {"since": SINCE}, "startedAt": SINCE}


def entry(commit: int, event: str | None = None) -> dict[str, Any]:
    kind = "event" if event else "step"
    told = {"commit": commit, "at": SINCE, "kind": kind, "handler": "pay", "outcome": "waits"}
    return told | ({"event": event} if event else {})


async def settle(operator: StubOperator, uid: str, name: str, sequence: int) -> None:
    fate = {"phase": "Processed", "reason": "Handled", "runUid": uid, "settledAt": SINCE}
    await operator.set_status(EVENTS, name, **fate, sequence=sequence)


async def test_a_history_is_read_page_by_page_in_the_order_of_the_sequence(
    client: Client, operator: StubOperator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "HISTORY_PAGE_SIZE", 3)
    handle = await start(client)
    for sequence, name in enumerate(["d", "b", "h", "a", "g", "c", "f", "e"], 1):
        await handle.send("note", sequence, name=name)
        await settle(operator, handle.uid, name, sequence)
    await client.send(workflow_id="another", event_name="note", name="other")
    counts = {"processed": 8}
    last = [entry(9, "e")]
    await operator.set_status(RUNS, "order-abc", **WAITS, commits=9, events=counts, history=last)

    items = await handle.history()

    events = [each.event for each in items if each.event]
    assert [each.payload for each in events] == list(range(1, 9))
    assert [each.kind for each in items[:2]] == [HistoryKind.CREATED, HistoryKind.START]
    assert not any(each.kind is HistoryKind.GAP for each in items)
    assert [each async for each in handle.history()] == items
    assert await client.get_history("order-abc") == items


async def test_a_list_that_the_api_server_forgot_is_read_anew(
    client: Client, operator: StubOperator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "HISTORY_PAGE_SIZE", 1)
    handle = await start(client)
    for name in ("note-1", "note-2"):
        await handle.send("note", name=name)
    get, lost = Api.get, [True]

    async def forgetful(self: Api, path: str, params: Any = None, **more: Any) -> Any:
        if params and params.get("continue") and lost:
            lost.pop()
            raise ExpiredError(410, "Expired", "the list is too old")
        return await get(self, path, params, **more)

    monkeypatch.setattr(Api, "get", forgetful)

    items = await handle.history()

    assert [each.event.name for each in items if each.event] == ["note-1", "note-2"]


async def test_an_event_that_cannot_be_read_hides_no_other(
    client: Client, operator: StubOperator
) -> None:
    handle = await start(client)
    await handle.send("note", name="broken")
    await handle.send("note", name="whole")
    await operator.set_status(EVENTS, "broken", phase="Processed", conditions=["odd"])

    items = await handle.history()

    assert [each.event.name for each in items if each.event] == ["whole"]


async def test_a_history_of_no_run_says_that_there_is_none(
    client: Client, operator: StubOperator
) -> None:
    with pytest.raises(WorkflowNotFoundError, match="There is no run of 'order-abc'"):
        await client.get_history("order-abc")
    handle = await start(client)
    await operator.api.delete(RUNS.path(operator.namespace, "order-abc"))
    await operator.release("order-abc")
    with pytest.raises(WorkflowNotFoundError, match="was deleted"):
        await handle.history()


class Follower:
    """Follows a history, and keeps what came."""

    def __init__(self, items: AsyncIterator[HistoryItem]) -> None:
        self.seen: list[str] = []
        self._items = items
        self._came = asyncio.Condition()
        self.task = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        async for item in self._items:
            name = item.event.name if item.event else item.handler or item.text
            async with self._came:
                self.seen.append(f"{item.kind.value} {name}")
                self._came.notify_all()

    async def until(self, *expected: str) -> None:
        async with asyncio.timeout(60), self._came:
            await self._came.wait_for(lambda: self.seen[-len(expected) :] == list(expected))


async def test_a_history_is_followed_until_the_run_has_finished_and_its_events_are_settled(
    client: Client, operator: StubOperator
) -> None:
    handle = await start(client)
    first = [entry(1)]
    await operator.set_status(RUNS, "order-abc", **WAITS, commits=1, history=first)
    follower = Follower(handle.history().follow())
    await follower.until("created a run of ProcessOrder", "step pay")

    await handle.send("approve", name="approve-1")
    await follower.until("waiting approve-1")
    event = (await operator.event("approve-1"))["metadata"]["uid"]
    outbox = {"uid": event, "name": "approve-1", "sequence": 1, "at": SINCE}
    fate = {"phase": "Processed", "reason": "Handled"}
    done = {"phase": "Completed", "message": "Completed.", "startedAt": SINCE}
    await operator.set_status(
        RUNS,
        "order-abc",
        **done,
        commits=3,
        events={"processed": 1},
        history=[entry(2), entry(3, "approve-1")],
        settled=[outbox | fate],
    )
    await follower.until("waiting approve-1", "step pay")
    await settle(operator, handle.uid, "approve-1", 1)
    await asyncio.wait_for(follower.task, 60)

    assert follower.seen == [
        "created a run of ProcessOrder",
        "step pay",
        "waiting approve-1",
        "step pay",
        "event approve-1",
        "finished Completed.",
    ]


async def test_a_stream_that_breaks_is_resumed_and_nothing_is_told_twice(
    client: Client, operator: StubOperator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grctl.client.access.WATCH_END_DELAY_S", -239.9)
    handle = await start(client)
    await operator.set_status(RUNS, "order-abc", **WAITS, commits=1, history=[entry(1)])
    async with aclosing(handle.history().follow()) as items:  # type: ignore[type-var]
        follower = Follower(items)
        for number in range(2, 5):
            entries = [entry(each) for each in range(1, number + 1)]
            status = {"commits": number, "history": entries}
            await operator.set_status(RUNS, "order-abc", **WAITS, **status)
            await follower.until(*["step pay"] * number)
        follower.task.cancel()
        await asyncio.wait([follower.task])

    assert follower.seen == ["created a run of ProcessOrder", *["step pay"] * 4]


async def test_following_a_run_that_is_deleted_ends_with_an_error(
    client: Client, operator: StubOperator
) -> None:
    handle = await start(client)
    follower = Follower(handle.history().follow())
    await follower.until("created a run of ProcessOrder")

    await operator.api.delete(RUNS.path(operator.namespace, "order-abc"))
    await operator.release("order-abc")

    with pytest.raises(WorkflowNotFoundError, match="was deleted"):
        await asyncio.wait_for(follower.task, 60)

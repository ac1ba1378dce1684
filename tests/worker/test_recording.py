"""Records on their way to the operator: when they are sent, repeated and answered."""

import asyncio
from typing import Any

import pytest

from grctl.models import Directive, HandlerKind
from grctl.models.wire import Execution, Outcome, RecordedOperations, RecordOperations, Succeeded
from grctl.worker.context import Context
from grctl.worker.recording import Recorder
from grctl.workflow import Workflow
from tests.worker import shop
from tests.worker.conftest import Serve
from tests.worker.fake_operator import Conversation, FakeOperator
from tests.worker.making import execute_of
from tests.worker.recording_operator import settle
from tests.worker.shop import CALLED, charge, mail

START, STEP, EVENT = HandlerKind.START, HandlerKind.STEP, HandlerKind.EVENT
order = Workflow(workflow_type="Order")


@order.start()
async def start(ctx: Context) -> Directive:
    receipt = await charge("abc")
    return ctx.next.complete([receipt.id, await mail("abc")])


@order.event()
async def approve(ctx: Context) -> Directive:
    return ctx.next.wait_for_event()


@order.event()
async def pay(ctx: Context, number: int = 1) -> Directive:
    await charge(str(number))
    return ctx.next.wait_for_event()


@pytest.fixture(autouse=True)
def _clear() -> None:
    shop.clear()


def execution() -> Execution:
    return execute_of(order, START, "start").execution


async def answer(worker: Conversation, record: RecordOperations, **entries: Any) -> None:
    told = RecordedOperations(execution=record.execution.id, keys=tuple(record.entries))
    await worker.say(told)


class Post:
    """Takes what a recorder sends."""

    def __init__(self) -> None:
        self.sent: list[RecordOperations] = []
        self.recorder = Recorder(execution(), self._take)

    async def _take(self, message: RecordOperations) -> None:
        self.sent.append(message)

    @property
    def told(self) -> list[tuple[tuple[str, ...], bool]]:
        return [(tuple(each.entries), each.awaited) for each in self.sent]


async def test_records_of_one_turn_of_the_loop_are_one_message() -> None:
    post = Post()
    post.recorder.record("a/1", {"ok": 1})
    post.recorder.record("b/1", {"ok": 2})
    await settle()
    assert post.told == [(("a/1", "b/1"), False)]


async def test_a_record_is_sent_once_and_again_only_when_the_handler_waits_for_it() -> None:
    post = Post()
    post.recorder.record("a/1", {"ok": 1})
    await settle()
    waiting = [asyncio.create_task(post.recorder.wait_until_durable()) for _ in range(2)]
    await settle()
    assert post.told == [(("a/1",), False), (("a/1",), True)]
    post.recorder.answer(["a/1"])
    await asyncio.gather(*waiting)


async def test_a_wait_does_not_include_what_is_recorded_after_it_began() -> None:
    post = Post()
    post.recorder.record("a/1", {"ok": 1})
    waiting = asyncio.create_task(post.recorder.wait_until_durable())
    await settle()
    post.recorder.record("b/1", {"ok": 1})
    post.recorder.answer(["a/1"])
    await waiting
    assert list(post.recorder.unanswered) == ["b/1"]


async def test_an_entry_that_takes_the_place_of_another_one_is_waited_for() -> None:
    post = Post()
    post.recorder.record("a/1", {"failed": 1})
    waiting = asyncio.create_task(post.recorder.wait_until_durable())
    await settle()
    post.recorder.record("a/1", {"ok": 1})
    await settle()
    assert not waiting.done()
    assert post.sent[-1].entries == {"a/1": {"ok": 1}}
    post.recorder.answer(["a/1"])
    await waiting


async def test_nothing_is_sent_after_the_end_of_the_handler() -> None:
    post = Post()
    post.recorder.record("a/1", {"ok": 1})
    post.recorder.close()
    await settle()
    post.recorder.record("b/1", {"ok": 1})
    await settle()
    assert post.sent == []
    assert post.recorder.repeat() is None
    assert list(post.recorder.unanswered) == ["a/1"]


async def test_what_is_not_answered_is_repeated_after_a_reconnect_and_before_outcomes(
    operator: FakeOperator, serve: Serve
) -> None:
    serve(order)
    worker, _ = await operator.welcomed()
    await worker.execute(execute_of(order, EVENT, "approve", id="done", run_uid="other"))
    await worker.next(Outcome)
    await worker.execute(execute_of(order, START, "start", id="e1"))
    first = await worker.next(RecordOperations)
    await worker.end()

    worker, _ = await operator.welcomed()
    again = await worker.next(RecordOperations)
    outcome = await worker.next(Outcome)

    assert (again.entries, again.awaited) == (first.entries, True)
    assert outcome.execution.id == "done"
    assert CALLED == {"charge abc": 1}
    await answer(worker, again)
    ended = await worker.next(Outcome)
    assert isinstance(ended.result, Succeeded)
    assert CALLED == {"charge abc": 1, "mail abc": 1}
    assert [key.split("/")[0] for key in ended.records or {}] == ["mail"]


async def test_an_execution_ahead_calls_no_task_before_its_base_is_committed(
    operator: FakeOperator, serve: Serve
) -> None:
    serve(order)
    worker, _ = await operator.welcomed()
    await worker.execute(execute_of(order, EVENT, "approve", id="e1"))
    behind = execute_of(order, EVENT, "pay", id="e2", base="e1")
    await worker.execute(behind.model_copy(update={"ahead": True}))
    assert (await worker.next(Outcome)).execution.id == "e1"

    told = await worker.next(RecordOperations)

    assert (told.execution.id, told.entries, told.awaited) == ("e2", {}, True)
    assert CALLED == {}
    await worker.say(RecordedOperations(execution="e2"))
    await worker.release("e1", committed=True)
    assert (await worker.next(Outcome)).execution.id == "e2"
    assert CALLED == {"charge 1": 1}


async def test_an_execution_ahead_of_a_void_base_never_calls_its_task(
    operator: FakeOperator, serve: Serve
) -> None:
    serve(order)
    worker, _ = await operator.welcomed()
    await worker.execute(execute_of(order, EVENT, "approve", id="e1"))
    behind = execute_of(order, EVENT, "pay", id="e2", base="e1")
    await worker.execute(behind.model_copy(update={"ahead": True}))
    await worker.next(Outcome)
    await worker.next(RecordOperations)

    await worker.release("e1", committed=False)
    await worker.release("e2", committed=False)
    await worker.execute(execute_of(order, EVENT, "approve", id="e3"))

    assert (await worker.next(Outcome)).execution.id == "e3"
    assert CALLED == {}


async def test_an_execution_ahead_without_tasks_does_not_wait(
    operator: FakeOperator, serve: Serve
) -> None:
    serve(order)
    worker, _ = await operator.welcomed()
    await worker.execute(execute_of(order, EVENT, "approve", id="e1"))
    behind = execute_of(order, EVENT, "approve", id="e2", base="e1")
    await worker.execute(behind.model_copy(update={"ahead": True}))
    ids = [(await worker.next(Outcome)).execution.id for _ in range(2)]
    assert ids == ["e1", "e2"]
    assert worker.nothing_more_came

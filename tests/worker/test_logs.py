"""A worker's log records: they name the execution, and never hold a payload."""

import logging
from typing import Any

import pytest

from grctl.logs.formats import JsonFormatter
from grctl.models import Directive, HandlerKind
from grctl.models.wire import Outcome, Succeeded
from grctl.worker.context import Context
from grctl.workflow import Workflow
from tests.worker import making
from tests.worker.conftest import Serve
from tests.worker.fake_operator import FakeOperator
from tests.worker.making import execute_of

SECRET = "xk7-not-for-logs"

order = Workflow(workflow_type="ProcessOrder")


@order.start()
async def start(ctx: Context, order_id: str) -> Directive:
    ctx.store.put("order_id", order_id)
    ctx.logger.info("started")
    return ctx.next.wait_for_event()


@order.event()
async def approve(ctx: Context, quantity: int) -> Directive:
    raise PermissionError("nobody may")


async def test_payloads_inputs_and_stores_are_not_logged(
    serve: Serve, operator: FakeOperator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    serve(order)
    conversation, _ = await operator.welcomed()
    for number, (kind, name, payload) in enumerate(
        (
            (HandlerKind.START, "start", SECRET),
            (HandlerKind.START, "start", {"order": SECRET}),
            (HandlerKind.EVENT, "approve", SECRET),
            (HandlerKind.EVENT, "approve", 7),
        )
    ):
        execute = execute_of(order, kind, name, payload, store={"k": SECRET}, id=f"x{number}")
        await conversation.execute(execute)
        await conversation.next(Outcome)
        await conversation.release(f"x{number}", committed=False)
    await conversation.say(f'{{"kind": "execute", "payload": "{SECRET}"}}')
    await conversation.execute(execute_of(order, HandlerKind.START, "start", "last", id="last"))
    await conversation.next(Outcome)
    text = "\n".join(JsonFormatter().format(record) for record in caplog.records)
    assert "started" in text
    assert "nobody may" in text
    assert "message not understood" in text
    assert SECRET not in text


@pytest.mark.parametrize(
    ("extra", "fields"),
    [
        ({"message": "mine"}, {"message_": "mine"}),
        ({"name": "mine", "args": 1}, {"name_": "mine", "args_": 1}),
        ({"asctime": "now", "exc_info": 2}, {"asctime_": "now", "exc_info_": 2}),
        ({"lineno": 1, "items": [1]}, {"lineno_": 1, "items": [1]}),
        ({7: 8}, {"7": 8}),
        ([1, 2], {"extra": [1, 2]}),
        ("text", {"extra": "text"}),
        (0, {"extra": 0}),
        ({"run": "another"}, {"run": "another"}),
        ({}, {}),
    ],
    ids=repr,
)
async def test_fields_of_any_name_are_logged_and_fail_no_run(
    caplog: pytest.LogCaptureFixture, extra: Any, fields: dict[str, Any]
) -> None:
    caplog.set_level("INFO", "grctl.handlers")
    workflow = Workflow(workflow_type="Logs")

    @workflow.start()
    async def start(ctx: Context) -> Directive:
        ctx.logger.info("shipped", extra=extra)
        return ctx.next.complete()

    assert isinstance(await making.start(workflow), Succeeded)
    (record,) = caplog.records
    assert record.message == "shipped"
    assert vars(record).items() >= fields.items()


async def test_a_call_of_the_logger_that_does_not_fit_fails_no_run(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "grctl.handlers")
    workflow = Workflow(workflow_type="Logs")

    @workflow.start()
    async def start(ctx: Context) -> Directive:
        ctx.logger.info("shipped", order="abc")
        return ctx.next.complete()

    assert isinstance(await making.start(workflow), Succeeded)
    (record,) = caplog.records
    assert record.message == "shipped"

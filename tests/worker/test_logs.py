"""What a worker's log holds: whose execution it is, and never a payload."""

import logging

import pytest

from grctl.logs import JsonFormatter
from grctl.models import Directive, HandlerKind
from grctl.models.wire import Outcome
from grctl.worker.context import Context
from grctl.workflow import Workflow
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


async def test_no_payload_no_input_and_no_store_is_logged(
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

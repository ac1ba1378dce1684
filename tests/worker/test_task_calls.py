"""Unusual calls of tasks: in threads, as methods, with arguments that do not fit."""

import asyncio
from typing import Any

import pytest

from grctl.models import Directive
from grctl.worker.context import Context
from tests.worker import shop
from tests.worker.recording_operator import operator_of, result_of
from tests.worker.shop import CALLED, mail

IN_A_THREAD = (
    "Handler start calls something in another thread, in an event loop of its own. Tasks, ctx.now"
    " and ctx.sleep are for the handler's own loop: await them there, and run only what blocks in a"
    " thread."
)


@pytest.fixture(autouse=True)
def _clear() -> None:
    shop.clear()


async def test_a_call_in_another_thread_is_refused_and_the_handler_goes_on() -> None:
    async def threads(ctx: Context) -> Directive:
        calls: dict[str, Any] = {"mail": lambda: mail("abc"), "now": ctx.now}
        told = []
        for call in calls.values():
            try:
                await asyncio.to_thread(lambda call=call: asyncio.run(call()))
            except RuntimeError as error:
                told.append(str(error))
        return ctx.next.complete([*told, await mail("def")])

    *told, last = result_of(await operator_of(threads).run())
    assert last == "mailed def"
    assert told == [IN_A_THREAD, IN_A_THREAD]
    assert not CALLED["mail abc"]

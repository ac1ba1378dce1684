"""Unusual calls of tasks: in threads, as methods, with arguments that do not fit."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from grctl.models import Directive
from grctl.worker.context import Context
from grctl.worker.task import task
from tests.worker import shop
from tests.worker.recording_operator import failure_of, operator_of, result_of
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


@dataclass
class Shelf:
    name: str

    @task
    async def label(self, number: int) -> str:
        return f"{self.name} {number}"


class Door:
    @task
    async def lock(self) -> None: ...


async def test_a_task_may_be_a_method_and_its_object_is_an_argument() -> None:
    async def labels(ctx: Context) -> Directive:
        return ctx.next.complete([await Shelf("A").label(1), await Shelf("B").label(number=1)])

    operator = operator_of(labels)
    assert result_of(await operator.run()) == ["A 1", "B 1"]
    assert [key.split("/")[0] for key in operator.journal] == ["label"]  # the last one goes lazily
    assert await Shelf("C").label(2) == "C 2"


async def test_a_method_of_an_object_that_is_not_json_says_what_to_do() -> None:
    async def locks(ctx: Context) -> Directive:
        await Door().lock()
        return ctx.next.complete()

    failed = failure_of(await operator_of(locks).run())
    assert "'self' is a tests.worker.test_task_calls.Door, which cannot" in failed.error.message
    assert "define it with @task(record=False)" in failed.error.message

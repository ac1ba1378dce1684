"""Unusual calls of tasks: in threads, as methods, with arguments that do not fit."""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from grctl.models import Directive
from grctl.worker.context import Context
from grctl.worker.task import Task, task
from tests.worker import shop
from tests.worker.recording_operator import failure_of, operator_of, result_of
from tests.worker.shop import CALLED, mail

if TYPE_CHECKING:
    from pathlib import Path as OnlyForTypes

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
        async def both() -> None:
            for call in (lambda: mail("abc"), ctx.now):
                try:
                    await call()
                except RuntimeError as error:
                    told.append(str(error))

        told: list[str] = []
        await asyncio.to_thread(lambda: asyncio.run(both()))
        return ctx.next.complete([*told, await mail("def")])

    *told, last = result_of(await operator_of(threads).run())
    assert last == "mailed def"
    assert told == [IN_A_THREAD, IN_A_THREAD]
    assert not CALLED["mail abc"]


@task
async def stamp(order_id: str) -> str:
    return f"stamped {order_id}"


def another_stamp() -> Task[[str], str]:
    @task
    async def stamp(order_id: str) -> str:
        CALLED[f"stamp {order_id}"] += 1
        return f"stamped elsewhere {order_id}"

    return stamp


async def test_two_tasks_of_one_name_are_refused_in_one_handler() -> None:
    async def both(ctx: Context) -> Directive:
        first = await stamp("abc")
        try:
            await another_stamp()("abc")
        except ValueError as error:
            return ctx.next.complete([first, str(error)])
        return ctx.next.complete("both were called")

    first, told = result_of(await operator_of(both).run())
    assert first == "stamped abc"
    assert told.startswith("One handler calls two tasks that are named 'stamp': tests.worker.")
    assert not CALLED["stamp abc"]


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


@task
async def path_of(path: "OnlyForTypes | str") -> tuple[str, int]:
    return str(path), 1


async def test_a_parameter_may_be_annotated_with_what_only_a_type_checker_imports() -> None:
    async def paths(ctx: Context) -> Directive:
        return ctx.next.complete(isinstance(await path_of("a"), tuple))

    assert result_of(await operator_of(paths).run()) is True


async def test_arguments_that_do_not_fit_name_the_task_and_its_parameters() -> None:
    with pytest.raises(TypeError) as caught:
        await mail()  # type: ignore[call-arg]
    assert str(caught.value) == (
        "task mail(order: str) -> str: missing a required argument: 'order'"
    )

"""Steps and events that code names by a constant: a mistyped one is found before any run."""

import inspect
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from grctl.models import Directive, HandlerKind
from grctl.worker import Worker
from grctl.worker.context import Context
from grctl.workflow import Workflow
from grctl.workflow.named_handlers import named_handlers

HOUR = timedelta(hours=1)
CHOSEN = "chosen"


async def names_several(ctx: Context, late: bool = False) -> Directive:
    if late:
        return ctx.next.wait_for_event(timeout=HOUR, timeout_step_name="remind")
    if ctx.run.attempt > 1:
        return ctx.next.wait_for_event(HOUR, "escalate")
    return ctx.next.step("ship")


async def names_it_by_keyword(context: Context) -> Directive:
    return context.next.step(step="ship")


async def names_it_within(ctx: Context) -> Directive:
    def further() -> Directive:
        return ctx.next.step("ship")

    return further()


LISTED = ("approve", "reject", "ask")
TIMED = ("remind", *LISTED)
TIMED_AGAIN = ("escalate", *LISTED)


async def names_events(ctx: Context, late: bool = False) -> Directive:
    if late:
        return ctx.next.wait(HOUR, "remind", events={"approve", "reject", "ask"})
    if ctx.run.attempt > 1:
        return ctx.next.wait_for_event(events=("approve", names_nothing.__name__))
    return ctx.next.wait(timeout=HOUR, on_timeout="escalate", events=["approve", "reject", "ask"])


async def makes_a_name(ctx: Context) -> Directive:
    return ctx.next.step(f"{CHOSEN}-1")


async def takes_a_name(ctx: Context, where: str = "") -> Directive:
    return ctx.next.step(where or CHOSEN)


async def names_nothing(ctx: Context) -> Directive:
    return ctx.next.wait_for_event()


async def calls_another(ctx: Context) -> Directive:
    other: Any = ctx.logger
    return other.next.step("elsewhere")  # type: ignore[no-any-return]


async def assigns_its_context(ctx: Any) -> Directive:
    ctx = ctx.parent
    return ctx.next.step("elsewhere")  # type: ignore[no-any-return]


async def hides_its_context(ctx: Any) -> Directive:
    return [ctx.next.complete() for _ in (lambda ctx: ctx.next.step("elsewhere"),)][0]  # type: ignore[no-any-return]  # noqa: RUF015


async def unpacks(ctx: Any, *names: str) -> Directive:
    return ctx.next.wait_for_event(*names, "elsewhere")  # type: ignore[no-any-return]


async def prints_alike(ctx: Context) -> Directive:
    ctx.logger.info("ctx.next.step('elsewhere')")
    return ctx.next.complete("elsewhere")


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (names_several, ["remind", "escalate", "ship"]),
        (names_it_by_keyword, ["ship"]),
        (names_it_within, ["ship"]),
        (names_events, [*TIMED, *LISTED[:1], *TIMED_AGAIN]),
        (makes_a_name, []),
        (takes_a_name, []),
        (names_nothing, []),
        (calls_another, []),
        (assigns_its_context, []),
        (hides_its_context, []),
        (unpacks, []),
        (prints_alike, []),
    ],
)
def test_only_constants_are_found(function: Any, names: list[str]) -> None:
    assert [each.name for each in named_handlers(function)] == names


def test_a_named_step_has_the_line_of_its_file() -> None:
    _, first = inspect.getsourcelines(names_it_by_keyword)
    assert [each.line for each in named_handlers(names_it_by_keyword)] == [first + 1]


def test_a_function_without_a_source_names_nothing() -> None:
    space: dict[str, Any] = {}
    exec("async def begin(ctx): return ctx.next.step('ship')", space)  # noqa: S102
    assert named_handlers(space["begin"]) == ()


def test_a_source_that_was_edited_after_it_was_loaded_does_not_count(tmp_path: Path) -> None:
    path, space = tmp_path / "orders.py", {}  # type: tuple[Path, dict[str, Any]]
    written = "async def begin(ctx):\n    return ctx.next.step('{}')\n"
    path.write_text(written.format("ship"))
    exec(compile(path.read_text(), str(path), "exec"), space)  # noqa: S102
    path.write_text(written.format("send"))
    assert named_handlers(space["begin"]) == ()


def misspelled() -> Workflow:
    order = Workflow(workflow_type="Order")

    @order.start()
    async def start(ctx: Context) -> Directive:
        return ctx.next.wait_for_event(timeout=HOUR, timeout_step_name="esclate")

    @order.step(name="escalate")
    async def call_the_manager(ctx: Context) -> Directive:
        return ctx.next.complete()

    return order


def test_a_worker_does_not_start_with_a_step_name_that_its_workflow_does_not_have() -> None:
    told = (
        r"start names the step 'esclate' \(.*test_named_handlers.py, line \d+\), which Order does"
    )
    with pytest.raises(ValueError, match=told + r" not have. Steps of Order: 'escalate'\."):
        Worker(workflows=[misspelled()])


def test_a_worker_does_not_start_with_an_event_name_that_its_workflow_does_not_have() -> None:
    order = Workflow(workflow_type="Order")

    @order.start()
    async def start(ctx: Context) -> Directive:
        return ctx.next.wait_for_event(events=["approve", "rejct"])

    @order.event()
    async def approve(ctx: Context) -> Directive:
        return ctx.next.complete()

    @order.step()
    async def rejct(ctx: Context) -> Directive:
        return ctx.next.complete()

    told = r"start names the event 'rejct' \(.*, line \d+\), which Order does not have. Events of"
    with pytest.raises(ValueError, match=told + r" Order: 'approve'\."):
        Worker(workflows=[order])


def test_a_step_that_is_defined_further_down_is_found() -> None:
    order = Workflow(workflow_type="Order")

    @order.start()
    async def start(ctx: Context) -> Directive:
        return ctx.next.step("ship")

    @order.step()
    async def ship(ctx: Context) -> Directive:
        return ctx.next.complete()

    order.check_named_handlers()
    assert order.names(HandlerKind.STEP) == ("ship",)


def test_a_handler_that_is_defined_within_a_function_is_read_too() -> None:
    start, _ = misspelled().handlers
    assert [each.name for each in named_handlers(start.function)] == ["esclate"]

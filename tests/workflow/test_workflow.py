"""Defining workflows: what decorators make, and what they refuse."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

import grctl.workflow
from grctl.models import Directive, HandlerKind
from grctl.worker.context import Context
from grctl.worker.task import task
from grctl.workflow import Workflow, workflow_of


def make(name: str = "handler") -> Callable[..., Any]:
    async def handler(ctx: Context) -> Directive:
        return ctx.next.complete()

    handler.__name__ = name
    return handler


def test_the_package_offers_these_names_and_no_others() -> None:
    names = ["Directive", "Handler", "Query", "Workflow", "workflow_of"]
    assert grctl.workflow.__all__ == names


def test_a_handler_carries_its_functions_name_unless_an_event_is_given_another() -> None:
    order = Workflow(workflow_type="ProcessOrder")

    @order.event()
    async def approve(ctx: Context) -> Directive:
        return ctx.next.complete()

    @order.event(name="order.rejected")
    async def handle_rejection(ctx: Context) -> Directive:
        return ctx.next.complete()

    assert order.names(HandlerKind.EVENT) == ("approve", "order.rejected")
    assert order.find(HandlerKind.EVENT, "order.rejected") is handle_rejection
    assert order.find(HandlerKind.EVENT, "handle_rejection") is None
    assert (approve.__name__, approve.__doc__) == ("approve", None)


async def test_a_handler_is_called_as_the_function_that_it_wraps() -> None:
    order = Workflow(workflow_type="ProcessOrder")

    @order.step()
    async def fulfill(ctx: Any, copies: int = 1) -> Directive:
        return ctx.make(copies)  # type: ignore[no-any-return]

    class Printer:
        def make(self, copies: int) -> Any:
            return f"{copies} copies"

    made: object = await fulfill(Printer(), copies=3)

    assert made == "3 copies"


def test_a_handler_that_shadows_its_workflow_goes_on_defining_handlers_of_it() -> None:
    greet: Any = Workflow(workflow_type="GreetEvents")
    workflow = greet
    greet = greet.event()(make("greet"))
    farewell = greet.event()(make("farewell"))
    greet.start()(make("start"))
    greet.step()(make("rest"))

    assert workflow_of(greet) is workflow
    assert workflow_of(farewell) is workflow
    assert [(each.kind.value, each.name) for each in workflow.handlers] == [
        ("event", "greet"),
        ("event", "farewell"),
        ("start", "start"),
        ("step", "rest"),
    ]


def test_a_step_and_an_event_may_share_a_name_and_stay_apart() -> None:
    order = Workflow(workflow_type="ProcessOrder")
    step = order.step()(make("approve"))
    event = order.event()(make("approve"))

    assert order.find(HandlerKind.STEP, "approve") is step
    assert order.find(HandlerKind.EVENT, "approve") is event


def test_the_start_handler_is_found_by_its_kind_whatever_its_name() -> None:
    order = Workflow(workflow_type="ProcessOrder")
    begin = order.start()(make("begin"))

    assert order.find(HandlerKind.START, "start") is begin


@pytest.mark.parametrize("kind", ["step", "event"])
def test_a_name_given_twice_within_a_kind_is_refused(kind: str) -> None:
    order = Workflow(workflow_type="ProcessOrder")
    getattr(order, kind)()(make("approve"))

    with pytest.raises(ValueError, match=f"ProcessOrder has an? {kind} handler 'approve' already"):
        getattr(order, kind)()(make("approve"))

    assert len(order.handlers) == 1


def test_a_second_start_handler_is_refused_and_names_the_first() -> None:
    order = Workflow(workflow_type="ProcessOrder")
    order.start()(make("begin"))

    with pytest.raises(ValueError, match="has a start handler already, 'begin', so 'again'"):
        order.start()(make("again"))


@task
async def a_task() -> None:
    """Do nothing."""


def not_async(ctx: Context) -> None:
    """Do nothing."""


async def generates(ctx: Context) -> Any:
    yield ctx


@pytest.mark.parametrize("wrong", [a_task, not_async, generates, make, print, 3])
def test_anything_but_an_async_function_is_refused_with_the_line_to_write(wrong: Any) -> None:
    order = Workflow(workflow_type="ProcessOrder")

    with pytest.raises(ValueError, match=r"write `async def \w+\(ctx: Context\) -> Directive:`"):
        order.event()(wrong)


def test_a_handler_cannot_be_decorated_twice() -> None:
    order = Workflow(workflow_type="ProcessOrder")
    fulfill = order.step()(make("fulfill"))

    with pytest.raises(ValueError, match=r"'fulfill' \(Handler\) cannot be an event handler"):
        order.event()(fulfill)


@pytest.mark.parametrize("name", ["start", "step"])
def test_start_and_step_without_parentheses_are_refused_as_event_is(name: str) -> None:
    order = Workflow(workflow_type="ProcessOrder")
    ship: Any = order.step()(make("ship"))

    for definer in (order, ship):
        with pytest.raises(ValueError, match=rf"Write `{name}\(\)` with parentheses .* of 'begin'"):
            getattr(definer, name)(make("begin"))


def test_a_decorator_without_parentheses_is_refused() -> None:
    order = Workflow(workflow_type="ProcessOrder")
    wrong: Any = make("approve")

    with pytest.raises(ValueError, match=r"`event\(\)` with parentheses in .* of 'approve'"):
        order.event(wrong)


@pytest.mark.parametrize("name", ["", "x" * 254, None, 3])
def test_a_workflow_type_is_text_that_a_run_can_name(name: Any) -> None:
    with pytest.raises(ValueError, match="workflow_type must be text of 1 to 253 characters"):
        Workflow(workflow_type=name)


def test_an_event_name_is_text_that_an_event_can_name() -> None:
    order = Workflow(workflow_type="ProcessOrder")

    with pytest.raises(ValueError, match="must be text of 1 to 253 characters, not ''"):
        order.event(name="")(make("approve"))


def test_an_object_that_is_not_a_workflow_is_named() -> None:
    with pytest.raises(TypeError, match=r"'order' \(str\) is neither a Workflow nor a handler"):
        workflow_of("order")


if TYPE_CHECKING:  # checked by mypy, which complains of an ignore that ignores nothing
    typed = Workflow(workflow_type="Typed")

    @typed.step()
    async def takes_copies(ctx: Context, copies: int = 1) -> Directive:
        return ctx.next.step(takes_copies)

    _ = takes_copies(3)  # type: ignore[arg-type]

    @typed.step()  # type: ignore[arg-type]
    async def returns_no_directive(ctx: Context) -> str:
        return "done"

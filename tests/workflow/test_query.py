"""Defining queries: what `@workflow.query()` makes, and what it refuses."""

import re
from typing import Any

import pytest

from grctl.models import Directive, HandlerKind
from grctl.worker.context import Context
from grctl.workflow import Query, Workflow, workflow_of


def test_a_query_is_no_handler_and_no_event() -> None:
    order = Workflow(workflow_type="ProcessOrder")

    @order.query()
    async def summary(ctx: Context) -> str:
        return "for a laptop"

    @order.query(name="order.total")
    async def total(ctx: Context) -> int:
        return 120

    assert [each.name for each in order.queries] == ["summary", "order.total"]
    assert order.handlers == ()
    assert order.names(HandlerKind.EVENT) == ()
    assert isinstance(summary, Query)
    assert repr(summary) == "<query 'summary' of ProcessOrder>"
    assert workflow_of(summary) is order


async def test_a_query_is_called_as_the_function_that_it_wraps() -> None:
    order = Workflow(workflow_type="ProcessOrder")

    @order.query()
    async def doubled(ctx: Any, factor: int = 2) -> int:
        return int(ctx) * factor

    assert await doubled(21) == 42
    assert await doubled(21, factor=3) == 63


async def test_a_query_and_a_handler_stand_for_their_workflow() -> None:
    greet = Workflow(workflow_type="Greet")

    @greet.query()
    async def summary(ctx: Context) -> str:
        return "greets"

    @summary.event()
    async def approve(ctx: Context) -> Directive:
        return ctx.next.complete()

    @approve.query()
    async def lines(ctx: Context) -> list[str]:
        return []

    @lines.query()
    async def total(ctx: Context) -> int:
        return 0

    @lines.start()
    async def begin(ctx: Context) -> Directive:
        return ctx.next.wait_for_event()

    @lines.step()
    async def remind(ctx: Context) -> Directive:
        return ctx.next.wait_for_event()

    assert [each.name for each in greet.queries] == ["summary", "lines", "total"]
    assert [each.name for each in greet.handlers] == ["approve", "begin", "remind"]


def refused(function: Any, **arguments: Any) -> str:
    order = Workflow(workflow_type="ProcessOrder")

    @order.query()
    async def summary(ctx: Context) -> str:
        return "for a laptop"

    with pytest.raises(ValueError, match=r"\w") as caught:
        order.query(**arguments)(function)
    return str(caught.value)


def test_two_queries_cannot_share_a_name() -> None:
    async def other(ctx: Context) -> str:
        return ""

    assert refused(other, name="summary") == "ProcessOrder has a query 'summary' already."


def test_a_query_has_an_async_function_with_a_context_and_nothing_else() -> None:
    def plain(ctx: Context) -> str:
        return ""

    async def demanding(ctx: Context, who: str) -> str:
        return ""

    async def without() -> str:
        return ""

    assert "write `async def plain(ctx: Context) -> str:`" in refused(plain)
    assert re.match(r"demanding\(ctx.*who: str\) -> str cannot be a query", refused(demanding))
    assert "without() -> str cannot be a query" in refused(without)


def test_the_names_of_queries_leave_room_for_errors() -> None:
    async def errors(ctx: Context) -> str:
        return ""

    assert "cannot begin with '$'" in refused(errors, name="$errors")
    assert "text of 1 to 253 characters" in refused(errors, name="")


def test_a_query_decorator_without_parentheses_is_refused() -> None:
    order = Workflow(workflow_type="ProcessOrder")

    async def summary(ctx: Context) -> str:
        return ""

    with pytest.raises(ValueError, match=r"Write `query\(\)` with parentheses"):
        order.query(summary)  # type: ignore[arg-type]

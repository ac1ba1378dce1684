"""Queries: answered over the store that a handler leaves, and without harm to its outcome."""

import asyncio
import logging
from typing import Any

import pytest

from grctl.models import Complete, Directive, HandlerKind
from grctl.models.answers import answered_values, query_errors
from grctl.models.limits import MAX_ANSWERS_BYTES
from grctl.models.wire import Failed, Succeeded
from grctl.worker.context import Context
from grctl.worker.logs import HandlerLogger
from grctl.worker.queries import ReadOnlyStore, answer_queries
from grctl.workflow import Workflow
from tests.worker.making import event, execute_of, step

order = Workflow(workflow_type="ProcessOrder")


@order.step()
async def pay(ctx: Context) -> Directive:
    ctx.store.put("paid", True)
    ctx.store.delete("open")
    return ctx.next.complete(1)


@order.step()
async def breaks(ctx: Context) -> Directive:
    raise LookupError("no such order")


@order.query()
async def summary(ctx: Context) -> str:
    return f"{ctx.run.workflow_id}: {', '.join(await ctx.store.keys())}"


def workflow_with(query: Any) -> Workflow:
    made = Workflow(workflow_type="Query")

    @made.step()
    async def go(ctx: Context) -> Directive:
        ctx.store.put("amount", 120)
        return ctx.next.complete(1)

    made.query()(query)
    return made


async def answers_of(query: Any) -> dict[str, Any]:
    outcome = await step(workflow_with(query), "go")
    assert isinstance(outcome, Succeeded)
    assert outcome.directive == Complete(result=1)
    assert outcome.put == {"amount": 120}
    assert outcome.answers is not None
    return outcome.answers


async def test_a_query_reads_the_store_that_the_handler_leaves() -> None:
    outcome = await step(order, "pay", open=True, id="abc")

    assert isinstance(outcome, Succeeded)
    assert outcome.answers == {"summary": "order-abc: id, paid"}


async def test_a_handler_that_fails_has_no_answers() -> None:
    assert isinstance(await step(order, "breaks"), Failed)


async def test_a_workflow_without_queries_sends_no_answers() -> None:
    plain = Workflow(workflow_type="Plain")

    @plain.event()
    async def approve(ctx: Context) -> Directive:
        return ctx.next.complete()

    outcome = await event(plain, "approve")

    assert isinstance(outcome, Succeeded)
    assert outcome.answers is None


async def test_a_query_that_raises_has_no_value_and_says_why(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def asked(ctx: Context) -> str:
        return str(await ctx.store.get("missing"))

    with caplog.at_level(logging.WARNING, logger="grctl.handlers"):
        answers = await answers_of(asked)

    assert answered_values(answers) == {}
    assert "has no key 'missing'; it has 'amount'" in query_errors(answers)["asked"]
    assert [each.message for each in caplog.records] == ["query failed"]


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()])
async def test_a_query_that_exits_or_cancels_does_not_end_its_worker(error: BaseException) -> None:
    async def asked(ctx: Context) -> str:
        raise error

    assert set(query_errors(await answers_of(asked))) == {"asked"}


async def test_a_query_that_hangs_is_given_up_and_the_others_are_answered() -> None:
    slow = Workflow(workflow_type="Slow")

    @slow.query()
    async def hangs(ctx: Context) -> str:
        await asyncio.Event().wait()
        return "never"

    @slow.query()
    async def quick(ctx: Context) -> str:
        return "at once"

    context = Context(slow, execute_of(slow, HandlerKind.STEP, "go"))
    answers = await answer_queries(slow.queries, context, {}, timeout=0.01)

    assert answers is not None
    assert answered_values(answers) == {"quick": "at once"}
    assert "no answer within 0.01 s" in query_errors(answers)["hangs"]


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda ctx: ctx.store.put("amount", 0), "ctx.store.put('amount', ...)"),
        (lambda ctx: ctx.store.delete("amount"), "ctx.store.delete('amount')"),
        (lambda ctx: ctx.next.complete(), "ctx.next"),
    ],
)
async def test_a_query_cannot_change_its_run(call: Any, named: str) -> None:
    async def asked(ctx: Context) -> str:
        call(ctx)
        return "changed"

    error = query_errors(await answers_of(asked))["asked"]

    assert f"ReadOnlyError: {named}: a query cannot change its run" in error


async def test_an_answer_that_has_no_json_is_an_error() -> None:
    async def asked(ctx: Context) -> object:
        return object()

    error = query_errors(await answers_of(asked))["asked"]

    assert "The answer of 'asked' is a object, which cannot be kept as JSON" in error


async def test_the_largest_answer_is_left_out_if_all_do_not_fit() -> None:
    large = Workflow(workflow_type="Large")

    @large.query()
    async def lines(ctx: Context) -> str:
        return "x" * MAX_ANSWERS_BYTES

    @large.query()
    async def total(ctx: Context) -> dict[str, int]:
        return {"eur": 120}

    context = Context(large, execute_of(large, HandlerKind.STEP, "go"))
    answers = await answer_queries(large.queries, context, {})

    assert answers is not None
    assert answered_values(answers) == {"total": {"eur": 120}}
    assert query_errors(answers)["lines"].startswith("16.0 KiB of JSON; all answers together")


async def test_a_store_that_is_read_only_returns_copies() -> None:
    values = {"lines": [1]}

    (await ReadOnlyStore(values).get("lines")).append(2)

    assert values == {"lines": [1]}


async def test_a_query_has_the_logger_and_the_run_of_its_handler() -> None:
    seen: list[Any] = []

    async def asked(ctx: Context) -> str:
        seen.append((ctx.logger, ctx.run.execution_id))
        return "answered"

    await answers_of(asked)

    ((logger, execution_id),) = seen
    assert isinstance(logger, HandlerLogger)
    assert execution_id == "execution-1"


async def test_a_query_that_asks_for_what_no_context_has_is_told_what_there_is() -> None:
    async def asked(ctx: Any) -> str:
        return str(ctx.storage)

    error = query_errors(await answers_of(asked))["asked"]

    assert "The context of a query has no 'storage': run, store and logger." in error

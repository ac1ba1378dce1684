"""The result of an execution: a directive, a refusal or a failure, whatever a handler does."""

import asyncio
import logging
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from grctl.models import (
    Complete,
    Directive,
    ErrorDetails,
    Fail,
    HandlerKind,
    NextStep,
    WaitForEvent,
)
from grctl.models.limits import MAX_MESSAGE_BYTES, MAX_STACK_TRACE_BYTES
from grctl.models.wire import Failed, Refused, Succeeded, encode
from grctl.worker.context import Context, CurrentEvent
from grctl.worker.task import task
from grctl.workflow import Workflow
from tests.worker.making import event, execute_of, outcome_of, start, step

order = Workflow(workflow_type="ProcessOrder")


@task
async def call_greeting_api(name: str) -> str:
    return f"Hello, {name}"


@order.start()
async def begin(ctx: Context, order_id: str) -> Directive:
    ctx.store.put("order_id", order_id)
    ctx.store.put("greeting", await call_greeting_api(order_id))
    return ctx.next.wait_for_event()


@order.event()
async def update_quantity(ctx: Context, item_id: str, qty: int) -> Directive:
    ctx.store.put(f"qty_{item_id}", qty)
    return ctx.next.wait_for_event()


@order.event(name="order.rejected")
async def handle_rejection(ctx: Context) -> Directive:
    return ctx.next.complete("rejected")


@order.event()
async def described(ctx: Context) -> Directive:
    run = ctx.run
    return ctx.next.complete([run.workflow_id, run.attempt, run.idempotency_key, run.event])


@order.step()
async def late_write(ctx: Context) -> Directive:
    directive = ctx.next.wait_for_event(timedelta(hours=1), "late_write")
    ctx.store.put("late", True)
    ctx.store.delete("early")
    return directive


def helper_of_the_user() -> None:
    raise LookupError("no such order")


@order.step()
async def raises(ctx: Context) -> Directive:
    helper_of_the_user()
    return ctx.next.complete()


@order.step()
async def exits(ctx: Context) -> Directive:
    raise SystemExit(3)


@order.step()
async def cancels(ctx: Context) -> Directive:
    raise asyncio.CancelledError


@order.step()
async def interrupts(ctx: Context) -> Directive:
    raise KeyboardInterrupt


@order.step()
async def closes_itself(ctx: Context) -> Directive:
    raise GeneratorExit


@order.step()
async def cancels_its_task(ctx: Context) -> Directive:
    own_task().cancel()
    await asyncio.sleep(0)
    return ctx.next.complete()


@order.step()
async def cancels_its_task_and_fails(ctx: Context) -> Directive:
    own_task().cancel()
    raise LookupError("no such order")


@order.step()
async def swallows_its_cancellation_and_awaits_a_cancelled_child(ctx: Context) -> Directive:
    own_task().cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(0)
    child = asyncio.create_task(asyncio.sleep(60))
    child.cancel()
    await child
    return ctx.next.complete()


@order.step()
async def groups_a_cancellation(ctx: Context) -> Directive:
    raise BaseExceptionGroup("several", [asyncio.CancelledError(), KeyboardInterrupt()])


@order.step()
async def raises_what_has_no_text_but_an_exit(ctx: Context) -> Directive:
    raise ExitsInItsTextError


@order.step()
async def raises_half_a_character(ctx: Context) -> Directive:
    raise ValueError("\ud800")


@order.step()
async def returns_with_a_cancellation_pending(ctx: Context) -> Directive:
    own_task().cancel()
    return ctx.next.complete("done")


@order.step()
async def returns_nothing(ctx: Context) -> Directive:
    return None  # type: ignore[return-value]


@order.step()
async def forgets_to_await(ctx: Context) -> Directive:
    return call_greeting_api("x")  # type: ignore[return-value]


@order.step()
async def keeps_a_function(ctx: Context) -> Directive:
    ctx.store.put("call", helper_of_the_user)
    return ctx.next.complete()


@order.step()
async def keeps_too_much(ctx: Context) -> Directive:
    ctx.store.put("blob", "x" * 300 * 1024)
    return ctx.next.complete()


@order.step()
async def by_hand(ctx: Context) -> Directive:
    return NextStep(step="nowhere")


@order.step()
async def waits_by_hand(ctx: Context) -> Directive:
    return WaitForEvent(events=("nowhere",))


@order.step()
async def fails_by_hand(ctx: Context) -> Directive:
    return Fail(error=ErrorDetails(type="", message="over 10,000"))


@order.step()
async def delays_by_hand(ctx: Context) -> Directive:
    return NextStep(step="by_hand", after=timedelta(-1))


@order.step()
async def fails_on_purpose(ctx: Context) -> Directive:
    ctx.store.put("amount", 12_000)
    return ctx.next.fail(ErrorDetails(type="LimitExceeded", message="over 10,000"))


@order.step()
async def wrong_transition(ctx: Context) -> Directive:
    return ctx.next.step("nowhere")


class UnprintableError(Exception):
    def __str__(self) -> str:
        raise ValueError("never")


class ExitsInItsTextError(Exception):
    def __str__(self) -> str:
        raise SystemExit(1)


def own_task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None
    return task


@order.step()
async def raises_something_huge(ctx: Context) -> Directive:
    raise RuntimeError("€" * 100_000)


@order.step()
async def raises_something_unprintable(ctx: Context) -> Directive:
    raise UnprintableError


async def test_a_result_has_the_handlers_directive_and_the_values_that_it_put() -> None:
    assert await start(order, {"order_id": "abc"}) == Succeeded(
        directive=WaitForEvent(), put={"order_id": "abc", "greeting": "Hello, abc"}
    )


async def test_an_event_goes_to_its_handler_by_the_name_given_to_it() -> None:
    result = await event(order, "order.rejected", {"ignored": True})

    assert result == Succeeded(directive=Complete(result="rejected"))


async def test_writes_made_after_the_directive_was_built_count() -> None:
    result = await step(order, "late_write", early=1)

    assert isinstance(result, Succeeded)
    assert (result.put, result.delete) == ({"late": True}, ("early",))


async def test_a_handler_knows_its_run_and_its_event() -> None:
    execute = execute_of(order, HandlerKind.EVENT, "described", attempt=2)

    result = await outcome_of(execute, order)

    assert isinstance(result, Succeeded)
    assert result.directive == Complete(
        result=[
            "order-abc",
            2,
            "uid-1-event-uid-1",
            {"name": "described", "object_name": "order-abc-approve-1", "uid": "event-uid-1"},
        ]
    )
    assert Context(order, execute).run.event == CurrentEvent(
        "described", "order-abc-approve-1", "event-uid-1"
    )


async def test_a_step_has_no_event() -> None:
    assert Context(order, execute_of(order, HandlerKind.STEP, "raises")).run.event is None


async def test_a_payload_that_does_not_bind_is_refused_with_the_parameters_that_would_fit() -> None:
    result = await event(order, "update_quantity", {"item_id": "a", "quantity": 1})

    assert result == Refused(
        message="update_quantity(item_id: str, qty: int) does not take this payload:"
        " qty: is missing; quantity: is unknown. The run goes on waiting."
    )


async def test_a_refusal_stays_within_the_size_of_a_message() -> None:
    payload = {f"field_{number}": 1 for number in range(10_000)}

    result = await event(order, "update_quantity", payload)

    assert isinstance(result, Refused)
    assert len(result.message.encode()) <= MAX_MESSAGE_BYTES
    assert result.message.endswith("The run goes on waiting.")


async def test_an_input_that_does_not_bind_fails_the_run() -> None:
    result = await start(order, {"order": "abc"})

    assert isinstance(result, Failed)
    assert (result.reason, result.error.type) == ("BadInput", "BadInput")
    assert result.error.message == (
        "begin(order_id: str) does not take this input: order_id: is missing; order: is unknown."
    )


async def test_a_handler_that_raises_fails_the_run_with_the_users_frames(
    caplog: pytest.LogCaptureFixture,
) -> None:
    result = await step(order, "raises")

    assert isinstance(result, Failed)
    assert result.reason == "HandlerFailed"
    assert (result.error.type, result.error.message) == ("LookupError", "no such order")
    trace = result.error.stack_trace or ""
    assert "in raises\n" in trace
    assert "in helper_of_the_user\n" in trace
    assert trace.endswith("LookupError: no such order\n")
    assert "grctl/worker" not in trace
    (record,) = caplog.records
    assert (record.message, record.levelno) == ("handler failed", logging.WARNING)
    assert (record.run, record.handler) == ("shop/order-abc", "raises")  # type: ignore[attr-defined]


CANCELLED = "asyncio.exceptions.CancelledError"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("exits", "SystemExit"),
        ("interrupts", "KeyboardInterrupt"),
        ("closes_itself", "GeneratorExit"),
        ("cancels", CANCELLED),
        ("cancels_its_task", CANCELLED),
        ("cancels_its_task_and_fails", "LookupError"),
        ("swallows_its_cancellation_and_awaits_a_cancelled_child", CANCELLED),
        ("groups_a_cancellation", "BaseExceptionGroup"),
        (
            "raises_what_has_no_text_but_an_exit",
            "tests.worker.test_executor.ExitsInItsTextError",
        ),
        ("raises_half_a_character", "ValueError"),
    ],
)
async def test_a_handler_that_leaves_by_force_fails_its_run_only(name: str, kind: str) -> None:
    result = await step(order, name)

    assert isinstance(result, Failed)
    assert (result.reason, result.error.type) == ("HandlerFailed", kind)
    encode(result)


async def test_a_cancellation_that_came_too_late_does_not_change_the_result() -> None:
    result = await step(order, "returns_with_a_cancellation_pending")

    assert result == Succeeded(directive=Complete(result="done"))


async def test_a_cancelled_execution_has_no_result() -> None:
    entered, never = asyncio.Event(), asyncio.Event()
    workflow = Workflow(workflow_type="Waits")

    @workflow.start()
    async def waits(ctx: Context) -> Directive:
        entered.set()
        await never.wait()
        return ctx.next.complete()

    running = asyncio.create_task(start(workflow))
    await entered.wait()
    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("returns_nothing", "returns_nothing returned None, which is not a Directive. End it with"),
        ("forgets_to_await", "forgets_to_await returned <coroutine object call_greeting_api"),
        ("keeps_a_function", "ctx.store['call'] is a function, which cannot be kept as JSON"),
        ("keeps_too_much", "ctx.store would hold 300.0 KiB of JSON; at most 256.0 KiB are kept"),
    ],
)
async def test_a_value_that_cannot_be_kept_fails_the_run_with_a_list_of_those_that_can(
    name: str, told: str
) -> None:
    result = await step(order, name)

    assert isinstance(result, Failed)
    assert (result.reason, result.error.type) == ("BadOutcome", "BadOutcome")
    assert result.error.message.startswith(told)


async def test_the_stack_trace_leads_to_the_value_that_cannot_be_kept() -> None:
    result = await step(order, "keeps_a_function")

    assert isinstance(result, Failed)
    assert 'ctx.store.put("call", helper_of_the_user)' in (result.error.stack_trace or "")


@pytest.mark.parametrize("name", ["by_hand", "wrong_transition"])
async def test_a_directive_to_nowhere_fails_the_run_however_it_was_made(name: str) -> None:
    result = await step(order, name)

    assert isinstance(result, Failed)
    assert result.error.message.startswith("ProcessOrder has no step 'nowhere'.")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("waits_by_hand", "ProcessOrder has no event 'nowhere'."),
        ("fails_by_hand", "The type of an error is empty"),
        ("delays_by_hand", "after must not be negative"),
    ],
)
async def test_each_argument_of_a_directive_made_by_hand_is_checked(name: str, told: str) -> None:
    result = await step(order, name)

    assert isinstance(result, Failed)
    assert result.error.message.startswith(told)


async def test_a_run_that_fails_on_purpose_keeps_what_its_handler_put() -> None:
    result = await step(order, "fails_on_purpose")

    error = ErrorDetails(type="LimitExceeded", message="over 10,000")
    assert result == Succeeded(directive=Fail(error=error), put={"amount": 12_000})


async def test_message_and_stack_trace_stay_within_their_limits() -> None:
    result = await step(order, "raises_something_huge")

    assert isinstance(result, Failed)
    assert len(result.error.message.encode()) <= MAX_MESSAGE_BYTES
    assert len((result.error.stack_trace or "").encode()) <= MAX_STACK_TRACE_BYTES


async def test_an_exception_without_text_fails_the_run_all_the_same() -> None:
    result = await step(order, "raises_something_unprintable")

    assert isinstance(result, Failed)
    assert result.error.type == "tests.worker.test_executor.UnprintableError"


@pytest.mark.parametrize(("kind", "name"), [(HandlerKind.STEP, "gone"), (HandlerKind.EVENT, "x")])
async def test_a_missing_handler_is_named(kind: HandlerKind, name: str) -> None:
    result = await outcome_of(execute_of(order, kind, name), order)

    assert isinstance(result, Failed)
    assert result.error.message == f"No {kind} handler is 'ProcessOrder.{name}'."


async def test_log_records_have_fields_for_the_run_and_the_handler(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    context = Context(order, execute_of(order, HandlerKind.EVENT, "described"))

    context.logger.info("took %s items", 3, extra={"items": 3})

    record: Any = caplog.records[0]
    assert record.message == "took 3 items"
    assert (record.run, record.event, record.items) == ("shop/order-abc", "order-abc-approve-1", 3)


def test_two_events_never_share_an_idempotency_key() -> None:
    """The first was withdrawn while its handler ran: nothing was committed in between."""
    keys = {
        Context(order, execute_of(order, HandlerKind.EVENT, "described", event_uid=uid)).run
        for uid in ("event-uid-1", "event-uid-2")
    }

    assert len({each.idempotency_key for each in keys}) == 2

"""ctx.next: the transitions, and errors at the line that makes a wrong one."""

from datetime import timedelta
from typing import Any

import pytest

from grctl.json.serialization import NotJsonError, TooLargeError
from grctl.models import Complete, Directive, NextStep, WaitForEvent
from grctl.worker.context import Context
from grctl.worker.transitions import Transitions
from grctl.workflow import Workflow

order = Workflow(workflow_type="ProcessOrder")
other = Workflow(workflow_type="Other")


@order.start()
async def start(ctx: Context) -> Directive:
    return ctx.next.wait_for_event()


@order.step()
async def fulfill(ctx: Context) -> Directive:
    return ctx.next.complete()


@order.step()
async def auto_approve(ctx: Context) -> Directive:
    return ctx.next.complete()


@order.event()
async def approve(ctx: Context) -> Directive:
    return ctx.next.step(fulfill)


@other.step()
async def elsewhere(ctx: Context) -> Directive:
    return ctx.next.complete()


next_ = Transitions(order)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize("step", [fulfill, "fulfill"])
def test_a_step_is_named_by_itself_or_by_its_name(step: Any) -> None:
    assert next_.step(step) == NextStep(step="fulfill")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("fulfil", "ProcessOrder has no step 'fulfil'"),
        ("approve", "ProcessOrder has no step 'approve'"),
        (approve, "'approve' of ProcessOrder> is not a step: only a step can be next"),
        (start, "is not a step"),
        (elsewhere, "'elsewhere' of Other> is not a step of ProcessOrder"),
        (fulfill.function, r"<function fulfill at .* \(function\) is not a step"),
        (None, r"None \(NoneType\) is not a step"),
    ],
)
def test_a_transition_to_anything_but_a_step_of_the_workflow_is_refused_with_a_list_of_steps(
    wrong: Any, told: str
) -> None:
    with pytest.raises(ValueError, match=f"{told}.*'fulfill', 'auto_approve'"):
        next_.step(wrong)


def test_a_wait_has_no_timeout_or_both_parts_of_one() -> None:
    assert next_.wait_for_event() == WaitForEvent()
    assert next_.wait_for_event(timeout=HOUR, timeout_step_name="auto_approve") == WaitForEvent(
        timeout=HOUR, timeout_step="auto_approve"
    )


def test_a_timeout_step_is_named_by_itself_or_by_its_name() -> None:
    by_name = next_.wait_for_event(timeout=HOUR, timeout_step_name="auto_approve")
    assert next_.wait_for_event(timeout=HOUR, timeout_step_name=auto_approve) == by_name


@pytest.mark.parametrize("wrong", [approve, start, elsewhere, fulfill.function, 3])
def test_a_timeout_step_that_the_workflow_lacks_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"is not a step.*'fulfill', 'auto_approve'"):
        next_.wait_for_event(timeout=HOUR, timeout_step_name=wrong)


def test_a_step_with_a_name_of_its_own_is_named_by_that() -> None:
    renamed = Workflow(workflow_type="Renamed")

    @renamed.step(name="escalate")
    async def call_the_manager(ctx: Context) -> Directive:
        return ctx.next.complete()

    transitions = Transitions(renamed)
    assert transitions.step(call_the_manager) == NextStep(step="escalate")
    assert transitions.wait_for_event(HOUR, call_the_manager) == WaitForEvent(
        timeout=HOUR, timeout_step="escalate"
    )
    with pytest.raises(ValueError, match=r"no step 'call_the_manager'. .*'escalate'"):
        transitions.step("call_the_manager")


def test_a_timeout_without_a_step_is_an_error_at_once() -> None:
    with pytest.raises(ValueError, match=r"needs a timeout_step_name beside it.*'auto_approve'"):
        next_.wait_for_event(timeout=HOUR)


def test_a_timeout_step_without_a_timeout_is_an_error_at_once() -> None:
    with pytest.raises(ValueError, match="timeout_step_name='auto_approve' needs a timeout"):
        next_.wait_for_event(timeout_step_name="auto_approve")


def test_an_unknown_timeout_step_is_an_error_at_once() -> None:
    with pytest.raises(ValueError, match=r"has no step 'approve'\. Steps of ProcessOrder"):
        next_.wait_for_event(timeout=HOUR, timeout_step_name="approve")


@pytest.mark.parametrize("timeout", [timedelta(0), -HOUR, timedelta.max, 24])
def test_a_timeout_is_a_positive_time_within_the_calendar(timeout: Any) -> None:
    with pytest.raises(ValueError, match="timeout must be"):
        next_.wait_for_event(timeout=timeout, timeout_step_name="auto_approve")


def test_a_result_is_kept_as_it_was_when_the_run_completed() -> None:
    result = {"ids": [1]}

    directive = next_.complete(result)
    result["ids"].append(2)

    assert directive == Complete(result={"ids": [1]})


def test_a_result_that_cannot_be_kept_is_named() -> None:
    with pytest.raises(NotJsonError, match=r"The result\['at'\] is a module"):
        next_.complete({"at": pytest})
    with pytest.raises(TooLargeError, match=r"The result is 300.* at most 256.0 KiB"):
        next_.complete("x" * 300 * 1024)

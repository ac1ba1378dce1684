"""ctx.next: the transitions, and errors at the line that makes a wrong one."""

from datetime import timedelta
from typing import Any

import pytest

from grctl.json.serialization import NotJsonError, TooLargeError
from grctl.models import Complete, Directive, ErrorDetails, Fail, NextStep, WaitForEvent
from grctl.models.limits import MAX_MESSAGE_BYTES, MAX_PROMPT_BYTES
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


@order.event(name="order.rejected")
async def reject(ctx: Context) -> Directive:
    return ctx.next.complete()


@other.event()
async def approve_elsewhere(ctx: Context) -> Directive:
    return ctx.next.complete()


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
    with pytest.raises(ValueError, match=r"needs timeout_step_name beside it.*'auto_approve'"):
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


def test_a_step_begins_at_once_or_after_a_delay() -> None:
    assert next_.step(fulfill, after=HOUR) == NextStep(step="fulfill", after=HOUR)
    assert next_.step("fulfill", after=timedelta(0)) == NextStep(step="fulfill")


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (-HOUR, "after must not be negative, and at most 36500 days, not"),
        (timedelta.max, "after must not be negative, and at most 36500 days, not"),
        (3, r"after must be a timedelta, not 3 \(int\): write timedelta\(seconds=3\)"),
        ("1h", "after must be a timedelta, not '1h'"),
    ],
)
def test_a_delay_that_cannot_be_is_refused(after: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        next_.step(fulfill, after=after)


@pytest.mark.parametrize("make", [next_.wait_for_event, next_.wait])
def test_a_wait_takes_the_events_that_it_names_each_once(make: Any) -> None:
    assert make(events=[reject, "approve", reject]) == WaitForEvent(
        events=("order.rejected", "approve")
    )
    assert make(events=(each for each in (approve,))) == WaitForEvent(events=("approve",))


@pytest.mark.parametrize(
    ("events", "told"),
    [
        (["aprove"], "ProcessOrder has no event 'aprove'"),
        (["fulfill"], "ProcessOrder has no event 'fulfill'"),
        (["reject"], "ProcessOrder has no event 'reject'"),
        ([fulfill], "'fulfill' of ProcessOrder> is not an event: a wait takes events only"),
        ([start], "is not an event"),
        ([approve_elsewhere], "'approve_elsewhere' of Other> is not an event of ProcessOrder"),
        ([approve.function], r"\(function\) is not an event of ProcessOrder"),
        ([None], r"None \(NoneType\) is not an event"),
        ([], "events is empty, so that nothing could end this wait"),
        ("approve", r"events must be a list .* not 'approve' \(str\): write events=\[approve, rej"),
        (approve, r"events must be a list .* \(Handler\): write events=\[approve, reject\]"),
        (3, r"events must be a list .* not 3 \(int\)"),
    ],
)
def test_a_wait_for_anything_but_events_of_the_workflow_is_refused_with_a_list_of_events(
    events: Any, told: str
) -> None:
    with pytest.raises(ValueError, match=f"{told}.*Events of ProcessOrder: 'approve', 'order.rej"):
        next_.wait_for_event(events=events)


def test_a_wait_asks_its_prompt() -> None:
    asked = next_.wait_for_event(prompt="Release 1.4 to production?")
    assert asked == WaitForEvent(prompt="Release 1.4 to production?")
    assert next_.wait(prompt="") == WaitForEvent()


@pytest.mark.parametrize(
    ("prompt", "kind", "told"),
    [
        ("é" * 2048, TooLargeError, "The prompt is 4.0 KiB of JSON; at most 4.0 KiB are kept"),
        ("\ud800", NotJsonError, "The prompt is text that is not Unicode"),
        (b"Release?", ValueError, r"prompt must be text, not b'Release\?' \(bytes\)"),
    ],
)
def test_a_prompt_that_cannot_be_kept_is_refused(
    prompt: Any, kind: type[Exception], told: str
) -> None:
    with pytest.raises(kind, match=told):
        next_.wait_for_event(prompt=prompt)


def test_a_prompt_of_the_largest_size_is_kept() -> None:
    longest = "x" * (MAX_PROMPT_BYTES - len('""'))
    assert next_.wait(prompt=longest) == WaitForEvent(prompt=longest)


def test_wait_is_wait_for_event_with_the_step_as_on_timeout() -> None:
    assert next_.wait() == WaitForEvent()
    for step in (auto_approve, "auto_approve"):
        assert next_.wait(timeout=HOUR, on_timeout=step) == next_.wait_for_event(HOUR, step)
    with pytest.raises(ValueError, match="needs on_timeout beside it: the step to run"):
        next_.wait(HOUR)
    with pytest.raises(ValueError, match="on_timeout='auto_approve' needs a timeout"):
        next_.wait(on_timeout="auto_approve")


def test_a_run_fails_on_purpose_with_a_type_and_a_message() -> None:
    error = ErrorDetails(type="LimitExceeded", message="over 10,000")
    assert next_.fail(error) == Fail(error=error)
    assert ErrorDetails(message="over 10,000").type == "Failed"


def test_a_run_fails_with_an_exception_as_if_it_had_been_raised() -> None:
    def charge() -> None:
        raise TransitionTestError("card declined")

    try:
        charge()
    except TransitionTestError as error:
        made = next_.fail(error)

    assert isinstance(made, Fail)
    assert made.error.type == "tests.worker.test_transitions.TransitionTestError"
    assert made.error.message == "card declined"
    assert 'raise TransitionTestError("card declined")' in (made.error.stack_trace or "")


class TransitionTestError(Exception):
    """An error of the user's."""


def test_a_failure_with_a_long_text_is_cut() -> None:
    made = next_.fail(ErrorDetails(type="Huge", message="x" * 2 * MAX_MESSAGE_BYTES))
    assert isinstance(made, Fail)
    assert len(made.error.message) <= MAX_MESSAGE_BYTES


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("over 10,000", r"not 'over 10,000' \(str\): write ctx.next.fail\(ErrorDetails\(type="),
        (None, r"not None \(NoneType\)"),
        (ErrorDetails(type="", message="over"), "The type of an error is empty"),
    ],
)
def test_a_failure_that_says_nothing_is_refused(error: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        next_.fail(error)

"""The options of handlers: timeout, retry policy, and what becomes of a run that fails."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from grctl.models import Directive, RetryPolicy
from grctl.worker.context import Context
from grctl.workflow import Workflow

POLICY = RetryPolicy(max_attempts=3)
MINUTE = timedelta(minutes=1)


async def handler(ctx: Context) -> Directive:
    return ctx.next.complete()


def test_each_kind_of_handler_takes_options() -> None:
    order = Workflow(workflow_type="Order")
    started = order.start(timeout=MINUTE, on_failure="hold")(handler)
    step = started.step("check", retry_policy=POLICY)(handler)
    event = step.event(timeout=MINUTE, retry_policy=POLICY, on_failure="fail")(handler)

    assert (started.timeout_s, started.retry_policy, started.on_failure) == (60, None, "hold")
    assert (step.timeout_s, step.retry_policy, step.on_failure) == (None, POLICY, "fail")
    assert (event.timeout_s, event.retry_policy, event.on_failure) == (60, POLICY, "fail")


def test_a_handler_without_options_has_those_of_its_workflow() -> None:
    order = Workflow(workflow_type="Order", on_failure="hold", retry_policy=POLICY)
    event = order.event()(handler)
    assert (event.retry_policy, event.on_failure) == (POLICY, "hold")


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        ({"timeout": 20}, TypeError, "write timedelta(seconds=20)"),
        ({"timeout": timedelta(0)}, ValueError, "timeout must be 1 ms to 36500 days"),
        ({"retry_policy": 3}, TypeError, "write RetryPolicy(max_attempts=...)"),
        ({"on_failure": "stop"}, ValueError, 'on_failure must be "fail" or "hold", not \'stop\''),
    ],
)
def test_an_option_that_does_not_fit_is_refused_at_the_definition(
    options: dict[str, Any], error: type[Exception], told: str
) -> None:
    order = Workflow(workflow_type="Order")
    for define in (order.start, order.step, order.event):
        with pytest.raises(error) as caught:
            define(**options)
        assert told in str(caught.value)


def test_the_defaults_of_a_workflow_are_checked_too() -> None:
    with pytest.raises(ValueError, match="on_failure must be"):
        Workflow(workflow_type="Order", on_failure="stop")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="retry_policy must be"):
        Workflow(workflow_type="Order", retry_policy=3)  # type: ignore[arg-type]


if TYPE_CHECKING:  # checked by mypy, which complains of an ignore that ignores nothing
    Workflow("Order").event(timeout=3)  # type: ignore[arg-type]
    Workflow("Order").step(on_failure="stop")  # type: ignore[arg-type]

"""Outcomes for an operator of an older protocol: nothing new is misread in silence."""

from datetime import timedelta
from typing import Any

import pytest

from grctl.models import Complete, ErrorDetails, Fail, HandlerKind, NextStep, WaitForEvent
from grctl.models.protocol import RECORDING_PROTOCOL_VERSION, SPOKEN
from grctl.models.wire import Failed, Outcome, Refused, Succeeded
from grctl.worker.older_operators import as_understood
from grctl.workflow import Workflow
from tests.worker.making import execute_of

HOUR = timedelta(hours=1)
EXECUTION = execute_of(Workflow(workflow_type="Order"), HandlerKind.EVENT, "approve").execution
NEW_DIRECTIVES = [
    (Fail(error=ErrorDetails(message="over 10,000")), "ctx.next.fail(...)"),
    (NextStep(step="remind", after=HOUR), "ctx.next.step(after=...)"),
    (WaitForEvent(events=("approve",)), "ctx.next.wait_for_event(events=...)"),
]
OLD_RESULTS = [
    Succeeded(directive=NextStep(step="remind")),
    Succeeded(directive=WaitForEvent(timeout=HOUR, timeout_step="remind", prompt="Release?")),
    Succeeded(directive=Complete(result=1)),
    Refused(message="it does not fit"),
]


@pytest.mark.parametrize(("directive", "named"), NEW_DIRECTIVES)
def test_a_directive_that_an_older_operator_would_misread_fails_its_run(
    directive: Any, named: str
) -> None:
    outcome = Outcome(execution=EXECUTION, result=Succeeded(directive=directive))

    told = as_understood(outcome, RECORDING_PROTOCOL_VERSION - 1)

    assert isinstance(told.result, Failed)
    assert told.execution == EXECUTION
    assert told.result.reason == "BadOutcome"
    assert told.result.error.message == (
        f"approve returned {named}, which this operator does not know: it speaks protocol 3, and"
        " that needs 4. Upgrade the operator."
    )


@pytest.mark.parametrize(("directive", "named"), NEW_DIRECTIVES)
def test_an_operator_of_this_release_is_told_the_directive(directive: Any, named: str) -> None:
    outcome = Outcome(execution=EXECUTION, result=Succeeded(directive=directive))

    assert as_understood(outcome, SPOKEN.highest) is outcome


@pytest.mark.parametrize("result", OLD_RESULTS)
def test_what_an_older_operator_knows_stays_as_it_is(result: Any) -> None:
    outcome = Outcome(execution=EXECUTION, result=result)

    assert as_understood(outcome, SPOKEN.lowest) is outcome

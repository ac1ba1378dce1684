"""Which core Events a commit writes, and which it does not."""

from typing import Any

import pytest

from grctl.models import RunPhase
from grctl.models.directive import Complete, WaitForEvent
from grctl_operator.engine import Announce, decide
from tests.engine.builders import (
    NOON,
    at,
    brought,
    event,
    every,
    execution,
    executions,
    failed,
    finished_run,
    many,
    refused,
    stepping_run,
    view,
    waiting_run,
    worker,
)


def test_an_event_that_is_handled_is_no_news() -> None:
    run, approve = waiting_run(), event("approve")
    held = brought(execution(run, approve), WaitForEvent())

    decision = decide(run, view(run, approve), executions(held), NOON)

    assert every(Announce, decision.after) == []


def test_a_run_that_completed_is_told_and_is_no_warning() -> None:
    run, approve = waiting_run(), event("approve")
    held = brought(execution(run, approve), Complete(result="secret"))

    decision = decide(run, view(run, approve), executions(held), NOON)

    assert every(Announce, decision.after) == [Announce("Completed", "Completed.")]


def test_a_handler_that_failed_is_told_on_the_run_and_on_its_event() -> None:
    run, approve = waiting_run(), event("approve")
    held = brought(execution(run, approve), failed())

    decision = decide(run, view(run, approve), executions(held), NOON)

    text = "ValueError: no stock"
    assert every(Announce, decision.after) == [
        Announce("Failed", f"HandlerFailed: {text}", approve, warning=True),
        Announce("Failed", text, warning=True),
    ]


def test_a_rejected_event_is_told_on_it_and_on_its_run() -> None:
    run, typo = waiting_run(), event("aprove")

    decision = decide(run, view(run, typo), executions(), NOON)

    text = (
        'UnknownEvent: Order has no event handler "aprove"; it has "approve", "reject". The run'
        " goes on waiting."
    )
    assert every(Announce, decision.after) == [
        Announce("Rejected", text, typo, warning=True),
        Announce("Rejected", f"aprove: {text}", warning=True),
    ]


def test_what_one_commit_rejects_is_told_together_on_the_run() -> None:
    run, late = finished_run(), many("approve", 3)

    decision = decide(run, view(run, *late), executions(), NOON)

    on_run = [each for each in every(Announce, decision.after) if each.event is None]
    assert [(each.reason, each.times) for each in on_run] == [("Rejected", 3)]
    assert on_run[0].message.startswith(f"3 events, the last: {late[-1].name}: RunFinished: ")


def test_no_payload_is_told() -> None:
    run, approve = waiting_run(), event("approve", payload="secret")
    held = brought(execution(run, approve), refused('it is text, "secret"'))

    decision = decide(run, view(run, approve), executions(held), NOON)

    assert len(every(Announce, decision.after)) == 2
    assert "secret" not in str([each.message for each in every(Announce, decision.after)])


@pytest.mark.parametrize(
    ("spec", "phase", "warning"),
    [
        ({"cancel": True}, RunPhase.CANCELLED, False),
        ({"terminate": True}, RunPhase.TERMINATED, False),
        ({"timeout": at("12:00") - at("11:00")}, RunPhase.TIMED_OUT, True),
    ],
)
def test_a_run_that_was_ended_is_told_by_its_phase(
    spec: dict[str, Any], phase: RunPhase, *, warning: bool
) -> None:
    run = stepping_run(**spec)

    decision = decide(run, view(run), executions(), NOON)

    told = every(Announce, decision.after)
    assert [(each.reason, each.warning) for each in told] == [(phase.value, warning)]


def test_a_view_for_people_tells_nothing_again() -> None:
    run = finished_run()

    decision = decide(run, view(run), executions(workers=[worker()]), NOON)

    assert every(Announce, (*decision.before, *decision.after)) == []

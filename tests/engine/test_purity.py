"""`decide` is a pure function: same input, same Decision, and the input is not changed."""

import copy
from datetime import datetime

import pytest

from grctl.models import NextStep, WorkflowRun
from grctl_operator.engine import Events, Executions, decide
from grctl_operator.engine.urgency import Urgency
from tests.engine.builders import (
    NOON,
    at,
    brought,
    deleted,
    event,
    execution,
    executions,
    failed,
    finished_run,
    lost,
    many,
    new_run,
    settlement,
    stepping_run,
    succeeded,
    view,
    waiting_run,
)

Arguments = tuple[WorkflowRun | None, Events, Executions, datetime]

APPROVE = event("approve", payload={"n": [1, 2]})
WAITS = waiting_run(
    deadline=NOON,
    timeout_step="remind",
    settled=[settlement(event("old"))],
    status={"store": {"kept": [1], "dropped": 2}},
)
SHIPS = stepping_run("ship", status={"store": {"kept": {"deep": 1}}})
CHANGES = succeeded(NextStep(step="ship"), put={"new": [3]}, delete=["dropped"])

ARGUMENTS: dict[str, Arguments] = {
    "new": (new_run(), view(new_run()), executions(), NOON),
    "not held": (new_run(held=False), Events(), executions(workers=[]), NOON),
    "dispatch": (WAITS, view(WAITS, APPROVE), executions(), NOON),
    "list": (WAITS, view(WAITS, APPROVE, complete=False), executions(), NOON),
    "commit": (
        WAITS,
        view(WAITS, APPROVE),
        executions(brought(execution(WAITS, APPROVE), CHANGES)),
        NOON,
    ),
    "fail": (SHIPS, view(SHIPS), executions(brought(execution(SHIPS, "ship"), failed())), NOON),
    "lost": (SHIPS, view(SHIPS), executions(lost(execution(SHIPS, "ship"))), NOON),
    "timeout": (WAITS, view(WAITS, listed_at=at("12:05")), executions(), at("12:05")),
    "reject": (WAITS, view(WAITS, *many("aprove", 3)), executions(), NOON),
    "settle": (WAITS, view(WAITS, event("old")), executions(), NOON),
    "finished": (finished_run(), view(finished_run(), APPROVE), executions(), NOON),
    "deleted": (deleted(WAITS), view(deleted(WAITS), APPROVE), executions(), NOON),
    "no run": (None, view(WAITS, event("approve", run_uid="gone")), executions(), NOON),
}


@pytest.mark.parametrize("arguments", ARGUMENTS.values(), ids=ARGUMENTS)
def test_the_same_input_gives_the_same_decision(arguments: Arguments) -> None:
    assert decide(*arguments) == decide(*copy.deepcopy(arguments))


@pytest.mark.parametrize("arguments", ARGUMENTS.values(), ids=ARGUMENTS)
def test_the_input_is_not_changed(arguments: Arguments) -> None:
    before = copy.deepcopy(arguments)

    decide(*arguments)

    assert arguments == before


@pytest.mark.parametrize("arguments", ARGUMENTS.values(), ids=ARGUMENTS)
def test_a_status_has_an_urgency_and_nothing_else_has_one(
    arguments: Arguments,
) -> None:
    decision = decide(*arguments)

    assert (decision.status is None) == (decision.urgency is None)


@pytest.mark.parametrize("arguments", ARGUMENTS.values(), ids=ARGUMENTS)
def test_nothing_follows_a_status_that_is_only_for_people(arguments: Arguments) -> None:
    decision = decide(*arguments)

    assert not decision.after or decision.urgency in {Urgency.NOW, Urgency.BATCHED}

"""Facts of an event's handling ride in its settling write, and nowhere else."""

from dataclasses import replace

import pytest

from grctl.models import Complete, RunStatus
from grctl.models.limits import MAX_TASKS_TEXT_BYTES
from grctl.models.run import Handling, Settlement
from grctl.models.wire import Failed, Succeeded
from grctl_operator.engine import Event, Held, Settle, decide
from tests.engine.builders import (
    NOON,
    at,
    brought,
    event,
    every,
    execution,
    executions,
    failed,
    refused,
    settlement,
    succeeded,
    view,
    waiting_run,
)


def settled_by(held: Held, approve: Event) -> Settlement:
    """Return the settlement that follows from an outcome."""
    run = waiting_run()
    decision = decide(run, view(run, approve), executions(held), NOON)
    (settle,) = every(Settle, decision.after)
    assert decision.status is not None
    assert decision.status.settled == (settle.settlement,)
    return settle.settlement


def facts(handling: Handling | None) -> tuple[object, ...]:
    """Return the fields, because two handlings count as equal."""
    assert handling is not None
    return tuple(vars(handling).values())


@pytest.mark.parametrize(
    "result",
    [
        succeeded(Complete()).model_copy(update={"tasks": "charge (3)"}),
        failed().model_copy(update={"tasks": "charge (3)"}),
    ],
)
def test_a_settlement_knows_how_its_event_was_handled(result: Succeeded | Failed) -> None:
    approve = event("approve")
    held = brought(execution(waiting_run(), approve, attempt=2), result)
    handling = settled_by(replace(held, since=at("11:59:00.750")), approve).handling
    assert facts(handling) == ("approve", "w1", at("11:59:00"), 2, "charge (3)", 4)


def test_a_long_list_of_tasks_is_cut() -> None:
    approve = event("approve")
    result = succeeded(Complete()).model_copy(update={"tasks": "charge, " * 1000})
    handling = settled_by(brought(execution(waiting_run(), approve), result), approve).handling
    assert handling is not None
    assert len((handling.tasks or "").encode()) <= MAX_TASKS_TEXT_BYTES


def test_when_a_handler_began_is_not_known_of_an_execution_that_its_worker_brought_back() -> None:
    approve = event("approve")
    held = replace(brought(execution(waiting_run(), approve), Complete()), given_here=False)
    assert facts(settled_by(held, approve).handling)[2] is None


def test_an_event_whose_payload_was_refused_was_not_handled() -> None:
    approve = event("approve")
    held = brought(execution(waiting_run(), approve), refused())
    assert settled_by(held, approve).handling is None


def test_a_runs_status_does_not_grow_by_how_its_events_were_handled() -> None:
    handling = Handling(handler="approve", worker="w1", began_at=NOON, attempts=1)
    known = settlement(event("approve"))
    handled = known.model_copy(update={"handling": handling})
    written = RunStatus(settled=(handled,))

    assert written.to_json() == RunStatus(settled=(known,)).to_json()
    assert written == RunStatus(settled=(known,))
    assert RunStatus(settled=(known,)) == written
    assert handled != known.model_copy(update={"uid": "other"})

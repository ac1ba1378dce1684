"""`status.message` answers "what is it waiting for?" in every state: a table."""

from typing import NamedTuple

import pytest

from grctl.models import HandlerKind, Step, WaitForEvent, WorkflowRun
from grctl_operator.engine import Event, Executions, decide
from grctl_operator.engine.observation import Blockage
from grctl_operator.engine.situation import OUTBOX_LIMIT
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
    runs,
    settlement,
    status_of,
    stepping_run,
    view,
    waiting_run,
    with_metadata,
    worker,
)

EVERYTHING = executions()


class State(NamedTuple):
    """A run, what is known of it, and the expected message."""

    run: WorkflowRun
    message: str
    reason: str
    held: Executions = EVERYTHING
    waiting: tuple[Event, ...] = ()


NEW, WAITS, STEPS = new_run(), waiting_run(), stepping_run("ship")
APPROVE = event("approve")
CROWD = tuple(many("approve", OUTBOX_LIMIT))
TIMED = waiting_run(deadline=at("13:00"), timeout_step="remind")
TRIED = stepping_run("ship", attempt=3, since=at("11:59:59"))
TRIED_EVENT = waiting_run(
    step=Step(
        name="approve",
        kind=HandlerKind.EVENT,
        attempt=4,
        crashes=2,
        event=APPROVE.name,
        event_uid=APPROVE.uid,
        since=at("11:59:59"),
    )
)
CANCELLED = stepping_run("ship", cancel=True)
FULL = waiting_run(settled=[settlement(each) for each in CROWD])
OTHERS = ("example.com/backup", "foregroundDeletion")
BLOCKS = Blockage(at("11:59:50"), "/app/orders.py:7 in ship", "e1", "pay of order-2")
NO_WORKER = 'No worker serves workflow type "Order" in namespace "shop"; none is connected there.'

STATES = {
    "new": State(NEW, "Goes on with the start handler.", "Starting"),
    "new, without a worker": State(NEW, NO_WORKER, "NoWorker", executions(workers=[])),
    "new, and other types are served": State(
        NEW,
        'No worker serves workflow type "Order" in namespace "shop";'
        ' those connected serve "Refund", "Return".',
        "NoWorker",
        executions(workers=[], other_types=["Refund", "Return"]),
    ),
    "starts": State(
        NEW,
        "Runs the start handler on worker w1.",
        "Running",
        executions(runs(execution(NEW))),
    ),
    "waits": State(WAITS, "Waits for an event: approve, reject.", "WaitingForEvent"),
    "waits, and the events are not known": State(
        waiting_run(status={"event_names": ()}),
        "Waits for an event.",
        "WaitingForEvent",
        executions(workers=[]),
    ),
    "waits with a deadline": State(
        TIMED,
        "Waits for an event: approve, reject. At 2026-11-23 13:00:00Z it goes on with remind.",
        "WaitingForEvent",
    ),
    "waits with a deadline for a step that no connected version has": State(
        TIMED,
        "Waits for an event: approve, reject. At 2026-11-23 13:00:00Z it goes on with remind."
        " No connected worker of Order has that step: deploy the version that has it.",
        "WaitingForEvent",
        executions(workers=[worker(steps=["ship"])]),
    ),
    "handles an event": State(
        WAITS,
        "Runs event handler approve on worker w1.",
        "Running",
        executions(runs(execution(WAITS, APPROVE))),
        (APPROVE,),
    ),
    "has an event, and no worker": State(
        WAITS, NO_WORKER, "NoWorker", executions(workers=[]), (APPROVE,)
    ),
    "has an event that no connected version handles": State(
        WAITS,
        'No connected worker of Order has the event handler "approve".'
        " Deploy the version that has it, or delete the WorkflowEvent approve to withdraw it.",
        "NoHandler",
        executions(workers=[worker(events=["reject"]), worker("w0", connected=False)]),
        (APPROVE,),
    ),
    "has an event, and all workers are busy": State(
        WAITS,
        'All workers of Order are at their capacity; the event handler "approve" is next.',
        "WorkersBusy",
        executions(workers=[worker(free=0)]),
        (APPROVE,),
    ),
    "has so much to settle that it does not go on": State(
        FULL,
        f"Goes on with event handler approve when {OUTBOX_LIMIT} events are settled.",
        "Settling",
        executions(),
        (*CROWD, APPROVE),
    ),
    "goes on": State(STEPS, "Goes on with step handler ship.", "Running"),
    "steps": State(
        STEPS,
        "Runs step handler ship on worker w1.",
        "Running",
        executions(runs(execution(STEPS, "ship"))),
    ),
    "steps, and its worker is disconnected": State(
        STEPS,
        "Runs step handler ship on worker w1, which is disconnected and may come back.",
        "Running",
        executions(runs(execution(STEPS, "ship")), workers=[worker(connected=False)]),
    ),
    "steps, and blocks its worker": State(
        STEPS,
        "Runs step handler ship on worker w1, and has blocked that worker's event loop since"
        " 11:59:50Z (/app/orders.py:7 in ship): nothing else runs there.",
        "LoopBlocked",
        executions(
            runs(execution(STEPS, "ship")), workers=[worker(connected=False, blocked=BLOCKS)]
        ),
    ),
    "steps, and another run blocks its worker": State(
        STEPS,
        "Runs step handler ship on worker w1, whose event loop has been blocked by pay of order-2"
        " since 11:59:50Z (/app/orders.py:7 in ship).",
        "LoopBlocked",
        executions(
            runs(execution(STEPS, "ship", "another")),
            workers=[worker(connected=False, blocked=BLOCKS)],
        ),
    ),
    "steps, and something blocks its worker": State(
        STEPS,
        "Runs step handler ship on worker w1, whose event loop has been blocked since 11:59:50Z"
        " (somewhere).",
        "LoopBlocked",
        executions(
            runs(execution(STEPS, "ship")),
            workers=[worker(blocked=Blockage(at("11:59:50"), "somewhere"))],
        ),
    ),
    "steps, and its worker was blocked and started anew": State(
        STEPS,
        "Runs step handler ship on worker w1.",
        "Running",
        executions(
            runs(execution(STEPS, "ship")),
            workers=[worker(connected=False, blocked=BLOCKS), worker()],
        ),
    ),
    "steps, and its worker was started anew": State(
        STEPS,
        "Runs step handler ship on worker w1.",
        "Running",
        executions(runs(execution(STEPS, "ship")), workers=[worker(connected=False), worker()]),
    ),
    "lost its worker": State(
        STEPS,
        "Goes on with step handler ship (attempt 2).",
        "Running",
        executions(lost(execution(STEPS, "ship"))),
    ),
    "backs off": State(
        TRIED,
        "Goes on with step handler ship (attempt 3, at 12:00:00Z): its worker was lost.",
        "WorkerLost",
    ),
    "backs off with an event": State(
        TRIED_EVENT,
        "Goes on with event handler approve (attempt 4, after 2 of 5 crashes, at 12:00:01Z):"
        " its worker was lost.",
        "WorkerLost",
        executions(),
        (APPROVE,),
    ),
    "tries again": State(
        TRIED,
        "Runs step handler ship on worker w1 (attempt 3).",
        "Running",
        executions(runs(execution(TRIED, "ship", attempt=3))),
    ),
    "is to be cancelled after the step": State(
        CANCELLED,
        "Runs step handler ship on worker w1. Cancellation is asked for: the run ends after that.",
        "Running",
        executions(runs(execution(CANCELLED, "ship"))),
    ),
    "is cancelled": State(waiting_run(cancel=True), "Cancelled by spec.", "Cancelled"),
    "is cancelled after the step": State(
        CANCELLED,
        "Cancelled by spec, after ship.",
        "Cancelled",
        executions(brought(execution(CANCELLED, "ship"), WaitForEvent())),
    ),
    "is terminated": State(stepping_run(terminate=True), "Terminated by spec.", "Terminated"),
    "took too long": State(
        waiting_run(timeout=at("10:00") - at("09:00")),
        "It did not finish within 1h.",
        "TimedOut",
    ),
    "failed": State(
        STEPS,
        "Failed: ValueError: no stock",
        "HandlerFailed",
        executions(brought(execution(STEPS, "ship"), failed())),
    ),
    "is deleted": State(
        deleted(WAITS), "Is being deleted: its events are settled first.", "Deleting"
    ),
    "is deleted after it finished": State(
        deleted(finished_run()), "Is being deleted: its events are settled first.", "Completed"
    ),
    "is deleted, and another holds it": State(
        with_metadata(deleted(WAITS), finalizers=OTHERS),
        "Is being deleted: waits for the finalizers of others (example.com/backup,"
        " foregroundDeletion).",
        "Deleting",
    ),
    "is a copy": State(
        with_metadata(WAITS, uid="copied-object"),
        "Restored: this status was made for the object run-1, which this one is not."
        " Delete the run and start it anew.",
        "Restored",
    ),
}


@pytest.mark.parametrize("name", STATES)
def test_the_message_of_a_run_that(name: str) -> None:
    state = STATES[name]
    moment = at("11:59:59.500") if "backs off" in name else NOON

    decision = decide(state.run, view(state.run, *state.waiting), state.held, moment)

    status = status_of(decision)
    condition = next(each for each in status.conditions if each.type == "Succeeded")
    assert (status.message, condition.reason) == (state.message, state.reason)
    assert condition.message == state.message

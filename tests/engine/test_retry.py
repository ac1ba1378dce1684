"""A worker is lost with its executions: a further attempt is written first, and runs alone.

Only crashes of a worker on which nothing else ran count. After five of them the handler is held.
"""

from typing import Any

import pytest

from grctl.models import HandlerKind, RunPhase, Step, WorkflowRun
from grctl.models.run import Stall
from grctl_operator.engine import (
    Announce,
    AwaitClearWorker,
    AwaitWorker,
    Dispatch,
    Release,
    decide,
)
from grctl_operator.engine.observation import Blockage
from grctl_operator.engine.retry import BACKOFF_LIMIT
from grctl_operator.engine.urgency import Urgency
from tests.engine.builders import (
    NOON,
    at,
    crashed,
    event,
    every,
    execution,
    executions,
    lost,
    new_run,
    runs,
    seconds,
    status_of,
    stepping_run,
    view,
    waiting_run,
    worker,
    written,
)


def test_a_second_attempt_is_written_before_it_is_dispatched() -> None:
    run = stepping_run("ship")
    gone = lost(execution(run, "ship"))

    decision = decide(run, view(run), executions(gone), NOON)
    after = written(run, decision)
    again = decide(after, view(after), executions(), NOON)

    assert every(Dispatch, (*decision.before, *decision.after)) == []
    assert decision.urgency is Urgency.NOW
    assert [each.attempt for each in every(Dispatch, again.before)] == [2]


def test_a_further_attempt_is_no_commit() -> None:
    run = stepping_run("ship")

    decision = decide(run, view(run), executions(lost(execution(run, "ship"))), NOON)

    assert status_of(decision).commits == run.status.commits


def test_a_lost_execution_is_forgotten_only_when_the_next_attempt_is_written() -> None:
    run = stepping_run("ship")

    decision = decide(run, view(run), executions(lost(execution(run, "ship"))), NOON)

    assert every(Release, decision.before) == []
    assert every(Release, decision.after) == [Release("e1", False, "its worker was lost")]


def test_a_lost_attempt_that_was_followed_already_is_just_forgotten() -> None:
    run = stepping_run("ship", attempt=2)
    first = lost(execution(run, "ship", attempt=1))

    decision = decide(run, view(run), executions(first), NOON)

    assert every(Release, decision.before) == [Release("e1", False, "its worker was lost")]
    assert [each.attempt for each in every(Dispatch, decision.before)] == [2]


def test_a_lost_attempt_beside_one_that_runs_causes_no_other() -> None:
    run = stepping_run("ship", attempt=2)
    first = lost(execution(run, "ship", "e1", attempt=1))
    second = runs(execution(run, "ship", "e2", attempt=2))

    decision = decide(run, view(run), executions(first, second), NOON)

    assert [each.execution for each in every(Release, decision.before)] == ["e1"]
    assert every(Dispatch, decision.before) == []


@pytest.mark.parametrize(
    ("attempt", "back_off"), [(2, 0), (3, 1), (4, 2), (5, 4), (9, 64), (12, 300), (5000, 300)]
)
def test_further_attempts_back_off(attempt: int, back_off: int) -> None:
    run = stepping_run("ship", attempt=attempt, since=NOON)
    due = NOON + seconds(back_off)

    early = decide(run, view(run), executions(), due - seconds(0.001))
    in_time = decide(run, view(run), executions(), due)

    assert [each.attempt for each in every(Dispatch, in_time.before)] == [attempt]
    if back_off:
        assert every(Dispatch, early.before) == []
        assert early.look_again_at == due


def test_a_third_attempt_waits_a_second_wherever_in_a_second_the_worker_was_lost() -> None:
    run = stepping_run("ship", attempt=2)
    moment = at("12:00:00.900")
    gone = lost(execution(run, "ship", attempt=2))
    run = written(run, decide(run, view(run), executions(gone), moment))

    decision = decide(run, view(run), executions(), moment + seconds(0.5))

    assert every(Dispatch, decision.before) == []


def test_a_further_attempt_at_an_event_goes_on_with_that_event() -> None:
    run = waiting_run()
    approve = event("approve")
    run = written(
        run,
        decide(run, view(run, approve), executions(lost(execution(run, approve))), NOON),
    )

    decision = decide(run, view(run, approve), executions(), NOON)

    assert [(each.event, each.attempt) for each in every(Dispatch, decision.before)] == [
        (approve, 2)
    ]
    assert run.status.wait is not None


def test_a_further_attempt_at_the_start_handler_counts_too() -> None:
    run = new_run()
    run = written(run, decide(run, view(run), executions(lost(execution(run))), NOON))

    decision = decide(run, view(run), executions(), NOON)

    assert [(each.name, each.attempt) for each in every(Dispatch, decision.before)] == [
        ("start", 2)
    ]


def test_attempts_at_a_withdrawn_event_do_not_count_for_the_next() -> None:
    approve = event("approve")
    step = Step(
        name="approve",
        kind=HandlerKind.EVENT,
        attempt=4,
        event="withdrawn",
        event_uid="uid-of-withdrawn",
        since=NOON,
    )
    run = waiting_run(step=step)

    decision = decide(run, view(run, approve), executions(), NOON)

    assert [each.attempt for each in every(Dispatch, decision.before)] == [1]


def crashing(attempt: int, crashes: int, **spec: Any) -> WorkflowRun:
    """A run whose step has ended the process of its worker so many times."""
    step = Step(name="ship", kind=HandlerKind.STEP, attempt=attempt, crashes=crashes, since=NOON)
    return stepping_run("ship", status={"step": step}, **spec)


def test_a_handler_that_ended_five_processes_alone_is_held() -> None:
    run = crashing(attempt=6, crashes=4)
    gone = crashed(execution(run, "ship", attempt=6), worker="w5")

    status = status_of(decide(run, view(run), executions(gone), NOON))

    assert BACKOFF_LIMIT == 4
    assert status.step is not None
    assert (status.phase, status.step.attempt, status.step.crashes) == (RunPhase.RUNNING, 6, 5)
    assert status.step.stall == Stall(
        reason="WorkerLost",
        message="ship ended the process of its worker 5 times while nothing else ran there, last"
        " that of w5. Mend the cause, then: grctl retry order.",
        since=NOON,
    )
    assert status.commits == run.status.commits


@pytest.mark.parametrize("attempt", [5, 50, 5000])
def test_a_lost_worker_whose_handler_did_not_crash_it_is_never_held(attempt: int) -> None:
    run = crashing(attempt=attempt, crashes=4)
    gone = lost(execution(run, "ship", attempt=attempt))

    status = status_of(decide(run, view(run), executions(gone), NOON))

    assert status.step is not None
    assert (status.step.stall, status.step.attempt) == (None, attempt + 1)
    assert status.step.crashes == 4


def test_a_crash_is_counted_in_the_first_attempt_too() -> None:
    run = stepping_run("ship")

    status = status_of(decide(run, view(run), executions(crashed(execution(run, "ship"))), NOON))

    assert status.step is not None
    assert (status.step.attempt, status.step.crashes) == (2, 1)


@pytest.mark.parametrize(("limit", "crashes"), [(0, 0), (1, 1), (9, 9)])
def test_the_backoff_limit_says_how_many_crashes_are_borne(limit: int, crashes: int) -> None:
    enough = crashing(attempt=crashes + 1, crashes=crashes, backoff_limit=limit)
    more_left = crashing(attempt=crashes + 1, crashes=crashes, backoff_limit=limit + 1)

    steps = [
        status_of(decide(run, view(run), executions(crashed(made)), NOON)).step
        for run in (enough, more_left)
        for made in [execution(run, "ship", attempt=crashes + 1)]
    ]

    assert [step is not None and step.stall is not None for step in steps] == [True, False]


def test_a_running_handler_shows_how_often_it_crashed_before() -> None:
    run = crashing(attempt=3, crashes=2)
    third = runs(execution(run, "ship", attempt=3))

    status = status_of(decide(run, view(run), executions(third), NOON))

    assert status.step is not None
    assert status.step.crashes == 2
    assert status.message == (
        "Runs step handler ship on worker w1 (attempt 3, after 2 of 5 crashes)."
    )


def test_from_the_second_attempt_a_handler_runs_alone() -> None:
    first, second = stepping_run("ship"), stepping_run("ship", attempt=2)

    alone = [
        each.alone
        for run in (first, second)
        for each in every(Dispatch, decide(run, view(run), executions(), NOON).before)
    ]

    assert alone == [False, True]


def test_a_second_attempt_waits_for_a_worker_that_does_nothing_else() -> None:
    run = stepping_run("ship", attempt=2)
    busy = executions(workers=[worker(free=50, clear=False)])

    decision = decide(run, view(run), busy, NOON)

    assert decision.before == (AwaitClearWorker(HandlerKind.STEP, "ship"), AwaitWorker(room=True))
    assert status_of(decision).message == (
        "Goes on with step handler ship (attempt 2) when a worker has nothing else to do: its"
        " worker was lost, and it may be why."
    )


def test_an_event_whose_handler_is_held_stays_pending() -> None:
    approve = event("approve")
    step = Step(
        name="approve",
        kind=HandlerKind.EVENT,
        attempt=5,
        crashes=4,
        event=approve.name,
        event_uid=approve.uid,
        since=NOON,
    )
    run = waiting_run(step=step)
    gone = crashed(execution(run, approve, attempt=5))

    status = status_of(decide(run, view(run, approve), executions(gone), NOON))

    assert (status.phase, status.settled) == (RunPhase.WAIT_EVENT, ())
    assert status.step is not None
    assert (status.step.stall is not None, status.step.event_uid) == (True, approve.uid)


def test_nothing_is_tried_again_before_the_finalizer_holds_the_run() -> None:
    run = new_run(held=False)

    decision = decide(run, view(run), executions(lost(execution(run))), NOON)

    assert every(Release, (*decision.before, *decision.after)) == []


def test_the_loss_of_a_worker_with_a_blocked_loop_names_what_blocked_it() -> None:
    run = stepping_run("ship")
    blocked = Blockage(at("11:55"), "/app/orders.py:7 in ship", "e1", "ship of order")
    gone = worker(connected=False, blocked=blocked)

    decision = decide(
        run, view(run), executions(lost(execution(run, "ship")), workers=[gone]), NOON
    )

    (told,) = every(Announce, decision.before + decision.after)
    assert told.reason == "WorkerLost"
    assert told.message == (
        "Worker w1 was lost in attempt 1 of ship. Its event loop was blocked by ship of order since"
        " 11:55:00Z (/app/orders.py:7 in ship)."
    )


def test_a_blocked_loop_is_announced_only_on_the_run_that_blocks_it() -> None:
    run = stepping_run("ship")
    blocked = Blockage(at("11:59:50"), "/app/orders.py:7 in ship", "e1", "ship of order")
    workers = [worker(connected=False, blocked=blocked)]
    own = executions(runs(execution(run, "ship")), workers=workers)
    beside = executions(runs(execution(run, "ship", "another")), workers=workers)

    (told,) = every(Announce, decide(run, view(run), own, NOON).before)

    assert (told.reason, told.since) == ("LoopBlocked", at("11:59:50"))
    assert every(Announce, decide(run, view(run), beside, NOON).before) == []

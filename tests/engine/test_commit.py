"""An outcome becomes true once, or not at all."""

from datetime import timedelta
from typing import Any

import pytest

from grctl.models import (
    Complete,
    ErrorDetails,
    EventCounts,
    EventPhase,
    Fail,
    NextStep,
    RunError,
    RunPhase,
    WaitForEvent,
)
from grctl.models.run import WorkflowRun
from grctl.models.wire import Execution, Failed, Refused
from grctl_operator.engine import (
    Dispatch,
    Event,
    Held,
    Hold,
    ListEvents,
    Release,
    Settle,
    decide,
)
from grctl_operator.engine.commit import RUN_GONE, UNKNOWN_FATE
from grctl_operator.engine.urgency import Urgency
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
    lost,
    many,
    new_run,
    refused,
    runs,
    settlement,
    status_of,
    stepping_run,
    succeeded,
    view,
    waiting_run,
    with_metadata,
    with_status,
    written,
)


def test_an_outcome_and_the_event_it_consumed_are_one_commit() -> None:
    run = waiting_run(commits=3)
    approve = event("approve")
    done = brought(
        execution(run, approve, "e7"), succeeded(NextStep(step="ship"), put={"approved": True})
    )

    decision = decide(run, view(run, approve), executions(done), NOON)

    status = status_of(decision)
    assert (status.commits, status.last_execution) == (4, "e7")
    assert status.store == {"approved": True}
    assert [(each.name, each.phase, each.reason) for each in status.settled] == [
        ("approve", EventPhase.PROCESSED, "Handled")
    ]
    assert decision.urgency is Urgency.NOW


def test_an_event_is_settled_and_its_worker_released_only_after_the_commit() -> None:
    run = waiting_run()
    approve = event("approve")
    done = brought(execution(run, approve, "e7"), WaitForEvent())

    decision = decide(run, view(run, approve), executions(done), NOON)

    assert decision.before == ()
    assert decision.after == (
        Settle(status_of(decision).settled[0], run.metadata.uid),
        Release("e7", committed=True),
    )


def test_a_store_keeps_what_an_outcome_does_not_name() -> None:
    run = stepping_run("ship", status={"store": {"kept": 1, "changed": 2, "dropped": 3}})
    changes = succeeded(WaitForEvent(), put={"changed": 20}, delete=["dropped"])

    status = status_of(
        decide(run, view(run), executions(brought(execution(run, "ship"), changes)), NOON)
    )

    assert status.store == {"kept": 1, "changed": 20}


@pytest.mark.parametrize(
    ("before", "put"),
    [
        (0, False),
        (False, 0),
        (1, True),
        (True, 1),
        (0.0, False),
        ([0], [False]),
        ({"paid": 1}, {"paid": True}),
        ([{"a": [1]}], [{"a": [True]}]),
        (None, False),
        ("", None),
        ([], {}),
    ],
    ids=repr,
)
def test_a_put_value_that_python_calls_equal_is_kept(before: Any, put: Any) -> None:
    run = stepping_run("ship", status={"store": {"x": before}})
    done = brought(execution(run, "ship"), succeeded(WaitForEvent(), put={"x": put}))

    status = status_of(decide(run, view(run), executions(done), NOON))

    assert repr(status.store) == repr({"x": put})


def test_a_result_that_python_calls_equal_to_no_result_is_kept() -> None:
    run = stepping_run("ship", status={"result": 0})  # as after a restore from elsewhere
    done = brought(execution(run, "ship"), succeeded(Complete(result=False)))

    assert status_of(decide(run, view(run), executions(done), NOON)).result is False


def test_next_step_is_due_after_its_commit() -> None:
    run = waiting_run()
    approve = event("approve")
    done = brought(execution(run, approve), NextStep(step="ship"))

    status = status_of(decide(run, view(run, approve), executions(done), NOON))

    assert status.step is not None
    assert (status.phase, status.step.name, status.step.attempt) == (RunPhase.RUNNING, "ship", 1)
    assert status.wait is None


def test_a_new_wait_counts_its_timeout_from_the_commit() -> None:
    run = new_run()
    done = brought(
        execution(run), WaitForEvent(timeout=timedelta(minutes=5), timeout_step="remind")
    )

    status = status_of(decide(run, view(run), executions(done), NOON))

    assert status.wait is not None
    assert (status.phase, status.wait.deadline) == (RunPhase.WAIT_EVENT, at("12:05"))
    assert status.step is None


def test_a_completed_run_keeps_its_result_and_runs_nothing_more() -> None:
    run = waiting_run()
    approve = event("approve")
    done = brought(execution(run, approve), Complete(result={"total": 3}))

    status = status_of(decide(run, view(run, approve), executions(done), NOON))

    assert (status.phase, status.result, status.finished_at) == (
        RunPhase.COMPLETED,
        {"total": 3},
        NOON,
    )
    assert (status.step, status.wait) == (None, None)


def test_a_handler_that_raises_fails_its_run_and_its_event() -> None:
    run = waiting_run()
    approve = event("approve")
    raised = brought(execution(run, approve), failed("ValueError", "no stock"))

    status = status_of(decide(run, view(run, approve), executions(raised), NOON))

    assert status.phase is RunPhase.FAILED
    assert status.error is not None
    assert (status.error.type, status.error.message) == ("ValueError", "no stock")
    assert [(each.phase, each.reason, each.message) for each in status.settled] == [
        (EventPhase.FAILED, "HandlerFailed", "ValueError: no stock")
    ]


def test_a_handler_that_raises_changes_nothing_in_the_store() -> None:
    run = stepping_run("ship", status={"store": {"kept": 1}})
    raised = brought(execution(run, "ship"), failed())

    assert status_of(decide(run, view(run), executions(raised), NOON)).store == {"kept": 1}


@pytest.mark.parametrize("result", [failed(), refused()])
def test_a_run_that_ends_in_its_start_handler_says_when_it_started(
    result: Failed | Refused,
) -> None:
    run = new_run()

    status = status_of(decide(run, view(run), executions(brought(execution(run), result)), NOON))

    assert status.phase is RunPhase.FAILED
    assert status.started_at is not None


def test_a_payload_that_does_not_bind_rejects_the_event_and_keeps_wait_and_deadline() -> None:
    run = waiting_run(deadline=at("13:00"), timeout_step="remind", commits=3)
    approve = event("approve")
    unfit = brought(execution(run, approve), refused("amount: not an integer"))

    status = status_of(decide(run, view(run, approve), executions(unfit), NOON))

    assert [(each.phase, each.reason, each.message) for each in status.settled] == [
        (EventPhase.REJECTED, "BadPayload", "amount: not an integer")
    ]
    assert (status.phase, status.wait, status.step) == (RunPhase.WAIT_EVENT, run.status.wait, None)
    assert status.commits == 4


def test_after_a_refused_payload_the_next_event_has_its_turn() -> None:
    run = waiting_run()
    unfit, good = event("approve", "unfit"), event("approve", "good")
    refusal = brought(execution(run, unfit), refused())
    run = written(run, decide(run, view(run, unfit, good), executions(refusal), NOON))

    decision = decide(run, view(run, good), executions(), NOON)

    assert [each.event for each in every(Dispatch, decision.before)] == [good]


def test_an_input_that_does_not_bind_fails_the_run() -> None:
    run = new_run()
    unfit = brought(execution(run), refused("items: Field required"))

    status = status_of(decide(run, view(run), executions(unfit), NOON))

    assert status.error is not None
    assert (status.phase, status.error.type, status.error.message) == (
        RunPhase.FAILED,
        "BadInput",
        "items: Field required",
    )


def test_an_outcome_of_an_earlier_run_of_that_id_is_void() -> None:
    run = new_run()
    old = with_metadata(run, uid="yesterdays-run")
    done = brought(execution(old), Complete(result="stale"))

    decision = decide(run, view(run), executions(done), NOON)

    assert status_of(decision).commits == 0
    assert every(Release, decision.before) == [Release("e1", committed=False, message=RUN_GONE)]


def test_an_outcome_built_on_older_commits_is_void() -> None:
    run = waiting_run(commits=4)
    approve = event("approve")
    done = brought(execution(run, approve, commits=3), Complete())

    decision = decide(run, view(run, approve), executions(done), NOON)

    assert status_of(decision).commits == 4
    assert [(each.execution, each.committed) for each in every(Release, decision.before)] == [
        ("e1", False)
    ]


def test_an_outcome_built_on_another_execution_is_void() -> None:
    run = waiting_run()
    approve = event("approve")
    done = brought(execution(run, approve, base="another"), Complete())

    decision = decide(run, view(run, approve), executions(done), NOON)

    assert status_of(decision).commits == run.status.commits
    assert [(each.execution, each.committed) for each in every(Release, decision.before)] == [
        ("e1", False)
    ]


def test_an_outcome_for_a_finished_run_is_void() -> None:
    run = finished_run()
    done = brought(execution(run), Complete(result="late"))

    decision = decide(run, view(run), executions(done), NOON)

    assert [(each.execution, each.committed) for each in every(Release, decision.before)] == [
        ("e1", False)
    ]
    assert every(Release, decision.after) == []


def test_an_outcome_repeated_after_its_commit_is_acknowledged() -> None:
    run = waiting_run()
    approve = event("approve")
    done = brought(execution(run, approve, "e7"), WaitForEvent())
    run = written(run, decide(run, view(run, approve), executions(done), NOON))

    decision = decide(run, view(run), executions(done), NOON)

    assert decision.status is None or decision.status.commits == run.status.commits
    assert every(Release, decision.before) == [Release("e7", committed=True)]


def chain(run: WorkflowRun, *events: Event) -> list[Held]:
    """Executions that a worker holds, each built on the one before, with their outcomes."""
    made: list[Execution] = []
    for number, each in enumerate(events):
        base = made[-1].id if made else run.status.last_execution
        commits = run.status.commits + number
        made.append(execution(run, each, f"e{number + 1}", commits=commits, base=base))
    return [brought(each, WaitForEvent()) for each in made]


def test_every_outcome_of_a_commit_whose_answer_was_lost_is_acknowledged() -> None:
    run, events = waiting_run(), many("approve", 3)
    held = chain(run, *events)
    run = written(run, decide(run, view(run, *events), executions(*held), NOON))

    decision = decide(run, view(run), executions(*held), NOON)

    assert every(Release, decision.before) == [
        Release(name, committed=True) for name in ("e1", "e2", "e3")
    ]


STEPPING = stepping_run("ship")
HANDLED = event("approve")


@pytest.mark.parametrize(
    ("run", "handler", "result"),
    [
        (new_run(), None, WaitForEvent()),
        (new_run(), None, Complete()),
        (new_run(), None, failed()),
        (new_run(), None, refused()),
        (STEPPING, "ship", WaitForEvent()),
        (STEPPING, "ship", NextStep(step="remind")),
        (STEPPING, "ship", failed()),
        (waiting_run(), HANDLED, WaitForEvent()),
        (waiting_run(), HANDLED, Complete()),
        (waiting_run(), HANDLED, failed()),
        (waiting_run(), HANDLED, refused()),
        (waiting_run(cancel=True), HANDLED, WaitForEvent()),
    ],
)
def test_an_outcome_whose_commit_has_no_answer_is_acknowledged_whatever_it_is(
    run: WorkflowRun, handler: Event | str | None, result: Any
) -> None:
    waiting = (handler,) if isinstance(handler, Event) else ()
    done = brought(execution(run, handler), result)
    after = written(run, decide(run, view(run, *waiting), executions(done), NOON))

    decision = decide(after, view(after), executions(done), NOON)

    assert every(Release, decision.before) == [Release("e1", committed=True)]


def test_an_outcome_that_a_lost_worker_brought_is_acknowledged_too() -> None:
    run = waiting_run()
    done = brought(execution(run, HANDLED), WaitForEvent(), lost=True)
    after = written(run, decide(run, view(run, HANDLED), executions(done), NOON))

    decision = decide(after, view(after), executions(done), NOON)

    assert every(Release, decision.before) == [Release("e1", committed=True)]


def test_an_event_whose_commit_has_no_answer_is_settled() -> None:
    run, events = waiting_run(), many("approve", 3)
    held = chain(run, *events)
    after = written(run, decide(run, view(run, *events), executions(*held), NOON))

    decision = decide(after, view(after, *events, complete=False), executions(*held), NOON)

    settled = [each.settlement.name for each in every(Settle, decision.before)]
    assert settled == [each.name for each in events]


def test_another_attempt_beside_outcomes_whose_commit_has_no_answer_is_void() -> None:
    run, events = waiting_run(), many("approve", 2)
    held = chain(run, *events)
    other = brought(execution(run, events[0], "other"), WaitForEvent())
    run = written(run, decide(run, view(run, *events), executions(*held), NOON))

    decision = decide(run, view(run), executions(*held, other), NOON)

    assert [(each.execution, each.committed) for each in every(Release, decision.before)] == [
        ("other", False),
        ("e1", True),
        ("e2", True),
    ]


def test_void_executions_are_released_before_those_that_the_same_write_commits() -> None:
    run, events = waiting_run(), many("approve", 2)
    first = brought(execution(run, events[0]), NextStep(step="ship"))
    behind = runs(
        execution(run, events[1], "e2", commits=run.status.commits + 1, base=first.execution.id)
    )

    decision = decide(run, view(run, *events), executions(first, behind), NOON)

    assert [(each.execution, each.committed) for each in every(Release, decision.after)] == [
        ("e2", False),
        ("e1", True),
    ]


def test_an_execution_behind_a_committed_one_goes_on_if_the_run_waits() -> None:
    run, events = waiting_run(), many("approve", 2)
    first = brought(execution(run, events[0]), WaitForEvent())
    behind = runs(
        execution(run, events[1], "e2", commits=run.status.commits + 1, base=first.execution.id)
    )

    decision = decide(run, view(run, *events), executions(first, behind), NOON)

    assert every(Release, decision.after) == [Release("e1", committed=True)]


def test_an_outcome_whose_fate_is_not_known_is_not_called_void() -> None:
    run, events = waiting_run(), many("approve", 2)
    first, last = chain(run, *events)
    run = written(run, decide(run, view(run, *events), executions(first, last), NOON))

    decision = decide(
        run, view(run), executions(first), NOON
    )  # no worker holds the last one any more

    assert [each.message for each in every(Release, decision.before)] == [UNKNOWN_FATE]


def test_of_two_attempts_that_both_came_back_one_commits() -> None:
    run = stepping_run("ship")
    first = brought(execution(run, "ship", "e1"), Complete(result=1))
    second = brought(execution(run, "ship", "e2", attempt=2), Complete(result=2))

    decision = decide(run, view(run), executions(first, second), NOON)
    after = written(run, decision)
    again = decide(after, view(after), executions(first, second), NOON)

    assert status_of(decision).result == 1
    assert again.status is None or again.status.commits == after.status.commits
    assert [(each.execution, each.committed) for each in every(Release, again.before)] == [
        ("e2", False),
        ("e1", True),
    ]


def test_an_outcome_counts_although_its_worker_was_lost() -> None:
    run = stepping_run("ship")
    done = brought(execution(run, "ship"), Complete(result=1), lost=True)

    assert status_of(decide(run, view(run), executions(done), NOON)).result == 1


def test_an_execution_whose_event_was_withdrawn_is_released_and_not_committed() -> None:
    run = waiting_run()
    done = brought(execution(run, event("approve")), Complete())

    decision = decide(run, view(run), executions(done), NOON)

    assert decision.status is None or decision.status.commits == run.status.commits
    assert every(Release, decision.before) == [
        Release("e1", committed=False, message="the event was withdrawn")
    ]


def test_a_withdrawn_event_makes_room_for_the_next_at_once() -> None:
    run = waiting_run()
    running = runs(execution(run, event("approve", "withdrawn")))
    second = event("approve", "second")

    decision = decide(run, view(run, second), executions(running), NOON)

    assert [each.event for each in every(Dispatch, decision.before)] == [second]


def test_an_execution_of_a_withdrawn_event_is_released_once() -> None:
    run = waiting_run()
    gone = lost(execution(run, event("approve")))

    decision = decide(run, view(run), executions(gone), NOON)

    assert [each.execution for each in every(Release, decision.before)] == ["e1"]


def test_an_event_that_the_view_does_not_show_yet_is_looked_for_before_the_commit() -> None:
    run = waiting_run()
    done = brought(execution(run, event("approve")), Complete())

    decision = decide(run, view(run, complete=False), executions(done), NOON)

    assert decision.status is None or decision.status.commits == run.status.commits
    assert every(ListEvents, decision.before) == [ListEvents()]
    assert every(Release, decision.before) == []


def test_nothing_is_committed_before_the_finalizer_holds_the_run() -> None:
    run = new_run(held=False)
    done = brought(execution(run), Complete())

    decision = decide(run, view(run), executions(done), NOON)

    assert status_of(decision).commits == 0
    assert every(Hold, decision.before) == [Hold()]
    assert every(Release, (*decision.before, *decision.after)) == []


def test_sequence_numbers_have_no_gaps_whatever_the_phases_of_the_events() -> None:
    counts = EventCounts(processed=4, failed=0, rejected=2)
    run = waiting_run(status={"events": counts})
    first, typo = event("approve"), event("aprove")
    done = brought(execution(run, first), WaitForEvent())
    handled = written(run, decide(run, view(run, first, typo), executions(done), NOON))

    status = status_of(decide(handled, view(handled, typo), executions(), NOON))

    assert [each.sequence for each in (*handled.status.settled, *status.settled)] == [7, 8]
    assert status.events == EventCounts(processed=5, failed=0, rejected=3)


def test_outbox_entries_go_with_a_commit_only_when_their_settling_is_known() -> None:
    known, unknown, approve = event("reject", "known"), event("reject", "unknown"), event("approve")
    run = waiting_run(settled=[settlement(known, 1), settlement(unknown, 2)])
    done = brought(execution(run, approve), WaitForEvent())

    status = status_of(decide(run, view(run, unknown, approve), executions(done), NOON))

    assert [each.name for each in status.settled] == ["unknown", "approve"]


def test_a_view_that_may_hide_a_commit_drops_no_outbox_entry() -> None:
    run = stepping_run("ship", status={"settled": (settlement(event("approve")),)})
    done = brought(execution(run, "ship"), WaitForEvent())

    status = status_of(decide(run, view(run, complete=False), executions(done), NOON))

    assert [each.name for each in status.settled] == ["approve"]


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (succeeded(NextStep(step="ship")), "step ship is next"),
        (succeeded(WaitForEvent()), "waits for an event"),
        (succeeded(Complete()), "completed"),
        (failed(), "failed"),
        (refused(), "refused the payload"),
    ],
)
def test_each_commit_is_noted_in_the_history(result: Failed | Refused, said: str) -> None:
    run = waiting_run(commits=3)
    approve = event("approve", "approve-1")

    status = status_of(
        decide(run, view(run, approve), executions(brought(execution(run, approve), result)), NOON)
    )

    entry = status.history[-1]
    assert (entry.commit, entry.at, entry.handler) == (4, NOON, "approve")
    assert (entry.kind, entry.event, entry.outcome) == ("event", "approve-1", said)


def test_the_history_is_a_short_tail() -> None:
    run = waiting_run()
    for approve in many("approve", 12):
        done = brought(execution(run, approve), WaitForEvent())
        run = written(run, decide(run, view(run, approve), executions(done), NOON))

    assert [each.commit for each in run.status.history] == list(range(6, 16))


def test_a_started_run_keeps_the_moment_of_its_start() -> None:
    run = with_status(stepping_run("ship"), started_at=at("10:00"))
    done = brought(execution(run, "ship"), WaitForEvent())

    assert status_of(decide(run, view(run), executions(done), NOON)).started_at == at("10:00")


def test_a_directive_to_fail_ends_the_run_with_its_error_and_keeps_the_store() -> None:
    run = waiting_run(status={"store": {"paid": 1}})
    error = ErrorDetails(type="LimitExceeded", message="over 10,000", stack_trace="in approve")
    done = brought(execution(run, HANDLED), succeeded(Fail(error=error), put={"seen": True}))

    status = status_of(decide(run, view(run, HANDLED), executions(done), NOON))

    assert (status.phase, status.message) == ("Failed", "Failed: LimitExceeded: over 10,000")
    assert status.error == RunError(
        type="LimitExceeded", message="over 10,000", stack_trace="in approve"
    )
    assert status.store == {"paid": 1, "seen": True}
    assert [(each.phase, each.reason) for each in status.settled] == [("Processed", "Handled")]
    assert [each.reason for each in status.conditions] == ["Failed", "Failed"]
    assert status.history[-1].outcome == "failed: LimitExceeded"

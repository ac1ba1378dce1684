"""A run that would not fit into one object fails with a message and is never stuck."""

from datetime import timedelta
from typing import Any

import pytest

from grctl.json.serialization import size_of
from grctl.models import Complete, EventPhase, NextStep, RunPhase, WaitForEvent
from grctl.models.limits import MAX_MESSAGE_BYTES, MAX_RUN_BYTES, MAX_STACK_TRACE_BYTES
from grctl_operator.engine import Announce, Release, decide, decide_refused
from grctl_operator.engine.situation import OUTBOX_LIMIT
from tests.engine.builders import (
    NOON,
    brought,
    event,
    every,
    execution,
    executions,
    failed,
    finished_run,
    many,
    new_run,
    refused,
    settlement,
    status_of,
    stepping_run,
    succeeded,
    view,
    waiting_run,
    with_input,
    with_status,
    written,
)

KIB = 1024


def text(kib: float) -> str:
    return "x" * round(kib * KIB)


def test_what_fits_is_kept() -> None:
    run = with_input(stepping_run("pay", status={"store": {"old": text(250)}}), text(500))
    done = brought(execution(run, "pay"), succeeded(NextStep(step="ship"), put={"new": text(200)}))

    status = status_of(decide(run, view(run), executions(done), NOON))

    assert (status.phase, set(status.store)) == (RunPhase.RUNNING, {"old", "new"})


@pytest.mark.parametrize(
    "result",
    [
        succeeded(NextStep(step="ship"), put={"new": text(300)}),
        succeeded(Complete(result=text(300))),
    ],
)
def test_an_outcome_that_makes_the_run_too_large_fails_it_and_says_what_is_how_large(
    result: Any,
) -> None:
    run = with_input(stepping_run("pay", status={"store": {"old": text(250)}}), text(500))

    decision = decide(run, view(run), executions(brought(execution(run, "pay"), result)), NOON)

    status = status_of(decision)
    assert (status.phase, set(status.store), status.result) == (RunPhase.FAILED, {"old"}, None)
    assert status.error is not None
    assert status.error.type == "BadOutcome"
    assert status.error.message.startswith("pay gave too much. The run would be 105")
    assert "KiB of JSON (its input 500.0 KiB, its store " in status.error.message
    assert "at most 1024.0 KiB are kept. Keep large values elsewhere" in status.error.message
    assert every(Release, decision.after) == [Release("e1", committed=True)]


def test_the_event_whose_handler_gave_too_much_failed() -> None:
    run = with_input(waiting_run(status={"store": {"old": text(600)}}), text(300))
    approve = event("approve")
    done = brought(execution(run, approve), succeeded(WaitForEvent(), put={"new": text(200)}))

    status = status_of(decide(run, view(run, approve), executions(done), NOON))

    assert [(each.phase, each.reason) for each in status.settled] == [
        (EventPhase.FAILED, "HandlerFailed")
    ]


def test_a_value_that_replaces_another_counts_once() -> None:
    run = stepping_run("pay", status={"store": {"big": text(900)}})
    done = brought(execution(run, "pay"), succeeded(NextStep(step="ship"), put={"big": text(901)}))

    assert status_of(decide(run, view(run), executions(done), NOON)).phase is RunPhase.RUNNING


def test_what_a_worker_says_is_cut_to_what_is_kept() -> None:
    run, approve = waiting_run(), event("approve")
    long = failed("E" * 5000, text(50), stack_trace=text(90))

    status = status_of(
        decide(run, view(run, approve), executions(brought(execution(run, approve), long)), NOON)
    )

    assert status.error is not None
    assert len(status.error.message.encode()) <= MAX_MESSAGE_BYTES
    assert len((status.error.stack_trace or "").encode()) <= MAX_STACK_TRACE_BYTES
    assert len(status.message.encode()) <= MAX_MESSAGE_BYTES
    assert len((status.settled[0].message or "").encode()) <= MAX_MESSAGE_BYTES


def test_everything_that_is_cut_stays_far_below_half_of_what_a_run_may_be() -> None:
    crowd = many("approve", OUTBOX_LIMIT)
    run = waiting_run(settled=[settlement(each, message=text(4)) for each in crowd])
    unfit = brought(execution(run, event("approve")), refused(text(50)))

    status = status_of(decide(run, view(run, event("approve"), *crowd), executions(unfit), NOON))

    assert size_of(status.to_json()) < MAX_RUN_BYTES / 2 - 100 * KIB


# if the API server refuses it all the same


def test_a_run_whose_status_was_refused_fails_without_what_took_the_room() -> None:
    run = stepping_run("pay", status={"store": {"big": 1}, "result": None})
    done = executions(brought(execution(run, "pay"), Complete(result=1)))

    decision = decide_refused(run, view(run), done, NOON)

    status = status_of(decision)
    assert (status.phase, status.store, status.history) == (RunPhase.FAILED, {}, ())
    assert status.error is not None
    assert (status.error.type, status.commits) == ("TooLarge", run.status.commits + 1)
    assert status.message.startswith("Failed: The API server refused the run's status as too large")
    assert [each.reason for each in every(Announce, decision.after)] == ["Failed"]
    assert {each.reason for each in status.conditions} == {"TooLarge"}


def test_what_was_under_way_when_a_status_was_refused_is_void_and_its_event_told() -> None:
    run, approve = waiting_run(), event("approve")
    done = executions(brought(execution(run, approve), WaitForEvent()))

    run = written(run, decide_refused(run, view(run, approve), done, NOON))
    decision = decide(run, view(run, approve), done, NOON)

    assert [each.execution for each in every(Release, decision.before)] == ["e1"]
    assert [(each.phase, each.reason) for each in status_of(decision).settled] == [
        (EventPhase.REJECTED, "RunFinished")
    ]


def test_events_that_are_still_to_be_settled_stay_in_the_outbox_of_a_refused_status() -> None:
    old = event("old")
    run = waiting_run(settled=[settlement(old)])

    status = status_of(decide_refused(run, view(run, old), executions(), NOON))

    assert [each.uid for each in status.settled] == [old.uid]


def test_nothing_smaller_is_true_of_a_run_that_has_finished_or_is_not_held() -> None:
    for run in (finished_run(), new_run(held=False), with_status(finished_run(), result=1)):
        assert decide_refused(run, view(run), executions(), NOON).status is None


@pytest.mark.parametrize(
    "directive",
    [
        NextStep(step="s" * 254),
        WaitForEvent(timeout=timedelta(hours=1), timeout_step="s" * 254),
    ],
)
def test_a_step_whose_name_no_status_may_hold_fails_the_run(directive: Any) -> None:
    run = stepping_run("pay")
    done = brought(execution(run, "pay"), succeeded(directive))

    status = status_of(decide(run, view(run), executions(done), NOON))

    assert status.error is not None
    assert (status.phase, status.error.type) == (RunPhase.FAILED, "BadOutcome")
    assert "name of the next step has 254 characters, at most 253" in status.error.message

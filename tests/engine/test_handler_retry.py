"""A handler that raised: it is tried again as its policy says, then its run fails or it is held."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from grctl.models import (
    Complete,
    HandlerKind,
    NextStep,
    RetryPolicy,
    Step,
    WaitForEvent,
    WorkflowRun,
)
from grctl.models.run import Stall
from grctl.models.wire import Failed
from grctl_operator.engine import Announce, Dispatch, Held, Release, decide
from grctl_operator.engine.handler_retry import MAX_MISFITS_PER_HANDLER, VOID
from grctl_operator.engine.invariants import check_decision
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
    failing,
    journal,
    key_of,
    lost,
    new_run,
    ok,
    recorded,
    refused,
    runs,
    seconds,
    status_of,
    stepping_run,
    succeeded,
    view,
    waiting_run,
    worker,
    written,
)

APPROVE, SECOND = event("approve"), event("approve", "second", place=2)
WAITS = waiting_run(status={"store": {"paid": 1}})
FOUR = RetryPolicy(max_attempts=4, initial_delay_ms=1000)


def fails(policy: RetryPolicy | None = FOUR, **fields: Any) -> Failed:
    return failed("ConnectionError", "no answer").model_copy(update={"policy": policy, **fields})


def holds(policy: RetryPolicy | None = None) -> Failed:
    return fails(policy, on_failure="hold")


def misfit() -> Failed:
    text = 'recorded "charge", but the code calls "refund"'
    return failed("NonDeterministicError", text, reason="NonDeterministic")


def noted(run: WorkflowRun, handled: Any = APPROVE, **fields: Any) -> WorkflowRun:
    """The run, of which the handler of an event was tried before."""
    step = Step(
        name=handled.event_name,
        kind=HandlerKind.EVENT,
        event=handled.name,
        event_uid=handled.uid,
        since=at("11:59"),
        **fields,
    )
    return run.model_copy(update={"status": run.status.model_copy(update={"step": step})})


def step_after(run: WorkflowRun, held: Held, *more: Held) -> Step:
    """The step that a decision about these executions writes."""
    step = status_of(decide(run, view(run, APPROVE), executions(held, *more), NOON)).step
    assert step is not None
    return step


# The retry


def test_a_failed_attempt_with_attempts_left_is_no_commit() -> None:
    run = waiting_run(status={"store": {"paid": 1}, "journal": journal(APPROVE, charge=ok(1))})
    held = brought(execution(run, APPROVE), fails())

    decision = decide(run, view(run, APPROVE), executions(held), NOON)
    status = status_of(decision)

    assert (status.commits, status.last_execution) == (3, run.status.last_execution)
    assert (status.settled, status.store, status.journal) == (
        (),
        {"paid": 1},
        run.status.journal,
    )
    assert status.wait == run.status.wait
    assert decision.urgency is Urgency.NOW
    assert every(Release, decision.after) == [Release("e1", False, VOID)]


def test_the_next_attempt_is_written_with_its_number_and_its_time() -> None:
    step = step_after(WAITS, brought(execution(WAITS, APPROVE), fails()))

    assert (step.attempt, step.failures, step.not_before) == (2, 1, NOON + seconds(1))
    assert step.last_error == "ConnectionError: no answer"
    assert (step.event_uid, step.stall, step.crashes) == (APPROVE.uid, None, None)


def test_the_next_attempt_begins_when_its_delay_is_over() -> None:
    held = brought(execution(WAITS, APPROVE), fails())
    run = written(WAITS, decide(WAITS, view(WAITS, APPROVE), executions(held), NOON))
    due = NOON + seconds(1)

    early = decide(run, view(run, APPROVE), executions(), due - seconds(0.001))
    in_time = decide(run, view(run, APPROVE), executions(), due)

    assert every(Dispatch, early.before) == []
    assert early.look_again_at == due
    (given,) = every(Dispatch, in_time.before)
    assert (given.event, given.attempt, given.alone) == (APPROVE, 2, False)


def test_an_attempt_without_a_delay_follows_at_once() -> None:
    policy = RetryPolicy(max_attempts=2, initial_delay_ms=0)
    held = brought(execution(WAITS, APPROVE), fails(policy))
    decision = decide(WAITS, view(WAITS, APPROVE), executions(held), NOON)
    run = written(WAITS, decision)

    again = decide(run, view(run, APPROVE), executions(), NOON)

    assert decision.look_again_at == NOON
    assert [each.attempt for each in every(Dispatch, again.before)] == [2]


def test_a_delay_is_kept_to_the_millisecond_and_is_never_shorter() -> None:
    policy = RetryPolicy(max_attempts=2, initial_delay_ms=100)
    held = brought(execution(WAITS, APPROVE), fails(policy))
    moment = at("12:00:00.000300")

    step = status_of(decide(WAITS, view(WAITS, APPROVE), executions(held), moment)).step

    assert step is not None
    assert step.not_before == at("12:00:00.101")


def test_the_jitter_differs_between_attempts_and_is_the_same_in_each_decision() -> None:
    policy = RetryPolicy(max_attempts=9, initial_delay_ms=100_000, backoff_multiplier=1, jitter=1)
    policy = policy.model_copy(update={"max_delay_ms": 100_000})
    delays = []
    for failures in (1, 2, 2):
        run = noted(WAITS, attempt=failures, failures=failures - 1)
        held = brought(execution(run, APPROVE, attempt=failures), fails(policy))
        step = step_after(run, held)
        assert step.not_before is not None
        delays.append(step.not_before - NOON)

    assert delays[0] != delays[1] == delays[2]
    assert all(seconds(100) <= delay <= seconds(200) for delay in delays)


def test_a_clock_that_goes_back_does_not_lengthen_the_pause() -> None:
    held = brought(execution(WAITS, APPROVE), fails())
    run = written(WAITS, decide(WAITS, view(WAITS, APPROVE), executions(held), NOON))

    decision = decide(run, view(run, APPROVE), executions(), NOON - timedelta(hours=1))

    assert [each.attempt for each in every(Dispatch, decision.before)] == [2]


def test_failures_are_counted_apart_from_lost_workers() -> None:
    run = noted(WAITS, attempt=4, failures=1, crashes=2)
    held = brought(execution(run, APPROVE, attempt=4), fails())

    step = step_after(run, held)

    assert (step.attempt, step.failures, step.crashes) == (5, 2, 2)


def test_a_worker_that_is_lost_after_failures_is_tried_again_at_once_and_alone() -> None:
    run = noted(WAITS, attempt=3, failures=2, last_error="E: no")
    run = written(
        run,
        decide(run, view(run, APPROVE), executions(lost(execution(run, APPROVE, attempt=3))), NOON),
    )

    (given,) = every(Dispatch, decide(run, view(run, APPROVE), executions(), NOON).before)

    assert (given.attempt, given.alone) == (4, True)
    assert run.status.step is not None
    assert run.status.step.failures == 2


def test_a_running_attempt_keeps_the_count_of_failures() -> None:
    run = noted(WAITS, attempt=2, failures=1, not_before=at("11:59:30"))

    step = step_after(run, runs(execution(run, APPROVE, attempt=2)))

    assert (step.failures, step.worker, step.not_before) == (1, "w1", None)


def test_the_start_handler_is_tried_again_too() -> None:
    run = new_run()
    run = written(run, decide(run, view(run), executions(brought(execution(run), fails())), NOON))

    decision = decide(run, view(run), executions(), NOON + seconds(1))

    assert [(each.name, each.attempt) for each in every(Dispatch, decision.before)] == [
        ("start", 2)
    ]


def test_a_success_after_failures_commits_and_leaves_no_count() -> None:
    run = noted(WAITS, attempt=2, failures=1)
    held = brought(execution(run, APPROVE, attempt=2), NextStep(step="ship"))

    step = step_after(run, held)

    assert (step.name, step.attempt, step.failures) == ("ship", 1, None)


def test_failures_of_one_event_do_not_count_for_the_next() -> None:
    run = noted(WAITS, event("withdrawn"), attempt=4, failures=3)

    step = step_after(run, brought(execution(run, APPROVE), fails()))

    assert (step.attempt, step.failures) == (2, 1)


def test_an_old_error_is_not_shown_with_a_lost_worker() -> None:
    run = noted(WAITS, attempt=2, failures=1, last_error="E: no")

    step = step_after(run, lost(execution(run, APPROVE, attempt=2)))

    assert step.last_error is None


# The last attempt


def test_the_last_attempt_fails_the_run_unless_it_is_to_be_held() -> None:
    run = noted(WAITS, attempt=4, failures=3)
    held = brought(execution(run, APPROVE, attempt=4), fails())

    status = status_of(decide(run, view(run, APPROVE), executions(held), NOON))

    assert (status.phase, status.events.failed, status.step) == ("Failed", 1, None)


def test_the_last_attempt_of_a_handler_that_is_to_be_held_stalls_it() -> None:
    run = noted(WAITS, attempt=4, failures=3)
    held = brought(execution(run, APPROVE, attempt=4), holds(FOUR))

    decision = decide(run, view(run, APPROVE), executions(held), NOON)
    status = status_of(decision)

    text = (
        "approve failed 4 times (ConnectionError: no answer). Mend the cause, then: grctl retry"
        " order."
    )
    assert status.step is not None
    assert status.step.stall == Stall(reason="HandlerFailed", message=text, since=NOON)
    assert (status.step.attempt, status.step.failures) == (4, 4)
    assert (status.commits, status.settled, status.message) == (3, (), text)
    assert every(Announce, decision.after) == [
        Announce("HandlerFailed", text, warning=True),
        Announce("HandlerFailed", f"{text} The event waits.", APPROVE, warning=True),
    ]


def test_an_error_that_is_not_tried_again_is_held_at_once() -> None:
    step = step_after(WAITS, brought(execution(WAITS, APPROVE), holds()))

    assert step.stall is not None
    assert step.stall.message.startswith("approve failed once (ConnectionError: no answer).")


def test_a_long_error_is_cut_and_the_way_out_is_not() -> None:
    failure = failed("E", "x" * 10_000, on_failure="hold")
    held = brought(execution(WAITS, APPROVE), failure.model_copy(update={"on_failure": "hold"}))

    step = step_after(WAITS, held)

    assert step.stall is not None
    assert step.stall.message.endswith("Mend the cause, then: grctl retry order.")
    assert len(step.stall.message) < 500


# Attempts that do not count


def test_a_failed_attempt_beside_one_that_runs_is_only_released() -> None:
    run = noted(WAITS, attempt=2)
    first = brought(execution(run, APPROVE, "e1", attempt=1), fails())
    second = runs(execution(run, APPROVE, "e2", attempt=2))

    decision = decide(run, view(run, APPROVE), executions(first, second), NOON)

    assert [each.execution for each in every(Release, decision.before)] == ["e1"]
    assert (
        decision.status is None
        or decision.status.step is None
        or (decision.status.step.failures is None)
    )


def test_of_two_attempts_that_failed_one_counts() -> None:
    run = noted(WAITS, attempt=2)
    first = brought(execution(run, APPROVE, "e1", attempt=1), fails())
    second = brought(execution(run, APPROVE, "e2", attempt=2), fails())

    decision = decide(run, view(run, APPROVE), executions(first, second), NOON)
    step = status_of(decision).step

    assert step is not None
    assert (step.attempt, step.failures) == (3, 1)
    assert [each.execution for each in every(Release, decision.after)] == ["e1", "e2"]


def test_a_failure_that_is_counted_already_counts_once() -> None:
    """The operator was killed between the write of the retry and the release."""
    held = brought(execution(WAITS, APPROVE), fails())
    run = written(WAITS, decide(WAITS, view(WAITS, APPROVE), executions(held), NOON))

    decision = decide(run, view(run, APPROVE), executions(held), NOON)

    assert [each.execution for each in every(Release, decision.before)] == ["e1"]
    assert decision.status is None or decision.status.step == run.status.step
    assert decision.look_again_at == NOON


def test_a_stall_is_not_counted_twice() -> None:
    held = brought(execution(WAITS, APPROVE), holds())
    run = written(WAITS, decide(WAITS, view(WAITS, APPROVE), executions(held), NOON))

    decision = decide(run, view(run, APPROVE), executions(held), NOON)

    assert [each.execution for each in every(Release, decision.before)] == ["e1"]
    assert decision.status is None or decision.status.step == run.status.step


def test_an_earlier_attempt_that_succeeds_commits_although_the_handler_is_held() -> None:
    held = brought(execution(WAITS, APPROVE, "e2", attempt=2), holds())
    run = written(WAITS, decide(WAITS, view(WAITS, APPROVE), executions(held), NOON))
    first = brought(execution(run, APPROVE, "e1"), Complete(result=1))

    status = status_of(decide(run, view(run, APPROVE), executions(first), NOON))

    assert (status.phase, status.step) == ("Completed", None)


def test_a_failure_with_attempts_left_ends_the_commit_of_outcomes_before_it() -> None:
    commits = WAITS.status.commits + 1
    first = brought(execution(WAITS, APPROVE), WaitForEvent())
    behind = brought(execution(WAITS, SECOND, "e2", commits=commits, base="e1"), fails())

    decision = decide(WAITS, view(WAITS, APPROVE, SECOND), executions(first, behind), NOON)
    run = written(WAITS, decision)
    again = decide(run, view(run, SECOND), executions(behind), NOON)

    assert (run.status.commits, run.status.events.processed) == (commits, 1)
    assert status_of(again).commits == commits
    assert status_of(again).step is not None
    assert status_of(again).events.failed == 0


def test_what_was_handed_over_behind_a_failure_does_not_keep_it_from_counting() -> None:
    first = brought(execution(WAITS, APPROVE), fails())
    behind = runs(execution(WAITS, SECOND, "e2", commits=WAITS.status.commits + 1, base="e1"))

    decision = decide(WAITS, view(WAITS, APPROVE, SECOND), executions(first, behind), NOON)
    step = status_of(decision).step

    assert step is not None
    assert (step.event_uid, step.failures) == (APPROVE.uid, 1)
    assert [(each.execution, each.committed) for each in every(Release, decision.after)] == [
        ("e2", False),
        ("e1", False),
    ]


# What is recorded


def test_records_of_the_failed_attempt_are_kept_for_the_next() -> None:
    held = recorded(brought(execution(WAITS, APPROVE), fails()), charge=ok("r-1"))
    assert held.outcome is not None
    outcome = held.outcome.model_copy(update={"records": {key_of("mail"): ok(2)}})

    decision = decide(WAITS, view(WAITS, APPROVE), executions(replace(held, outcome=outcome)), NOON)

    assert status_of(decision).journal == journal(APPROVE, charge=ok("r-1"), mail=ok(2))


@pytest.mark.parametrize("result", [fails(), holds()], ids=["tried again", "held"])
def test_the_error_that_ended_the_handler_is_done_again(result: Failed) -> None:
    run = waiting_run(status={"journal": journal(APPROVE, charge=ok(1), mail=failing(2))})
    error = {"error": {"type": "E", "message": "no"}, "n": 5}
    result = result.model_copy(update={"forget": (key_of("mail"), key_of("fax"))})
    held = recorded(brought(execution(run, APPROVE), result), mail=error, fax=error)

    decision = decide(run, view(run, APPROVE), executions(held), NOON)

    assert status_of(decision).journal == journal(APPROVE, charge=ok(1))


@pytest.mark.parametrize("entry", [{"cancelled": True}, {"until": "2026-11-23T12:00:10Z"}])
def test_a_durable_call_that_the_handler_cancelled_before_it_failed_is_done_again(
    entry: dict[str, Any],
) -> None:
    run = waiting_run(status={"journal": journal(APPROVE, charge=ok(1), nap=entry)})
    held = brought(execution(run, APPROVE), fails(forget=(key_of("nap"),)))

    decision = decide(run, view(run, APPROVE), executions(held), NOON)

    assert status_of(decision).journal == journal(APPROVE, charge=ok(1))
    check_decision(run, decision, view(run, APPROVE), NOON)


# Code that does not fit


def test_code_that_does_not_fit_drops_nothing_from_the_journal() -> None:
    run = waiting_run(status={"journal": journal(APPROVE, charge=failing(1))})
    result = misfit().model_copy(update={"forget": (key_of("charge"),)})
    held = brought(execution(run, APPROVE), result)

    decision = decide(run, view(run, APPROVE), executions(held), NOON)

    assert status_of(decision).journal == journal(APPROVE, charge=failing(1))
    check_decision(run, decision, view(run, APPROVE), NOON)


def test_code_that_does_not_fit_is_tried_again_after_a_back_off() -> None:
    run = noted(WAITS, attempt=2, misfits=1)
    held = brought(execution(run, APPROVE, attempt=2), misfit())
    run = written(run, decide(run, view(run, APPROVE), executions(held), NOON))

    early = decide(run, view(run, APPROVE), executions(), NOON + seconds(0.9))
    in_time = decide(run, view(run, APPROVE), executions(), NOON + seconds(1))

    assert run.status.step is not None
    assert (run.status.step.misfits, run.status.step.failures) == (2, None)
    assert every(Dispatch, early.before) == []
    assert run.status.message == (
        "Goes on with event handler approve (attempt 3, at 12:00:01Z): it ran code that does not"
        ' fit what is recorded (NonDeterministicError: recorded "charge", but the code calls'
        ' "refund").'
    )
    assert [(each.attempt, each.alone) for each in every(Dispatch, in_time.before)] == [(3, False)]


def test_the_fifth_attempt_with_code_that_does_not_fit_is_held() -> None:
    run = noted(WAITS, attempt=5, misfits=MAX_MISFITS_PER_HANDLER - 1)
    held = brought(execution(run, APPROVE, attempt=5), misfit())

    step = step_after(run, held)

    assert step.stall is not None
    assert step.stall.reason == "NonDeterministic"
    assert step.stall.message == (
        "approve ran code that does not fit what is recorded (NonDeterministicError: recorded"
        ' "charge", but the code calls "refund"). Deploy the version that fits, then: grctl retry'
        " order."
    )


def test_a_payload_that_is_refused_after_its_handler_began_is_a_misfit() -> None:
    run = waiting_run(status={"journal": journal(APPROVE, charge=ok(1))})
    held = brought(execution(run, APPROVE), refused())

    status = status_of(decide(run, view(run, APPROVE), executions(held), NOON))

    assert (status.events.rejected, status.commits) == (0, run.status.commits)
    assert status.step is not None
    assert (status.step.misfits, status.step.attempt) == (1, 2)
    assert status.journal is run.status.journal


def test_a_payload_that_is_refused_before_anything_is_recorded_is_rejected() -> None:
    held = brought(execution(WAITS, APPROVE), refused())

    status = status_of(decide(WAITS, view(WAITS, APPROVE), executions(held), NOON))

    assert status.events.rejected == 1


# People


def test_the_pause_before_a_retry_is_told() -> None:
    held = brought(execution(WAITS, APPROVE), fails())

    decision = decide(WAITS, view(WAITS, APPROVE), executions(held), NOON)
    status = status_of(decision)

    assert status.message == (
        "Goes on with event handler approve (attempt 2, at 12:00:01Z): it failed once"
        " (ConnectionError: no answer)."
    )
    assert [each.reason for each in status.conditions] == ["Retrying", "Retrying"]
    assert every(Announce, decision.after) == [
        Announce(
            "Retrying",
            "approve failed 1 of 4 times (ConnectionError: no answer); next attempt at 12:00:01Z.",
            warning=True,
        )
    ]


def test_the_tasks_of_a_handler_are_in_its_history_entry() -> None:
    result = succeeded(NextStep(step="ship")).model_copy(update={"tasks": "charge (3), mail"})
    held = brought(execution(WAITS, APPROVE), result)

    status = status_of(decide(WAITS, view(WAITS, APPROVE), executions(held), NOON))

    assert [entry.tasks for entry in status.history] == ["charge (3), mail"]


def test_a_retry_waits_for_a_worker_that_has_the_handler() -> None:
    run = noted(WAITS, attempt=2, failures=1)
    busy = [worker(free=0)]

    decision = decide(run, view(run, APPROVE), executions(workers=busy), NOON)

    assert every(Dispatch, decision.before) == []
    assert status_of(decision).message == (
        'All workers of Order are at their capacity; the event handler "approve" is next.'
    )


def test_a_step_is_tried_again_too() -> None:
    run = stepping_run("ship")
    held = brought(execution(run, "ship"), fails())
    run = written(run, decide(run, view(run), executions(held), NOON))

    decision = decide(run, view(run), executions(), NOON + seconds(1))

    assert [(each.name, each.attempt) for each in every(Dispatch, decision.before)] == [("ship", 2)]

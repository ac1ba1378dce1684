"""What a handler records becomes durable in its journal, and its worker is told so."""

from dataclasses import replace
from typing import Any

import pytest

from grctl.json.raw_json import RawJson
from grctl.models import Complete, HandlerKind, NextStep, Step, WaitForEvent
from grctl_operator.engine import (
    Announce,
    ConfirmRecords,
    Dispatch,
    Held,
    Release,
    decide,
)
from grctl_operator.engine.inbox import has_begun
from grctl_operator.engine.situation import Situation
from grctl_operator.engine.urgency import Urgency
from tests.engine.builders import (
    NOON,
    at,
    brought,
    deleted,
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
    runs,
    seconds,
    status_of,
    stepping_run,
    view,
    waiting_run,
    worker,
    written,
)

APPROVE, REJECT = event("approve"), event("reject", place=2)
WAITS = waiting_run()
CHARGE = key_of("charge")


def with_outcome_records(held: Held, **by: Any) -> Held:
    """The outcome names what its handler had recorded and was not told to be durable."""
    assert held.outcome is not None
    records = {key_of(name): entry for name, entry in by.items()}
    return replace(held, outcome=held.outcome.model_copy(update={"records": records}))


# The write


def test_a_record_that_a_handler_waits_for_is_written_at_once() -> None:
    held = recorded(runs(execution(WAITS, APPROVE)), awaited=True, charge=ok("r-1"))

    decision = decide(WAITS, view(WAITS, APPROVE), executions(held), NOON)

    assert status_of(decision).journal == journal(APPROVE, charge=ok("r-1"))
    assert decision.urgency is Urgency.NOW


def test_a_record_that_nobody_waits_for_is_written_like_a_change_for_people() -> None:
    held = recorded(runs(execution(WAITS, APPROVE)), at_=NOON - seconds(0.1), charge=ok("r-1"))
    run = written(
        WAITS, decide(WAITS, view(WAITS, APPROVE), executions(runs(held.execution)), NOON)
    )

    decision = decide(run, view(run, APPROVE), executions(held), NOON)

    assert decision.urgency is Urgency.FOR_PEOPLE
    assert decision.so_since == NOON - seconds(0.1)
    assert every(ConfirmRecords, decision.after) == [ConfirmRecords("e1", (CHARGE,))]


def test_a_record_moves_neither_commits_nor_the_last_execution() -> None:
    run = stepping_run("ship")
    held = recorded(runs(execution(run, "ship")), awaited=True, charge=ok(1))

    status = status_of(decide(run, view(run), executions(held), NOON))

    assert (status.commits, status.last_execution) == (
        run.status.commits,
        run.status.last_execution,
    )
    assert status.journal == journal(charge=ok(1))


def test_the_start_handler_records_too() -> None:
    run = new_run()
    held = recorded(runs(execution(run)), awaited=True, charge=ok(None))

    decision = decide(run, view(run), executions(held), NOON)

    assert status_of(decision).journal == journal(charge=ok(None))


def test_an_entry_is_added_to_those_that_are_durable() -> None:
    run = stepping_run("ship", status={"journal": journal(charge=ok(1))})
    held = recorded(runs(execution(run, "ship")), awaited=True, mail=ok(2))

    decision = decide(run, view(run), executions(held), NOON)

    assert status_of(decision).journal == journal(charge=ok(1), mail=ok(2))


def test_the_first_record_of_a_call_counts() -> None:
    run = stepping_run("ship", status={"journal": journal(charge=ok(1))})
    held = recorded(runs(execution(run, "ship")), awaited=True, charge=ok(2), mail=ok(3))

    decision = decide(run, view(run), executions(held), NOON)

    assert status_of(decision).journal == journal(charge=ok(1), mail=ok(3))


@pytest.mark.parametrize("value", [False, 0, 0.0, None, "", {"a": [True]}])
def test_values_of_users_are_kept_as_they_are(value: Any) -> None:
    run = stepping_run("ship", status={"journal": journal(charge=failing(1))})
    held = recorded(runs(execution(run, "ship")), awaited=True, charge=ok(value))

    kept = status_of(decide(run, view(run), executions(held), NOON)).journal

    assert kept is not None
    assert kept["entries"][CHARGE]["ok"] is value


def test_the_journal_of_another_event_is_replaced() -> None:
    run = waiting_run(status={"journal": journal(event("old"), charge=ok(1))})
    held = recorded(runs(execution(run, APPROVE)), awaited=True, mail=ok(2))

    decision = decide(run, view(run, APPROVE), executions(held), NOON)

    assert status_of(decision).journal == journal(APPROVE, mail=ok(2))


# What is not taken


@pytest.mark.parametrize(
    "fields",
    [{"commits": 2}, {"base": "other"}, {"run_uid": "gone"}],
    ids=["commits", "base", "uid"],
)
def test_a_record_that_does_not_pass_the_fence_is_not_taken(fields: dict[str, Any]) -> None:
    held = recorded(
        runs(execution(WAITS, APPROVE, **fields)), awaited=True, charge=ok("someone else's")
    )

    decision = decide(WAITS, view(WAITS, APPROVE), executions(held), NOON)

    assert decision.status is None or decision.status.journal is None
    assert every(ConfirmRecords, (*decision.before, *decision.after)) == []


def test_a_record_of_an_event_that_is_not_due_is_not_taken() -> None:
    held = recorded(runs(execution(WAITS, REJECT)), awaited=True, charge=ok(1))

    decision = decide(WAITS, view(WAITS, APPROVE, REJECT), executions(held), NOON)

    assert status_of(decision).journal is None


def test_a_record_of_a_run_that_is_being_deleted_is_not_taken() -> None:
    run = deleted(WAITS)
    held = recorded(runs(execution(run, APPROVE)), awaited=True, charge=ok(1))

    decision = decide(run, view(run, APPROVE), executions(held), NOON)

    assert status_of(decision).journal is None


# What a worker is told


def test_each_live_attempt_is_told_what_counts() -> None:
    run = stepping_run("ship", attempt=2)
    first = recorded(runs(execution(run, "ship", "e1", attempt=1)), awaited=True, charge=ok(1))
    second = recorded(runs(execution(run, "ship", "e2", attempt=2)), charge=ok(2))
    third = runs(execution(run, "ship", "e3", attempt=2))

    decision = decide(run, view(run), executions(first, second, third), NOON)

    assert every(ConfirmRecords, decision.after) == [
        ConfirmRecords("e1", (CHARGE,)),
        ConfirmRecords("e2", (), {CHARGE: ok(1)}),
        ConfirmRecords("e3", (), {CHARGE: ok(1)}),
    ]


def test_what_the_journal_holds_already_is_confirmed_without_a_write() -> None:
    run = stepping_run("ship", status={"journal": journal(charge=ok(1), mail=ok(False))})
    held = recorded(runs(execution(run, "ship")), awaited=True, charge=ok(1), mail=ok(0))

    decision = decide(run, view(run), executions(held), NOON)

    assert every(ConfirmRecords, decision.before) == [
        ConfirmRecords("e1", (CHARGE,), {key_of("mail"): ok(False)})
    ]
    assert decision.urgency is Urgency.FOR_PEOPLE  # the handler runs: nothing but that is new
    assert status_of(decision).journal is run.status.journal


def test_a_failed_attempt_is_confirmed_by_its_entry_as_the_next_one_has_the_same_key() -> None:
    run = stepping_run("ship")
    held = recorded(runs(execution(run, "ship")), awaited=True, charge=failing(1), mail=ok(1))

    decision = decide(run, view(run), executions(held), NOON)

    assert every(ConfirmRecords, decision.after) == [
        ConfirmRecords("e1", (key_of("mail"),), {CHARGE: failing(1)})
    ]


def test_an_attempt_that_is_lost_or_has_returned_is_told_nothing() -> None:
    run = stepping_run("ship")
    gone = recorded(lost(execution(run, "ship", "e1")), charge=ok(1))
    other = runs(execution(run, "ship", "e2"))

    decision = decide(run, view(run), executions(gone, other), NOON)

    assert [each.execution for each in every(ConfirmRecords, decision.after)] == ["e2"]


# Lost workers


def test_records_of_a_lost_execution_are_written_with_the_further_attempt() -> None:
    gone = recorded(lost(execution(WAITS, APPROVE)), charge=ok("r-1"))

    decision = decide(WAITS, view(WAITS, APPROVE), executions(gone), NOON)
    run = written(WAITS, decision)
    again = decide(run, view(run, APPROVE), executions(), NOON)

    assert run.status.journal == journal(APPROVE, charge=ok("r-1"))
    assert decision.urgency is Urgency.NOW
    assert [each.attempt for each in every(Dispatch, again.before)] == [2]


def test_a_lost_attempt_beside_one_that_runs_is_forgotten_once_its_records_are_written() -> None:
    run = stepping_run("ship", attempt=2)
    gone = recorded(lost(execution(run, "ship", "e1", attempt=1)), charge=ok(1))
    other = runs(execution(run, "ship", "e2", attempt=2))

    decision = decide(run, view(run), executions(gone, other), NOON)
    after = written(run, decision)
    again = decide(after, view(after), executions(gone, other), NOON)

    assert [each.execution for each in every(Release, decision.after)] == ["e1"]
    assert every(Release, decision.before) == []
    assert [each.execution for each in every(Release, again.before)] == ["e1"]


def test_an_event_whose_first_attempt_recorded_has_begun() -> None:
    run = waiting_run(status={"journal": journal(APPROVE, charge=ok(1))})
    situation = Situation(run, view(run, APPROVE, REJECT), executions(), NOON)

    assert has_begun(situation, APPROVE)
    assert not has_begun(situation, REJECT)


def test_an_event_with_a_journal_is_never_unknown() -> None:
    strange = event("strange")
    run = waiting_run(status={"journal": journal(strange, charge=ok(1))})
    idle = [worker(events=["approve"])]

    decision = decide(run, view(run, strange), executions(workers=idle), NOON)

    assert status_of(decision).events.rejected == 0
    assert status_of(decision).message == (
        'No connected worker of Order has the event handler "strange". Deploy the version that has'
        " it, or delete the WorkflowEvent strange to withdraw it; its handler began on a worker"
        " that was lost."
    )


# The end of a journal


@pytest.mark.parametrize(
    "result", [WaitForEvent(), NextStep(step="ship"), Complete(result=1), failed()], ids=str
)
def test_the_commit_of_an_outcome_removes_the_journal(result: Any) -> None:
    run = waiting_run(status={"journal": journal(APPROVE, charge=ok(1))})
    done = recorded(brought(execution(run, APPROVE), result), mail=ok(2))

    decision = decide(run, view(run, APPROVE), executions(done), NOON)

    assert status_of(decision).commits == run.status.commits + 1
    assert status_of(decision).journal is None
    assert every(ConfirmRecords, (*decision.before, *decision.after)) == []


def test_outcomes_that_are_deferred_write_no_records() -> None:
    done = recorded(brought(execution(WAITS, APPROVE), WaitForEvent()), charge=ok(1))

    decision = decide(WAITS, view(WAITS, APPROVE), executions(done), NOON, defer_outcomes=True)

    assert (decision.status, decision.urgency) == (None, Urgency.BATCHED)


def test_a_timeout_that_fires_removes_the_journal() -> None:
    run = waiting_run(
        deadline=at("11:00"),
        timeout_step="remind",
        status={"journal": journal(event("withdrawn"), charge=ok(1))},
    )

    decision = decide(run, view(run, listed_at=at("11:30")), executions(), NOON)

    assert status_of(decision).step is not None
    assert status_of(decision).journal is None


def test_the_end_of_a_run_removes_the_journal() -> None:
    run = stepping_run("ship", terminate=True, status={"journal": journal(charge=ok(1))})

    decision = decide(run, view(run), executions(), NOON)

    assert status_of(decision).phase == "Terminated"
    assert status_of(decision).journal is None


def test_the_rejection_of_another_event_keeps_the_journal() -> None:
    run = waiting_run(status={"journal": journal(APPROVE, charge=ok(1))})
    unknown = event("aprove", place=0)

    decision = decide(run, view(run, unknown, APPROVE), executions(), NOON)

    assert status_of(decision).events.rejected == 1
    assert status_of(decision).journal is run.status.journal


def test_a_rejection_removes_the_journal_of_an_event_that_is_gone() -> None:
    run = waiting_run(status={"journal": journal(event("withdrawn"), charge=ok(1))})

    decision = decide(run, view(run, event("aprove")), executions(), NOON)

    assert status_of(decision).journal is None


# Two attempts that saw different values


def contradicting() -> tuple[Any, Held]:
    """A journal in which charge gave 1, and an outcome of an attempt that saw 2."""
    run = waiting_run(status={"journal": journal(APPROVE, charge=ok(1))})
    done = with_outcome_records(brought(execution(run, APPROVE), Complete(result=2)), charge=ok(2))
    return run, done


def test_an_outcome_made_from_a_value_that_does_not_count_is_void() -> None:
    run, done = contradicting()

    decision = decide(run, view(run, APPROVE), executions(done), NOON)

    assert every(Release, decision.before) == [
        Release("e1", False, "another attempt recorded charge first")
    ]
    assert [each.event for each in every(Dispatch, decision.before)] == [APPROVE]
    assert decision.status is None or decision.status.commits == run.status.commits


def test_an_outcome_made_from_the_value_that_counts_is_committed() -> None:
    stored = {**ok(1), "ok": RawJson(b"1.0")}
    run = waiting_run(status={"journal": journal(APPROVE, charge=stored, mail=failing(1))})
    done = brought(execution(run, APPROVE), Complete(result=2))
    done = with_outcome_records(done, charge=ok(1), mail=ok("sent"), other=ok(3))

    decision = decide(run, view(run, APPROVE), executions(done), NOON)

    assert status_of(decision).phase == "Completed"


def test_records_of_a_void_outcome_are_not_taken() -> None:
    run, done = contradicting()
    done = recorded(done, charge=ok(2), mail=ok("to 2"))
    other = runs(execution(run, APPROVE, "e2", attempt=2))

    decision = decide(run, view(run, APPROVE), executions(done, other), NOON)

    assert status_of(decision).journal is run.status.journal


# People


def test_a_failed_task_is_told_when_its_entry_is_durable() -> None:
    held = recorded(runs(execution(WAITS, APPROVE)), awaited=True, charge=failing(2), mail=ok(1))

    decision = decide(WAITS, view(WAITS, APPROVE), executions(held), NOON)

    assert every(Announce, decision.after) == [
        Announce(
            "TaskRetrying",
            "In approve: task charge failed 2 of 5 times (ConnectionError: no answer), next attempt"
            " at 12:04:10Z.",
            warning=True,
        )
    ]
    assert status_of(decision).message == (
        "Runs event handler approve on worker w1: task charge failed 2 of 5 times"
        " (ConnectionError: no answer), next attempt at 12:04:10Z."
    )


def test_a_task_that_goes_on_is_not_mentioned_any_more() -> None:
    step = Step(name="ship", kind=HandlerKind.STEP, since=at("10:00"))
    run = stepping_run("ship", status={"step": step, "journal": journal(charge=failing(2))})
    held = recorded(runs(execution(run, "ship")), charge=ok(1, attempts=3))

    decision = decide(run, view(run), executions(held), NOON)

    assert status_of(decision).message == "Runs step handler ship on worker w1."


# What a handler waits for, and what is too much


def test_a_handler_that_waited_for_the_commit_before_it_is_told_that_it_is_current() -> None:
    """Otherwise its later records would count as awaited, and each would be a write."""
    held = replace(runs(execution(WAITS, APPROVE)), awaits_records=True)

    decision = decide(WAITS, view(WAITS, APPROVE), executions(held), NOON)

    assert every(ConfirmRecords, decision.before) == [ConfirmRecords("e1")]
    assert decision.urgency is Urgency.FOR_PEOPLE


def test_records_with_which_the_run_would_be_too_large_fail_it() -> None:
    run = waiting_run(status={"store": {"kept": "x" * 900_000}})
    held = recorded(runs(execution(run, APPROVE)), awaited=True, scan=ok("y" * 200_000))

    decision = decide(run, view(run, APPROVE), executions(held), NOON)
    status = status_of(decision)

    assert (status.phase, status.journal, status.store) == ("Failed", None, run.status.store)
    assert [(each.phase, each.reason) for each in status.settled] == [("Failed", "HandlerFailed")]
    assert status.error is not None
    assert status.error.message == (
        "approve recorded too much. The run would be 1074.7 KiB of JSON (its input 0.0 KiB, its"
        " store 878.9 KiB, its result 0.0 KiB, what its handler recorded 195.4 KiB); at most"
        " 1024.0 KiB are kept. Use @task(record=False) for large results, or a step that returns"
        " itself."
    )
    assert every(Release, decision.after)[0].execution == "e1"

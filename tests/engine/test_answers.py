"""Answers to queries: committed with the outcome whose store they were made of."""

from typing import Any

from grctl.models import Complete, RunPhase, WaitForEvent
from grctl.models.limits import MAX_ANSWERS_BYTES
from grctl.models.run import RunStatus, WorkflowRun
from grctl.models.wire import Failed, Refused, Succeeded
from grctl_operator.engine import decide
from tests.engine.builders import (
    NOON,
    brought,
    event,
    execution,
    executions,
    failed,
    refused,
    status_of,
    succeeded,
    view,
    waiting_run,
    with_status,
)


def after(run: WorkflowRun, result: Succeeded | Failed | Refused) -> RunStatus:
    approve = event("approve")
    done = brought(execution(run, approve), result)
    return status_of(decide(run, view(run, approve), executions(done), NOON))


def answering(answers: dict[str, Any] | None, **fields: Any) -> Succeeded:
    return succeeded(WaitForEvent(), **fields).model_copy(update={"answers": answers})


def test_answers_are_committed_with_the_store_that_they_were_made_of() -> None:
    run = waiting_run(commits=3)

    status = after(run, answering({"summary": "paid"}, put={"paid": True}))

    assert (status.commits, status.store) == (4, {"paid": True})
    assert status.answers == {"summary": "paid"}
    assert status.to_json()["answers"] == {"summary": "paid"}


def test_answers_that_did_not_change_stay_the_same_object() -> None:
    run = with_status(waiting_run(), answers={"summary": "paid"})

    status = after(run, answering({"summary": "paid"}))

    assert status.answers is run.status.answers


def test_an_answer_that_python_calls_equal_is_another_answer() -> None:
    run = with_status(waiting_run(), answers={"paid": 0})

    assert after(run, answering({"paid": False})).answers["paid"] is False


def test_an_outcome_without_answers_leaves_no_answers_of_an_older_store() -> None:
    run = with_status(waiting_run(), answers={"summary": "new"})

    status = after(run, answering(None, put={"paid": True}))

    assert status.answers == {}
    assert "answers" not in status.to_json()


def test_a_run_that_completes_has_the_answers_of_its_end() -> None:
    done = succeeded(Complete(result=1)).model_copy(update={"answers": {"summary": "done"}})

    status = after(waiting_run(), done)

    assert (status.phase, status.answers) == (RunPhase.COMPLETED, {"summary": "done"})


def test_a_failed_and_a_refused_outcome_leave_the_answers_of_the_last_commit() -> None:
    run = with_status(waiting_run(), answers={"summary": "new"})

    assert after(run, failed()).answers is run.status.answers
    assert after(run, refused()).answers is run.status.answers


def test_answers_that_are_too_large_are_dropped_and_the_outcome_is_committed() -> None:
    run = with_status(waiting_run(commits=3), answers={"summary": "new"})

    status = after(run, answering({"summary": "x" * MAX_ANSWERS_BYTES}, put={"paid": True}))

    assert (status.commits, status.store, status.answers) == (4, {"paid": True}, {})

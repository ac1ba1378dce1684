"""Two versions of a workflow side by side: an event that one refuses is given to the other."""

from dataclasses import replace
from typing import Any

from grctl.models import Complete, EventPhase, RunPhase, WaitForEvent
from grctl.models.run import WorkflowRun
from grctl.models.wire import Catalogue, Execution, OfferedHandler
from grctl_operator.engine import (
    AwaitWorker,
    Decision,
    Dispatch,
    Held,
    Release,
    WorkerPresence,
    decide,
)
from tests.engine.builders import (
    NOON,
    brought,
    event,
    every,
    execution,
    executions,
    failed,
    lost,
    many,
    new_run,
    refused,
    runs,
    status_of,
    view,
    waiting_run,
    with_status,
    worker,
)

APPROVE = event("approve")
RUN = waiting_run()


def version(name: str, **payload: Any) -> WorkerPresence:
    """A worker whose handlers take another payload than those of others."""
    made = worker(name)
    handlers = tuple(
        OfferedHandler(kind=each.kind, name=each.name, payload={"properties": payload})
        for each in made.catalogue.handlers
    )
    return replace(made, catalogue=Catalogue(type="Order", handlers=handlers))


OLD, NEW = version("old", x={}), version("new", x={}, y={})


def at(presence: WorkerPresence, held: Held) -> Held:
    return replace(held, worker=presence.name, catalogue=presence.catalogue)


def attempt(name: str, run: WorkflowRun = RUN) -> Execution:
    return execution(run, APPROVE, name)


def decided(*held: Held, workers: tuple[WorkerPresence, ...] = (OLD, NEW)) -> Decision:
    return decide(RUN, view(RUN, APPROVE), executions(*held, workers=workers), NOON)


def rejected(decision: Decision) -> list[str]:
    return [each.reason for each in decision.status.settled] if decision.status else []


REFUSED_BY_OLD = at(OLD, brought(attempt("e1"), refused()))
REFUSED_BY_NEW = at(NEW, brought(attempt("e2"), refused("y: is missing")))


def test_a_payload_that_one_version_refuses_goes_to_the_other() -> None:
    decision = decided(REFUSED_BY_OLD)

    assert rejected(decision) == []
    assert [(each.event, each.but) for each in every(Dispatch, decision.before)] == [
        (APPROVE, (OLD.catalogue,))
    ]
    assert every(Release, decision.before) == []


def test_an_outcome_of_the_version_that_takes_the_payload_commits() -> None:
    taken = at(NEW, brought(attempt("e2"), Complete()))

    decision = decided(REFUSED_BY_OLD, taken)

    assert status_of(decision).phase is RunPhase.COMPLETED
    assert status_of(decision).settled[0].phase is EventPhase.PROCESSED
    assert every(Release, decision.after) == [Release("e2", committed=True)]


def test_a_payload_that_each_version_refuses_is_rejected_once() -> None:
    decision = decided(REFUSED_BY_OLD, REFUSED_BY_NEW)

    assert rejected(decision) == ["BadPayload"]
    assert status_of(decision).settled[0].message == refused().message
    assert every(Dispatch, decision.before) == []


def test_workers_of_the_same_version_are_not_asked() -> None:
    same = replace(OLD, name="old-2")

    assert rejected(decided(REFUSED_BY_OLD, workers=(OLD, same))) == ["BadPayload"]


def test_a_version_without_the_handler_is_not_asked() -> None:
    other = worker("other", events=["reject"])

    assert rejected(decided(REFUSED_BY_OLD, workers=(OLD, other))) == ["BadPayload"]


def test_a_version_that_is_not_connected_is_not_waited_for() -> None:
    away = replace(NEW, connected=False)

    assert rejected(decided(REFUSED_BY_OLD, workers=(OLD, away))) == ["BadPayload"]


def test_a_refusal_waits_for_the_version_that_is_being_asked() -> None:
    asked = at(NEW, runs(attempt("e2")))

    decision = decided(REFUSED_BY_OLD, asked)

    assert rejected(decision) == []
    assert every(Dispatch, decision.before) == []
    assert status_of(decision).message == "Runs event handler approve on worker new."


def test_a_refusal_waits_for_a_version_that_is_away_with_the_event() -> None:
    asked, away = at(NEW, runs(attempt("e2"))), replace(NEW, connected=False)

    assert rejected(decided(REFUSED_BY_OLD, asked, workers=(OLD, away))) == []


def test_an_outcome_counts_although_its_version_left_before_the_commit() -> None:
    taken, away = at(NEW, brought(attempt("e2"), Complete())), replace(NEW, connected=False)

    decision = decided(REFUSED_BY_OLD, taken, workers=(OLD, away))

    assert status_of(decision).phase is RunPhase.COMPLETED


def test_a_version_that_was_lost_with_the_event_has_a_further_attempt() -> None:
    gone, other = at(NEW, lost(attempt("e2"))), replace(NEW, name="new-2")

    decision = decided(REFUSED_BY_OLD, gone, workers=(OLD, other))
    step = status_of(decision).step

    assert rejected(decision) == []
    assert step is not None
    assert (step.attempt, step.event_uid) == (2, APPROVE.uid)


def test_a_refusal_counts_once_the_other_version_was_lost_for_good() -> None:
    gone = at(NEW, lost(attempt("e2")))

    assert rejected(decided(REFUSED_BY_OLD, gone, workers=(OLD,))) == ["BadPayload"]


def test_a_busy_version_is_waited_for_and_the_run_says_so() -> None:
    decision = decided(REFUSED_BY_OLD, workers=(OLD, replace(NEW, free=0)))

    assert rejected(decision) == []
    assert AwaitWorker(room=True) in decision.before
    assert status_of(decision).message == (
        'All workers of Order are at their capacity; the event handler "approve" is next.'
    )


def test_three_versions_are_asked_one_after_the_other() -> None:
    third = version("third", z={})

    decision = decided(REFUSED_BY_OLD, REFUSED_BY_NEW, workers=(OLD, NEW, third))

    assert [each.but for each in every(Dispatch, decision.before)] == [
        (OLD.catalogue, NEW.catalogue)
    ]


def test_a_cancelled_run_asks_no_further_version() -> None:
    run = waiting_run(cancel=True)
    held = at(OLD, brought(execution(run, APPROVE), refused()))

    decision = decide(run, view(run, APPROVE), executions(held, workers=(OLD, NEW)), NOON)

    assert status_of(decision).phase is RunPhase.CANCELLED
    assert rejected(decision) == ["BadPayload"]


def test_events_behind_an_open_refusal_wait_for_their_turn() -> None:
    first, second = many("approve", 2)
    held = at(OLD, brought(execution(RUN, first), refused()))

    decision = decide(RUN, view(RUN, first, second), executions(held, workers=(OLD, NEW)), NOON)

    assert [(each.event, each.ahead) for each in every(Dispatch, decision.before)] == [
        (first, False)
    ]


def test_outcomes_before_an_open_refusal_commit_and_it_stays_open() -> None:
    first, second = many("approve", 2)
    done = execution(RUN, first, "e1")
    behind = execution(RUN, second, "e2", commits=RUN.status.commits + 1, base="e1")
    held = (at(OLD, brought(done, WaitForEvent())), at(OLD, brought(behind, refused())))

    decision = decide(RUN, view(RUN, first, second), executions(*held, workers=(OLD, NEW)), NOON)

    assert [each.name for each in status_of(decision).settled] == [first.name]
    run = with_status(RUN, **vars(status_of(decision)))
    then = decide(run, view(run, second), executions(*held, workers=(OLD, NEW)), NOON)
    assert [each.event for each in every(Dispatch, then.before)] == [second]


def test_an_input_that_one_version_refuses_goes_to_the_other() -> None:
    run = new_run()
    refusal = at(OLD, brought(execution(run), failed("BadInput", "x", reason="BadInput")))

    decision = decide(run, view(run), executions(refusal, workers=(OLD, NEW)), NOON)

    assert decision.status is None or decision.status.phase is not RunPhase.FAILED
    assert [each.but for each in every(Dispatch, decision.before)] == [(OLD.catalogue,)]


def test_an_input_that_each_version_refuses_fails_the_run() -> None:
    run = new_run()
    bad = failed("BadInput", "x", reason="BadInput")
    held = [at(each, brought(execution(run, None, each.name), bad)) for each in (OLD, NEW)]

    decision = decide(run, view(run), executions(*held, workers=(OLD, NEW)), NOON)

    assert status_of(decision).phase is RunPhase.FAILED


def test_a_handler_that_raises_is_not_asked_of_another_version() -> None:
    decision = decided(at(OLD, brought(attempt("e1"), failed())))

    assert status_of(decision).phase is RunPhase.FAILED


def test_of_two_attempts_of_one_version_the_first_outcome_counts_though_it_is_a_refusal() -> None:
    again = at(OLD, runs(attempt("e2")))

    assert rejected(decided(REFUSED_BY_OLD, again, workers=(OLD,))) == ["BadPayload"]

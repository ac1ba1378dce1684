"""The event names that a run knows: their events wait for a worker and are not rejected."""

from grctl.models import HandlerKind, Step, WaitForEvent
from grctl.models.limits import MAX_SHOWN_NAMES
from grctl_operator.engine import Announce, AwaitWorker, Decision, Dispatch, decide
from grctl_operator.engine.names import MAX_PAST_EVENT_NAMES
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
    finished_run,
    new_run,
    runs,
    seconds,
    shown,
    status_of,
    stepping_run,
    view,
    waiting_run,
    worker,
    written,
)

OLD = worker("old", events=["approve"])
NEW = worker("new", events=["approve", "refund"])
REFUND = event("refund")


def rejected(decision: Decision) -> list[str]:
    return [each.reason for each in decision.status.settled] if decision.status else []


def test_an_event_whose_handler_a_rollout_removed_waits_and_says_so() -> None:
    run = waiting_run(status={"event_names": ("approve", "refund")})

    decision = decide(run, view(run, REFUND), executions(workers=[OLD]), NOON)

    text = (
        'No connected worker of Order has the event handler "refund". Deploy the version that has'
        " it, or delete the WorkflowEvent refund to withdraw it."
    )
    assert rejected(decision) == []
    assert status_of(decision).message == text
    assert AwaitWorker() in decision.before
    assert [
        (each.reason, each.event, each.message) for each in every(Announce, decision.before)
    ] == [
        ("NoHandler", None, text),
        ("NoHandler", REFUND, f"{text} The event waits."),
    ]


def test_an_event_that_waited_for_its_handler_is_dispatched_after_a_rollback() -> None:
    run = waiting_run(status={"event_names": ("approve", "refund")})
    run = shown(run, view(run, REFUND), executions(workers=[OLD]), NOON)

    decision = decide(run, view(run, REFUND), executions(workers=[NEW]), at("18:00"))

    assert [each.event for each in every(Dispatch, decision.before)] == [REFUND]


def test_a_name_stays_known_after_it_is_not_shown_any_more() -> None:
    run = waiting_run(status={"event_names": ("approve", "refund")})
    run = shown(run, view(run), executions(workers=[OLD]), NOON)

    decision = decide(run, view(run, REFUND), executions(workers=[OLD]), at("18:00"))

    assert run.status.event_names == ("approve",)
    assert run.status.past_event_names == ("refund",)
    assert rejected(decision) == []


def test_a_name_that_a_worker_has_again_is_not_a_past_one() -> None:
    run = waiting_run(
        status={"event_names": ("approve",), "past_event_names": ("refund", "reject")}
    )

    status = status_of(decide(run, view(run), executions(workers=[NEW]), NOON))

    assert (status.event_names, status.past_event_names) == (("approve", "refund"), ("reject",))


def test_a_new_operator_rejects_nothing_that_the_run_knows() -> None:
    run = waiting_run(status={"event_names": ("approve", "refund")})
    started = executions(workers=[OLD], accepting_since=NOON - seconds(60))

    assert rejected(decide(run, view(run, REFUND), started, NOON)) == []


def test_a_name_that_no_worker_had_is_unknown() -> None:
    run = waiting_run(status={"event_names": ("approve",), "past_event_names": ("reject",)})

    decision = decide(run, view(run, REFUND), executions(workers=[OLD]), NOON)

    assert rejected(decision) == ["UnknownEvent"]


def test_a_name_of_a_worker_that_left_is_known_and_kept() -> None:
    run = waiting_run(status={"event_names": ("approve",)})
    left = worker("new", events=["approve", "refund"], connected=False, seen=NOON - seconds(200))

    decision = decide(run, view(run, REFUND), executions(workers=[OLD, left]), NOON)

    assert rejected(decision) == []
    assert status_of(decision).past_event_names == ("refund",)
    assert decision.urgency in {Urgency.NOW, Urgency.FOR_PEOPLE}
    assert decision.so_since is not None
    assert decision.so_since <= NOON


def test_an_event_whose_handler_began_on_a_lost_worker_is_not_unknown() -> None:
    step = Step(
        name="refund",
        kind=HandlerKind.EVENT,
        attempt=2,
        event="refund",
        event_uid=REFUND.uid,
        since=at("11:59"),
    )
    run = waiting_run(step=step, status={"event_names": ("approve",)})

    decision = decide(run, view(run, REFUND), executions(workers=[OLD]), NOON)

    assert rejected(decision) == []
    assert status_of(decision).message == (
        'No connected worker of Order has the event handler "refund". Deploy the version that has'
        " it, or delete the WorkflowEvent refund to withdraw it; its handler began on a worker that"
        " was lost."
    )


def test_a_name_is_written_before_an_event_of_it_is_given_to_a_worker() -> None:
    run = waiting_run(status={"event_names": ("approve",)})
    new = executions(workers=[NEW])

    first = decide(run, view(run, REFUND), new, NOON)
    run = written(run, first)
    second = decide(run, view(run, REFUND), new, NOON)

    assert every(Dispatch, first.before) == []
    assert first.urgency is Urgency.NOW
    assert [each.event for each in every(Dispatch, second.before)] == [REFUND]


def test_the_commit_that_begins_a_wait_writes_the_names() -> None:
    run = new_run()
    done = brought(execution(run), WaitForEvent())

    run = written(run, decide(run, view(run), executions(done, workers=[NEW]), NOON))
    decision = decide(run, view(run, REFUND), executions(workers=[NEW]), NOON)

    assert run.status.event_names == ("approve", "refund")
    assert [each.event for each in every(Dispatch, decision.before)] == [REFUND]


def test_names_that_change_are_shown_in_the_background() -> None:
    run = waiting_run()
    run = shown(run, view(run), executions(), NOON)

    decision = decide(run, view(run), executions(workers=[NEW]), NOON)

    assert decision.urgency is Urgency.IN_BACKGROUND
    assert status_of(decision).message == "Waits for an event: approve, refund."
    assert status_of(decision).conditions[0].message == "Waits for an event: approve, refund."


def test_names_that_change_are_shown_with_a_write_that_is_made_anyway() -> None:
    run = shown(waiting_run(), view(waiting_run()), executions(), NOON)
    late = event("approve", created_at=at("11:59"))
    busy = worker("new", events=["approve", "refund"], free=0)

    decision = decide(run, view(run, late), executions(workers=[busy]), NOON)

    assert decision.urgency is not Urgency.IN_BACKGROUND
    assert status_of(decision).event_names == ("approve", "refund")


def test_workers_that_come_back_in_another_order_change_no_names() -> None:
    run = waiting_run(status={"event_names": ("approve", "refund")})
    workers = [worker("a", events=["refund"]), worker("b", events=["approve"])]
    run = shown(run, view(run), executions(workers=workers), NOON)

    assert decide(run, view(run), executions(workers=workers[::-1]), NOON) == Decision()


def test_a_run_without_a_connected_worker_keeps_its_names() -> None:
    run = shown(waiting_run(), view(waiting_run()), executions(), NOON)

    assert decide(run, view(run), executions(workers=[]), NOON) == Decision()


def test_past_names_are_bounded_and_the_newest_stay() -> None:
    past = tuple(f"event-{number}" for number in range(MAX_PAST_EVENT_NAMES))
    run = waiting_run(status={"event_names": ("approve", "refund"), "past_event_names": past})

    status = status_of(decide(run, view(run), executions(workers=[OLD]), NOON))

    assert status.past_event_names == (*past[1:], "refund")


def test_a_run_that_runs_a_step_learns_names_in_the_background() -> None:
    run = stepping_run("ship", status={"event_names": ("approve",)})
    running = execution(run, "ship")
    seen = shown(run, view(run), executions(runs(running), workers=[OLD]), NOON)

    decision = decide(seen, view(seen), executions(runs(running), workers=[NEW]), NOON)

    assert decision.urgency is Urgency.IN_BACKGROUND
    assert status_of(decision).event_names == ("approve", "refund")


def test_a_name_beyond_those_that_a_status_holds_is_dispatched_all_the_same() -> None:
    many_names = [
        f"event-{number}" for number in range(MAX_SHOWN_NAMES + MAX_PAST_EVENT_NAMES + 10)
    ]
    last = event(many_names[-1])
    half = len(many_names) // 2
    versions = (many_names[:half], many_names[half:])
    workers = executions(workers=[worker(events=each) for each in versions])
    run = waiting_run(status={"event_names": ()})

    first = decide(run, view(run, last), workers, NOON)
    run = written(run, first)
    second = decide(run, view(run, last), workers, NOON)
    settled = decide(run, view(run), workers, NOON)

    assert every(Dispatch, first.before) == []
    assert [each.event for each in every(Dispatch, second.before)] == [last]
    assert len(run.status.event_names) == MAX_SHOWN_NAMES
    assert settled.urgency is not Urgency.IN_BACKGROUND


def test_a_worker_without_any_event_makes_no_known_name_unknown() -> None:
    run = waiting_run(status={"event_names": ("refund",)})

    decision = decide(run, view(run, REFUND), executions(workers=[worker(events=[])]), NOON)

    assert rejected(decision) == []


def test_a_worker_that_drains_or_is_full_makes_no_event_unknown() -> None:
    run = waiting_run(status={"event_names": ()})
    full = worker("new", events=["approve", "refund"], free=0)

    decision = decide(run, view(run, REFUND), executions(workers=[OLD, full]), NOON)

    assert rejected(decision) == []
    assert AwaitWorker(room=True) in decision.before


def test_an_event_that_came_before_its_run_knows_the_names_of_the_wait_it_meets() -> None:
    run = new_run()
    done = brought(execution(run), WaitForEvent())
    run = written(run, decide(run, view(run, REFUND), executions(done, workers=[NEW]), NOON))

    decision = decide(run, view(run, REFUND), executions(workers=[OLD]), NOON)

    assert rejected(decision) == []


def test_a_known_event_that_waits_is_not_overtaken_by_one_that_has_a_handler() -> None:
    run = waiting_run(status={"event_names": ("approve", "refund")})

    decision = decide(run, view(run, REFUND, event("approve")), executions(workers=[OLD]), NOON)

    assert every(Dispatch, decision.before) == []


def test_an_unknown_event_behind_a_known_one_that_waits_is_not_rejected_before_it() -> None:
    run = waiting_run(status={"event_names": ("approve", "refund")})

    decision = decide(run, view(run, REFUND, event("typo")), executions(workers=[OLD]), NOON)

    assert rejected(decision) == []


def test_a_finished_run_and_one_that_is_deleted_learn_no_names() -> None:
    for run in (finished_run(), deleted(waiting_run())):
        seen = shown(run, view(run), executions(), NOON)
        decision = decide(seen, view(seen), executions(workers=[NEW]), NOON)
        assert decision.status is None

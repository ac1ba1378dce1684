"""Events are handed over ahead, in order, if outcomes come quickly; they commit in order."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from grctl.models import RunPhase
from grctl.models.directive import Complete, NextStep, WaitForEvent
from grctl.models.run import Wait, WorkflowRun
from grctl.models.wire import Execution
from grctl_operator.engine import (
    Decision,
    Dispatch,
    Event,
    Held,
    Release,
    decide,
    urgency_of_outcomes,
)
from grctl_operator.engine.ahead import MAX_EXECUTIONS_AHEAD
from grctl_operator.engine.situation import OUTBOX_LIMIT
from grctl_operator.engine.urgency import MAX_OUTCOMES_PER_BATCH, Urgency
from tests.engine.builders import (
    NOON,
    at,
    brought,
    event,
    every,
    execution,
    executions,
    failed,
    lost,
    many,
    refused,
    runs,
    settlement,
    status_of,
    stepping_run,
    succeeded,
    view,
    waiting_run,
    with_status,
    worker,
)

QUICKLY, SLOWLY = timedelta(seconds=0.01), timedelta(seconds=3)


def quick(made: Execution, result: Any = None, took: timedelta = QUICKLY) -> Held:
    """The execution came back, after a wink."""
    return replace(brought(made, result or WaitForEvent()), took=took)


def behind(base: Execution, run: WorkflowRun, handled: Event, name: str) -> Execution:
    """An execution built on another one."""
    return execution(run, handled, name, commits=base.commits + 1, base=base.id)


def ahead(decision: Decision) -> list[tuple[str | None, int, list[str]]]:
    """What is handed over ahead: what it is built on, its commits, the events in order."""
    return [
        (each.base, each.commits, [event.name for event in (each.event, *each.then) if event])
        for each in every(Dispatch, decision.before)
        if each.ahead
    ]


def test_behind_a_quick_outcome_two_events_are_handed_over_before_it_is_written() -> None:
    run, events = waiting_run(), many("approve", 5)
    first = execution(run, events[0])

    decision = decide(run, view(run, *events), executions(quick(first)), NOON)

    assert ahead(decision) == [("e1", run.status.commits + 1, ["approve-2", "approve-3"])]
    assert status_of(decision).commits == run.status.commits + 1


def test_behind_a_slow_outcome_nothing_is_handed_over() -> None:
    run, events = waiting_run(), many("approve", 5)
    first = quick(execution(run, events[0]), took=SLOWLY)

    assert ahead(decide(run, view(run, *events), executions(first), NOON)) == []


def test_twice_as_many_events_are_ahead_as_outcomes_were_quick_up_to_a_limit() -> None:
    run, events = waiting_run(), many("approve", 60)
    chain = [execution(run, events[0])]
    for number in range(1, 20):
        chain.append(behind(chain[-1], run, events[number], f"e{number + 1}"))
    back = [quick(each) for each in chain[:12]]
    flying = [runs(each) for each in chain[12:]]

    decision = decide(run, view(run, *events), executions(*back, *flying), NOON)

    ((base, _, names),) = ahead(decision)
    assert base == chain[-1].id
    assert len(names) == MAX_EXECUTIONS_AHEAD - len(flying)


def test_a_commit_may_be_written_with_the_next_while_all_events_are_with_the_worker() -> None:
    run, events = waiting_run(), many("approve", 4)
    first = quick(execution(run, events[0]))

    all_given = decide(run, view(run, *events[:3]), executions(first), NOON)
    one_waits = decide(run, view(run, *events), executions(first), NOON)

    assert [len(names) for _, _, names in ahead(all_given)] == [2]
    assert (all_given.urgency, one_waits.urgency) == (Urgency.BATCHED, Urgency.NOW)
    assert one_waits.look_again_at == NOON
    assert all_given.look_again_at != NOON


@pytest.mark.parametrize(
    ("back", "urgency"),
    [(MAX_OUTCOMES_PER_BATCH, Urgency.BATCHED), (MAX_OUTCOMES_PER_BATCH + 1, Urgency.NOW)],
)
def test_the_write_of_many_outcomes_does_not_wait(back: int, urgency: Urgency) -> None:
    run, events = waiting_run(), many("approve", back)
    chain = [execution(run, events[0])]
    for number in range(1, back):
        chain.append(behind(chain[-1], run, events[number], f"e{number + 1}"))

    decision = decide(run, view(run, *events), executions(*map(quick, chain)), NOON)

    assert status_of(decision).commits == run.status.commits + back
    assert decision.urgency is urgency


def test_no_more_events_are_ahead_than_the_outbox_has_room_for() -> None:
    run, events = waiting_run(), many("approve", 9)
    unsettled = many("reject", OUTBOX_LIMIT - 2)
    entries = tuple(settlement(each, number) for number, each in enumerate(unsettled, 1))
    run = with_status(run, settled=entries)
    first = quick(execution(run, events[0]))

    decision = decide(run, view(run, *unsettled, *events), executions(first), NOON)

    assert [names for _, _, names in ahead(decision)] == [["approve-2"]]


@pytest.mark.parametrize("result", [NextStep(step="ship"), Complete(result=1), failed()])
def test_nothing_is_handed_over_behind_an_outcome_that_does_not_wait(result: Any) -> None:
    run, events = waiting_run(), many("approve", 3)
    first = quick(execution(run, events[0]), result)

    assert ahead(decide(run, view(run, *events), executions(first), NOON)) == []


def test_nothing_is_handed_over_to_a_run_that_is_to_be_cancelled() -> None:
    run, events = waiting_run(cancel=True), many("approve", 3)
    first = quick(execution(run, events[0]))

    decision = decide(run, view(run, *events), executions(first), NOON)

    assert ahead(decision) == []
    assert status_of(decision).phase is RunPhase.CANCELLED


def test_an_event_that_no_handler_takes_stops_the_line() -> None:
    run = waiting_run()
    first, second, typo, third = (event(n, f"x-{n}") for n in ("approve", "reject", "aprove", "a"))

    decision = decide(
        run,
        view(run, first, second, typo, third),
        executions(quick(execution(run, first))),
        NOON,
    )

    assert [names for _, _, names in ahead(decision)] == [["x-reject"]]


def test_an_event_that_the_same_worker_cannot_take_stops_the_line() -> None:
    run, events = waiting_run(), [event("approve"), event("reject")]
    able = [worker("w1", events=["approve"]), worker("w2")]
    first = quick(execution(run, events[0]))

    assert ahead(decide(run, view(run, *events), executions(first, workers=able), NOON)) == []


def test_outcomes_behind_each_other_commit_in_order_in_one_write() -> None:
    run = waiting_run(status={"store": {"count": 0}})
    events = many("approve", 3)
    one = execution(run, events[0])
    two = behind(one, run, events[1], "e2")
    three = behind(two, run, events[2], "e3")
    back = [
        quick(three, succeeded(WaitForEvent(), {"count": 3})),
        quick(one, succeeded(WaitForEvent(), {"count": 1})),
        quick(two, refused()),
    ]

    decision = decide(run, view(run, *events), executions(*back), NOON)

    status = status_of(decision)
    assert (status.commits, status.last_execution) == (run.status.commits + 3, "e3")
    assert status.store == {"count": 3}
    assert [(each.name, each.phase, each.sequence) for each in status.settled] == [
        ("approve-1", "Processed", 1),
        ("approve-2", "Rejected", 2),
        ("approve-3", "Processed", 3),
    ]
    assert [each.commit for each in status.history] == [run.status.commits + n for n in (1, 2, 3)]
    released = [each.execution for each in every(Release, decision.after) if each.committed]
    assert released == ["e1", "e2", "e3"]


def test_an_outcome_waits_for_the_one_that_it_was_built_on() -> None:
    run, events = waiting_run(), many("approve", 2)
    one = execution(run, events[0])
    two = quick(behind(one, run, events[1], "e2"))

    decision = decide(run, view(run, *events), executions(runs(one), two), NOON)

    assert decision.status is None or decision.status.commits == run.status.commits
    assert every(Release, decision.before) == []


@pytest.mark.parametrize("result", [NextStep(step="ship"), Complete(result=1), failed()])
def test_outcomes_behind_the_end_of_a_wait_do_not_commit(result: Any) -> None:
    run, events = waiting_run(), many("approve", 2)
    one = execution(run, events[0])
    two = quick(behind(one, run, events[1], "e2"))

    decision = decide(run, view(run, *events), executions(quick(one, result), two), NOON)

    assert [each.name for each in status_of(decision).settled] == ["approve-1"]


def test_an_execution_built_on_a_lost_one_is_void() -> None:
    run, events = waiting_run(), many("approve", 2)
    one = execution(run, events[0])
    two = quick(behind(one, run, events[1], "e2"))

    decision = decide(run, view(run, *events), executions(lost(one), two), NOON)

    assert [each.execution for each in every(Release, decision.before)] == ["e2"]
    assert status_of(decision).commits == run.status.commits


def test_an_execution_built_on_that_of_a_withdrawn_event_is_void() -> None:
    run, events = waiting_run(), many("approve", 2)
    one = execution(run, events[0])
    two = quick(behind(one, run, events[1], "e2"))

    decision = decide(run, view(run, events[1]), executions(quick(one), two), NOON)

    assert {each.execution for each in every(Release, decision.before)} == {"e1", "e2"}
    assert [each.event for each in every(Dispatch, decision.before)] == [events[1]]


def test_an_event_from_after_the_next_deadline_is_void_although_it_was_handed_over() -> None:
    """The wait that the outcome before it began ends by its timeout."""
    late = event("approve", "late", created_at=at("11:59:30"))
    run = waiting_run(deadline=at("11:59:00"), timeout_step="remind")
    held = quick(execution(run, late, "e2"))

    decision = decide(run, view(run, late), executions(held), NOON)

    released = every(Release, decision.before)
    assert [(each.execution, each.message) for each in released] == [
        ("e2", "the deadline came before it")
    ]


def test_a_wait_never_ends_before_an_event_that_waited_when_it_began() -> None:
    """The operator's idea of the time may be behind the stamp of an event that is there."""
    run = waiting_run()
    first, second = event("approve"), event("approve", "second", created_at=at("12:00:02"))
    timed = WaitForEvent(timeout=timedelta(0), timeout_step="remind")
    done = brought(execution(run, first), timed)

    status = status_of(decide(run, view(run, first, second), executions(done), NOON))

    assert status.wait == Wait(since=at("12:00:02"), deadline=at("12:00:02"), timeout_step="remind")


def test_outcomes_may_be_batched_while_all_events_of_a_run_are_with_its_worker() -> None:
    consumed, *events = many("approve", 3)
    run = with_status(waiting_run(), settled=(settlement(consumed),))
    first = execution(run, events[0])
    held = executions(quick(first), runs(behind(first, run, events[1], "e2")))
    given, one_more = view(run, consumed, *events), view(run, consumed, *events, event("reject"))

    assert urgency_of_outcomes(run, given, held) is Urgency.BATCHED
    assert urgency_of_outcomes(run, one_more, held) is Urgency.NOW


@pytest.mark.parametrize("result", [NextStep(step="ship"), Complete(result=1), failed()])
def test_an_outcome_that_ends_the_wait_is_not_batched(result: Any) -> None:
    run, (handled,) = waiting_run(), many("approve", 1)
    held = executions(quick(execution(run, handled), result))

    assert urgency_of_outcomes(run, view(run, handled), held) is Urgency.NOW


def test_an_outcome_of_a_run_that_did_not_wait_is_not_batched() -> None:
    run = stepping_run("ship")
    held = executions(quick(execution(run)))

    assert urgency_of_outcomes(run, view(run), held) is Urgency.NOW


@pytest.mark.parametrize(
    ("back", "urgency"),
    [(MAX_OUTCOMES_PER_BATCH, Urgency.BATCHED), (MAX_OUTCOMES_PER_BATCH + 1, Urgency.NOW)],
)
def test_many_outcomes_are_not_batched(back: int, urgency: Urgency) -> None:
    run, events = waiting_run(), many("approve", back)
    held = [quick(execution(run, each, each.name)) for each in events]

    assert urgency_of_outcomes(run, view(run, *events), executions(*held)) is urgency


def test_an_outcome_is_not_batched_while_the_next_handler_waits_for_its_commit() -> None:
    run, (first, second) = waiting_run(), many("approve", 2)
    given = execution(run, first)
    waiting = replace(runs(behind(given, run, second, "e2")), awaits_records=True)
    held, events = executions(quick(given), waiting), view(run, first, second)

    assert urgency_of_outcomes(run, events, held) is Urgency.NOW
    assert decide(run, events, held, NOON).urgency is Urgency.NOW
    assert decide(run, events, held, NOON, defer_outcomes=True).status is not None


def test_an_outcome_is_not_batched_if_its_worker_has_no_room_for_others() -> None:
    run, (handled,) = waiting_run(), many("approve", 1)
    events, held = view(run, handled), quick(execution(run, handled))
    full = executions(held, workers=[worker("w1", free=0), worker("w2")])
    other_full = executions(held, workers=[worker("w1"), worker("w2", free=0)])

    expected = [Urgency.NOW, Urgency.BATCHED]
    assert [urgency_of_outcomes(run, events, each) for each in (full, other_full)] == expected
    decisions = [decide(run, events, each, NOON) for each in (full, other_full)]
    assert [each.urgency for each in decisions] == expected


def test_while_outcomes_are_deferred_the_next_events_are_handed_over_as_ever() -> None:
    consumed, *events = many("approve", 3)
    run = with_status(waiting_run(), settled=(settlement(consumed),))
    held = executions(quick(execution(run, events[0])))
    seen = view(run, consumed, *events)

    now, in_the_end = (
        decide(run, seen, held, NOON, defer_outcomes=True),
        decide(run, seen, held, NOON),
    )

    assert in_the_end.urgency is Urgency.BATCHED
    assert ahead(now) == [("e1", run.status.commits + 1, ["approve-3"])]
    assert (now.before, now.look_again_at) == (in_the_end.before, in_the_end.look_again_at)
    assert (now.status, now.urgency, now.after) == (None, Urgency.BATCHED, ())


@pytest.mark.parametrize(
    ("result", "waiting"),
    [
        (WaitForEvent(), [event("aprove")]),
        (WaitForEvent(), many("approve", 4)[1:]),
        (NextStep(step="ship"), []),
        (Complete(result=1), []),
        (failed(), []),
    ],
    ids=["unknown event", "one more than goes ahead", "step", "complete", "failed"],
)
def test_an_outcome_that_may_not_be_batched_is_committed_while_others_are_deferred(
    result: Any, waiting: list[Event]
) -> None:
    run, handled = waiting_run(), many("approve", 1)[0]
    what = view(run, handled, *waiting), executions(quick(execution(run, handled), result)), NOON

    decision = decide(run, *what, defer_outcomes=True)

    assert decision.urgency is Urgency.NOW
    assert decision == decide(run, *what)


def test_a_run_without_an_outcome_is_decided_as_ever_while_others_are_deferred() -> None:
    run, (handled,) = waiting_run(), many("approve", 1)
    what = view(run, handled), executions(runs(execution(run, handled))), NOON

    decision = decide(run, *what, defer_outcomes=True)

    assert decision.status is not None
    assert decision == decide(run, *what)


@pytest.mark.parametrize("ends", [{"terminate": True}, {"cancel": True}])
def test_a_request_for_the_end_of_a_run_does_not_wait_for_deferred_outcomes(ends: Any) -> None:
    run, events = waiting_run(), many("approve", 2)
    asked = run.model_copy(update={"spec": run.spec.model_copy(update=ends)})
    held = executions(quick(execution(run, events[0])))

    assert decide(run, view(run, *events), held, NOON, defer_outcomes=True).status is None
    ended = decide(asked, view(asked, *events), held, NOON, defer_outcomes=True)
    assert ended.status is not None
    assert ended == decide(asked, view(asked, *events), held, NOON)


def gone_on_with_a_step() -> tuple[WorkflowRun, Event, Execution]:
    """A run whose handler went on with a step, and an event handed over behind that handler."""
    run, handled = stepping_run("ship"), event("approve")
    return run, handled, execution(run, handled, "ahead")


def test_an_event_that_is_behind_a_step_with_a_worker_does_not_stand_for_that_step() -> None:
    run, handled, void = gone_on_with_a_step()

    decision = decide(run, view(run, handled), executions(runs(void)), NOON)

    assert [each.name for each in every(Dispatch, decision.before)] == ["ship"]
    assert [each.execution for each in every(Release, decision.before)] == ["ahead"]
    assert decision.status is None or decision.status.step == run.status.step


def test_an_outcome_of_an_event_that_is_behind_a_step_is_void() -> None:
    run, handled, void = gone_on_with_a_step()

    decision = decide(run, view(run, handled), executions(brought(void, WaitForEvent())), NOON)

    assert [each.execution for each in every(Release, decision.before)] == ["ahead"]
    assert decision.status is None or decision.status.commits == run.status.commits


def test_an_event_that_is_lost_behind_a_step_leaves_the_step_as_it_is() -> None:
    run, handled, void = gone_on_with_a_step()

    decision = decide(run, view(run, handled), executions(lost(void)), NOON)

    assert decision.status is None or decision.status.step == run.status.step

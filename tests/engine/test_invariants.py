"""Each invariant that is checked in production can fail, and a right decision breaks none."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from grctl.models import EventPhase, RunPhase, WaitForEvent, WorkflowRun
from grctl.models.phases import HandlerKind
from grctl.models.run import EventCounts, Stall, Step
from grctl_operator.engine import (
    Decision,
    Delete,
    Dispatch,
    Event,
    Events,
    LetGo,
    Settle,
    Trim,
    decide,
)
from grctl_operator.engine.invariants import (
    CHECKED_INVARIANTS,
    InvariantError,
    check_decision,
)
from grctl_operator.engine.urgency import Urgency
from tests.engine.builders import (
    NOON,
    RUN_UID,
    at,
    brought,
    event,
    execution,
    executions,
    failing,
    finished_run,
    journal,
    new_run,
    ok,
    seconds,
    settlement,
    status_of,
    stepping_run,
    view,
    waiting_run,
)

APPROVE, REJECT = event("approve", place=1), event("reject", place=2)
WAITS = waiting_run()
EVENTS = view(WAITS, APPROVE, REJECT)
DONE = executions(brought(execution(WAITS, APPROVE), WaitForEvent()))
COMMIT = decide(WAITS, EVENTS, DONE, NOON)
TIMED = waiting_run(deadline=NOON, timeout_step="remind")
REMIND = Step(name="remind", kind=HandlerKind.STEP, since=NOON)


def violations(
    decision: Decision, run: WorkflowRun = WAITS, events: Events = EVENTS, now: datetime = NOON
) -> list[str]:
    """Return the invariants that a decision breaks."""
    try:
        check_decision(run, decision, events, now)
    except InvariantError as error:
        return [each.invariant for each in error.violations]
    return []


def write(run: WorkflowRun = WAITS, **fields: Any) -> Decision:
    """Return a decision that changes these fields of a run's status."""
    return Decision(status=run.status.model_copy(update=fields), urgency=Urgency.NOW)


def commit(**fields: Any) -> Decision:
    """Return a right commit with some fields changed."""
    return replace(COMMIT, status=status_of(COMMIT).model_copy(update=fields))


def rejection(*events: Event) -> Decision:
    """Return a commit that rejects events whose name is unknown."""
    settled = tuple(
        settlement(each, number, phase=EventPhase.REJECTED, reason="UnknownEvent")
        for number, each in enumerate(events, 1)
    )
    return write(commits=4, settled=settled, events=EventCounts(rejected=len(settled)))


def dispatch(first: Event, *then: Event) -> Decision:
    """Return a decision that hands over events; several go ahead of the commits before them."""
    kind, base = HandlerKind.EVENT, WAITS.status.last_execution
    ahead = bool(then)
    effect = Dispatch(kind, first.event_name, 1, 3, base, first, ahead=ahead, then=then)
    return Decision(before=(effect,))


CHOOSY = waiting_run(takes=["reject"])
LATER = event("reject", "later", place=3)
CHOICE = view(CHOOSY, APPROVE, REJECT, LATER)


def outcome(first: Event, *then: Event) -> Decision:
    """Return a commit of outcomes that consumed these events."""
    settled = tuple(settlement(each, number) for number, each in enumerate((first, *then), 1))
    counts = EventCounts(processed=len(settled))
    return write(
        CHOOSY, commits=3 + len(settled), settled=settled, events=counts, last_execution="e1"
    )


@pytest.mark.parametrize(
    ("decision", "broken"),
    [
        (dispatch(REJECT), []),
        (dispatch(APPROVE), ["I2"]),
        (dispatch(LATER), ["I2"]),
        (dispatch(REJECT, LATER), []),
        (dispatch(REJECT, event("approve", "last", place=4)), ["I2"]),
        (outcome(REJECT), []),
        (outcome(REJECT, LATER), []),
        (outcome(APPROVE), ["I2"]),
        (outcome(LATER), ["I2"]),
        (outcome(LATER, REJECT), ["I2"]),
        (outcome(REJECT, APPROVE), ["I2"]),
    ],
)
def test_what_a_wait_takes_is_dispatched_and_consumed_in_its_own_order(
    decision: Decision, broken: list[str]
) -> None:
    assert violations(decision, CHOOSY, CHOICE) == broken


TYPO, LAST_TYPO = event("typo", place=0), event("typo", "last-typo", place=9)


@pytest.mark.parametrize(
    ("decision", "broken"),
    [
        (rejection(TYPO), []),
        (rejection(APPROVE), ["I8"]),
        (rejection(LAST_TYPO), ["I2"]),
        (rejection(TYPO, LAST_TYPO), ["I2"]),
    ],
)
def test_a_rejection_passes_over_nothing_that_the_wait_takes(
    decision: Decision, broken: list[str]
) -> None:
    events = view(CHOOSY, TYPO, APPROVE, REJECT, LAST_TYPO)

    assert violations(decision, CHOOSY, events) == broken


def test_rejections_are_in_order_whatever_the_wait_takes() -> None:
    run = waiting_run(takes=["other"])

    assert violations(rejection(LAST_TYPO, TYPO), run, view(run, TYPO, LAST_TYPO)) == ["I2"]


def test_a_timeout_passes_over_what_the_wait_does_not_take() -> None:
    timed = waiting_run(takes=["reject"], deadline=NOON, timeout_step="remind")
    fires = write(timed, commits=4, wait=None, step=REMIND, phase=RunPhase.RUNNING)
    late = at("12:00:01")

    assert violations(fires, timed, view(timed, APPROVE, listed_at=late), late) == []
    assert violations(fires, timed, view(timed, REJECT, listed_at=late), late) == ["I7"]


def test_a_right_decision_breaks_none() -> None:
    assert status_of(COMMIT).commits == 4
    assert violations(COMMIT) == []


@pytest.mark.parametrize(
    ("invariant", "decision"),
    [
        ("I1", Decision(before=(Settle(settlement(APPROVE), RUN_UID),))),
        ("I1", Decision(before=(LetGo(),))),
        ("I1", rejection(event("stranger"))),
        ("I2", dispatch(REJECT)),
        ("I2", dispatch(REJECT, APPROVE)),
        ("I2", rejection(REJECT)),
        ("I8", rejection(APPROVE)),
        ("I4", write(store={"n": 1})),
        ("I4", write(last_execution="e1")),
        ("I4", write(settled=(settlement(APPROVE),))),
        ("I4", commit(commits=5)),
        ("I4", commit(commits=3)),
        ("I4", commit(settled=(settlement(APPROVE, 2),))),
        ("I4", write(commits=4)),
        ("I9", commit(journal=journal(APPROVE, charge=ok(1)))),
        ("phases", write(phase=RunPhase.PENDING)),
        ("spec", write(commits=4, phase=RunPhase.CANCELLED)),
        ("spec", write(commits=4, phase=RunPhase.TERMINATED)),
        ("I7", write(commits=4, phase=RunPhase.TIMED_OUT)),
        ("retention", Decision(before=(Delete(),))),
        ("retention", Decision(before=(Trim(1),))),
    ],
)
def test_a_decision_that_breaks_an_invariant_is_refused(invariant: str, decision: Decision) -> None:
    assert invariant in violations(decision)


def test_a_finished_run_stays_finished() -> None:
    run = finished_run()

    assert violations(write(run, phase=RunPhase.FAILED), run) == ["phases"]


def test_an_outbox_entry_whose_event_waits_may_not_go() -> None:
    run = waiting_run(settled=[settlement(APPROVE)])
    goes = write(run, commits=4, settled=(), last_execution="e1")

    assert violations(goes, run, view(run, APPROVE)) == ["I1"]
    assert violations(goes, run, view(run, complete=False)) == ["I1"]
    assert violations(goes, run, view(run)) == []


def test_an_event_of_the_outbox_may_not_be_consumed_again() -> None:
    run = waiting_run(settled=[settlement(APPROVE)])
    twice = (settlement(APPROVE), settlement(APPROVE))
    again = write(
        run, commits=4, settled=twice, events=EventCounts(processed=1), last_execution="e1"
    )

    assert violations(again, run) == ["I4"]


def test_a_run_that_nothing_holds_may_not_commit() -> None:
    run = waiting_run(held=False)

    assert violations(write(run, commits=4, last_execution="e1"), run) == ["I4"]


@pytest.mark.parametrize(
    ("now", "listed_at", "waiting", "broken"),
    [
        ("12:00:01", "12:00:01", [], []),
        ("12:00:00.900", "12:00:01", [], ["I7"]),
        ("12:00:01", "12:00:00.900", [], ["I7"]),
        ("12:00:01", "12:00:01", [APPROVE], ["I7"]),
    ],
)
def test_a_timeout_needs_a_list_from_after_the_deadline_that_shows_no_event_in_time(
    now: str, listed_at: str, waiting: list[Event], broken: list[str]
) -> None:
    fires = write(TIMED, commits=4, wait=None, step=REMIND, phase=RunPhase.RUNNING)
    events = view(TIMED, *waiting, listed_at=at(listed_at))

    assert violations(fires, TIMED, events, at(now)) == broken


def test_an_event_from_after_the_deadline_may_not_end_the_wait() -> None:
    late = event("late", created_at=at("12:00:01"), place=3)
    consumes = write(
        TIMED,
        commits=4,
        settled=(settlement(late),),
        events=EventCounts(processed=1),
        last_execution="e1",
    )

    assert violations(consumes, TIMED, view(TIMED, late)) == ["I7"]
    in_time_behind = view(TIMED, late, event("approve", place=4))
    assert violations(consumes, TIMED, in_time_behind) == []


def test_an_event_whose_handler_began_is_not_unknown() -> None:
    begun = event("begun")
    step = Step(name="begun", kind=HandlerKind.EVENT, event_uid=begun.uid, since=NOON)
    run = waiting_run(step=step)
    rejects = rejection(begun)
    entry = replace(rejects, status=status_of(rejects).model_copy(update={"step": step}))

    assert violations(entry, run, view(run, begun)) == ["I8"]


RECORDED = waiting_run(status={"journal": journal(APPROVE, charge=ok(1), mail=failing(1))})


@pytest.mark.parametrize(
    ("new", "broken"),
    [
        (journal(APPROVE, charge=ok(1), mail=ok(2), log=ok(3)), []),
        (journal(APPROVE, charge=ok(2), mail=failing(1)), ["I9"]),
        (journal(APPROVE, charge=ok(True), mail=failing(1)), ["I9"]),
        (journal(APPROVE, charge=ok(1)), ["I9"]),
        (journal(REJECT, charge=ok(1), mail=failing(1)), ["I9"]),
        (None, ["I9"]),
    ],
)
def test_a_journal_only_grows_while_its_handler_is_due(
    new: dict[str, Any] | None, broken: list[str]
) -> None:
    assert violations(write(RECORDED, journal=new), RECORDED) == broken


def test_a_journal_goes_with_the_event_that_was_withdrawn_or_overtaken() -> None:
    dropped = write(RECORDED, journal=None)

    assert violations(dropped, RECORDED, view(RECORDED, REJECT)) == []
    assert violations(dropped, RECORDED, view(RECORDED, event("earlier", place=0), APPROVE)) == []


def test_only_a_failed_attempt_forgets_an_error() -> None:
    run = stepping_run("ship", status={"journal": journal(charge=ok(1), mail=failing(1))})
    forgotten = journal(charge=ok(1))
    step = run.status.step
    assert step is not None
    again = step.model_copy(update={"attempt": 2, "failures": 1})

    assert violations(write(run, journal=forgotten), run) == ["I9"]
    assert violations(write(run, journal=forgotten, step=again), run) == []
    assert violations(write(run, journal=None, step=again), run) == ["I9"]


def test_a_handler_that_is_held_is_not_dispatched() -> None:
    stall = Stall(reason="HandlerFailed", message="Mend the cause.", since=NOON)
    held = Step(
        name="approve", kind=HandlerKind.EVENT, event_uid=APPROVE.uid, since=NOON, stall=stall
    )
    run = waiting_run(step=held)

    assert violations(dispatch(APPROVE), run) == ["hold"]
    assert violations(dispatch(REJECT), run, view(run, REJECT)) == []


def test_a_timeout_takes_the_journal_along() -> None:
    fires = write(TIMED, commits=4, wait=None, step=REMIND, phase=RunPhase.RUNNING)
    kept = replace(
        fires, status=status_of(fires).model_copy(update={"journal": journal(charge=ok(1))})
    )

    events, now = view(TIMED, listed_at=at("12:00:01")), at("12:00:01")
    assert violations(fires, TIMED, events, now) == []
    assert violations(kept, TIMED, events, now) == ["I9"]


def test_a_run_that_is_to_be_terminated_does_nothing_else() -> None:
    run = waiting_run(terminate=True)
    goes_on = write(run, commits=4, last_execution="e1")

    assert violations(goes_on, run) == ["spec"]


@pytest.mark.parametrize(("now", "broken"), [("12:00", ["I7"]), ("12:00:01", [])])
def test_a_run_does_not_time_out_in_its_last_second(now: str, broken: list[str]) -> None:
    run = new_run(timeout=seconds(3 * 3600))
    ends = write(run, commits=1, phase=RunPhase.TIMED_OUT)

    assert violations(ends, run, view(run), at(now)) == broken


@pytest.mark.parametrize(("now", "broken"), [("11:00:09", ["retention"]), ("11:00:10", [])])
def test_a_finished_run_is_not_deleted_before_its_time_is_over(now: str, broken: list[str]) -> None:
    run = finished_run(ttl=10)

    assert violations(Decision(before=(Delete(),)), run, view(run), at(now)) == broken


def test_an_error_names_each_invariant_that_is_broken() -> None:
    with pytest.raises(InvariantError) as refused:
        check_decision(WAITS, write(store={"n": 1}, phase=RunPhase.PENDING), EVENTS, NOON)

    text = str(refused.value)
    assert text.startswith("I4 (one commit): the store changed without a commit; phases: ")


def test_the_label_of_the_metric_has_a_value_for_each_invariant() -> None:
    expected = ["I1", "I2", "I4", "I7", "I8", "I9", "hold", "phases", "retention", "spec"]
    assert list(CHECKED_INVARIANTS) == expected

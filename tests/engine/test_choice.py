"""Waits that choose: what a wait takes, what keeps its place, and what is void when it changes."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from grctl.json.raw_json import Uncarriable
from grctl.models import EventPhase, NextStep, RunPhase, WaitForEvent
from grctl.models.base import NAME_LENGTH
from grctl.models.limits import MAX_PROMPT_BYTES, MAX_SHOWN_NAMES
from grctl.models.run import Wait, WorkflowRun
from grctl_operator.engine import (
    AwaitWorker,
    Decision,
    Dispatch,
    Event,
    Executions,
    Held,
    Release,
    decide,
)
from grctl_operator.engine.invariants import check_decision
from grctl_operator.engine.urgency import Urgency, urgency_of_outcomes
from tests.engine.builders import (
    NOON,
    at,
    brought,
    event,
    every,
    execution,
    executions,
    finished_run,
    lost,
    runs,
    settlement,
    status_of,
    stepping_run,
    succeeded,
    view,
    waiting_run,
    with_status,
    worker,
    written,
)

COMMENT = event("comment", place=1)
APPROVE = event("approve", place=2)
COMMENT_2 = event("comment", "comment-2", place=3)
APPROVE_2 = event("approve", "approve-2", place=4)
REJECT = event("reject", place=5)
INBOX = (COMMENT, APPROVE, COMMENT_2, APPROVE_2, REJECT)

HANDLED = ("approve", "reject", "comment")
ABLE = worker(events=HANDLED, free=4)
KNOWN = {"event_names": HANDLED}
PATIENT = waiting_run(status=KNOWN)
CHOOSY = waiting_run(takes=["approve"], status=KNOWN)
LIMITED = waiting_run(takes=["approve"], deadline=at("11:30"), timeout_step="remind", status=KNOWN)


def able(*held: Held, **facts: Any) -> Executions:
    """What workers hold, with one worker that has each of the handlers."""
    return executions(*held, workers=[ABLE], **facts)


def decided(
    run: WorkflowRun, *waiting: Event, held: Executions | None = None, now: datetime = NOON
) -> Decision:
    """The decision about a run, after the check that production makes."""
    events = view(run, *waiting, listed_at=now)
    decision = decide(run, events, held or able(), now)
    check_decision(run, decision, events, now)
    return decision


def dispatched(decision: Decision) -> list[str]:
    """The names of the events that are handed over, in order."""
    return [each.name for sent in every(Dispatch, decision.before) for each in sent.events]


def consumed(decision: Decision) -> list[tuple[str, str]]:
    """The events that a decision consumes, with what becomes of them."""
    return [(entry.name, entry.phase.value) for entry in status_of(decision).settled]


def quick(held: Held) -> Held:
    """The same outcome, from a handler that took a wink."""
    return replace(held, took=timedelta(seconds=0.01))


def chosen(*names: str, **fields: Any) -> WaitForEvent:
    """A wait for these events."""
    return WaitForEvent(events=names, **fields)


# what a wait takes


def test_a_wait_takes_the_first_event_that_it_names_and_passes_over_the_others() -> None:
    assert dispatched(decided(CHOOSY, *INBOX)) == ["approve"]
    assert dispatched(decided(PATIENT, *INBOX)) == ["comment"]


def test_a_wait_for_several_events_takes_the_one_that_came_first() -> None:
    run = waiting_run(takes=["reject", "approve"], status=KNOWN)

    assert dispatched(decided(run, COMMENT, APPROVE_2, REJECT)) == ["approve-2"]
    assert dispatched(decided(run, COMMENT, REJECT)) == ["reject"]


def test_the_order_is_kept_among_what_fits_and_among_what_does_not() -> None:
    run, waiting, handled = CHOOSY, list(INBOX[:4]), []
    while sent := dispatched(decided(run, *waiting)):
        (name,) = sent
        taken = next(each for each in waiting if each.name == name)
        handled.append(name)
        rest = None if len(handled) > 1 else ("approve",)
        done = brought(execution(run, taken), WaitForEvent(events=rest))
        run = written(run, decided(run, *waiting, held=able(done)))
        run = with_status(run, settled=())
        waiting.remove(taken)

    assert handled == ["approve", "approve-2", "comment", "comment-2"]


def test_a_wait_that_names_no_event_takes_none() -> None:
    run = waiting_run(takes=[], status=KNOWN)

    decision = decided(run, *INBOX)

    assert (dispatched(decision), consumed(decision)) == ([], [])


def test_a_directive_begins_a_wait_with_its_names_once_each_and_its_prompt() -> None:
    directive = chosen("reject", "approve", "reject", prompt="Release 1.4 to production?")
    done = brought(execution(PATIENT, COMMENT), directive)

    wait = status_of(decided(PATIENT, COMMENT, held=able(done))).wait

    assert wait == Wait(
        since=NOON, events=("reject", "approve"), prompt="Release 1.4 to production?"
    )


def test_a_prompt_is_cut_to_its_limit() -> None:
    done = brought(execution(PATIENT, COMMENT), WaitForEvent(prompt="why? " * MAX_PROMPT_BYTES))

    wait = status_of(decided(PATIENT, COMMENT, held=able(done))).wait

    assert wait is not None
    assert wait.prompt is not None
    assert len(wait.prompt.encode()) <= MAX_PROMPT_BYTES


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["approve", "a" * (NAME_LENGTH + 1)], "has 254 characters, at most 253."),
        (["a"] * (MAX_SHOWN_NAMES + 1), "The wait names 1001 events, at most 1000."),
    ],
)
def test_a_wait_with_names_that_no_status_can_hold_fails_the_run(
    names: list[str], text: str
) -> None:
    done = brought(execution(PATIENT, COMMENT), chosen(*names))

    status = status_of(decided(PATIENT, COMMENT, held=able(done)))

    assert (status.phase, status.wait) == (RunPhase.FAILED, None)
    assert status.error is not None
    assert text in status.error.message


def test_an_event_that_waits_wins_over_a_wait_without_any_time_if_it_fits() -> None:
    step = brought(
        execution(stepping_run(), "ship"),
        chosen("approve", timeout=timedelta(0), timeout_step="remind"),
    )
    ahead = replace(APPROVE, created=at("12:00:01"))  # by a clock that is ahead of ours
    other = replace(COMMENT, created=at("12:00:01"))

    fits = decided(stepping_run(status=KNOWN), other, ahead, held=able(step))
    does_not = decided(stepping_run(status=KNOWN), other, held=able(step))

    assert [made.wait.deadline for made in map(status_of, (fits, does_not)) if made.wait] == [
        at("12:00:01"),
        NOON,
    ]


# deadlines


def test_a_timeout_fires_although_an_event_waits_that_does_not_fit() -> None:
    decision = decided(LIMITED, COMMENT, COMMENT_2)

    status = status_of(decision)
    assert (status.step and status.step.name, status.wait) == ("remind", None)
    assert [entry.name for entry in status.inbox] == ["comment", "comment-2"]
    assert status.settled == ()


def test_an_event_that_fits_and_came_in_time_beats_the_timeout() -> None:
    assert dispatched(decided(LIMITED, COMMENT, APPROVE)) == ["approve"]


def test_an_event_from_after_the_deadline_does_not_end_the_wait_behind_one_that_does_not_fit() -> (
    None
):
    late = replace(APPROVE, created=at("11:45"))

    status = status_of(decided(LIMITED, COMMENT, late))

    assert status.step is not None
    assert status.step.name == "remind"


def test_an_event_in_time_that_does_not_fit_brings_no_late_event_into_the_wait() -> None:
    """Only an event that the wait takes shows by its stamp that the clock went back."""
    late = replace(APPROVE, created=at("11:45"))

    decision = decided(LIMITED, late, COMMENT_2)

    assert dispatched(decision) == []
    assert status_of(decision).step is not None


# events that no handler can take


def test_unknown_names_are_rejected_although_the_wait_does_not_name_them() -> None:
    typo = event("aprove", place=1)

    decision = decided(CHOOSY, typo, COMMENT_2, APPROVE_2)

    assert consumed(decision) == [("aprove", EventPhase.REJECTED)]
    assert status_of(decision).settled[0].reason == "UnknownEvent"
    assert status_of(decision).wait == CHOOSY.status.wait


def test_all_that_no_handler_can_take_is_rejected_in_order_in_one_commit() -> None:
    typo = event("aprove", place=1)
    unknown = event("approve", "elsewhere", place=2, run_uid="gone")
    odd = event("comment", "odd", place=4, payload=Uncarriable("is too large"))

    decision = decided(CHOOSY, typo, unknown, COMMENT_2, odd)

    assert [(entry.name, entry.reason) for entry in status_of(decision).settled] == [
        ("aprove", "UnknownEvent"),
        ("elsewhere", "RunGone"),
        ("odd", "BadPayload"),
    ]


def test_an_unknown_event_behind_one_that_fits_waits_for_its_turn() -> None:
    typo = event("aprove", place=9)

    decision = decided(CHOOSY, COMMENT, APPROVE, typo)

    assert (dispatched(decision), status_of(decision).settled) == (["approve"], ())


def test_an_unknown_event_does_not_hold_up_what_fits_before_it_can_be_judged() -> None:
    typo = event("aprove", place=1)
    young = able(accepting_since=NOON - timedelta(seconds=4))

    decision = decided(CHOOSY, typo, APPROVE, held=young)

    assert dispatched(decision) == ["approve"]


def test_an_event_that_no_worker_could_judge_yet_is_judged_when_one_connects() -> None:
    typo = event("aprove", place=1)

    alone = decided(CHOOSY, typo, held=executions(workers=[]))
    judged = decided(CHOOSY, typo)

    assert every(AwaitWorker, alone.before) == [AwaitWorker()]
    assert consumed(judged) == [("aprove", EventPhase.REJECTED)]


@pytest.mark.parametrize("waiting", [(), (COMMENT,)])
def test_a_wait_beside_known_events_asks_for_no_worker(waiting: tuple[Event, ...]) -> None:
    decision = decided(CHOOSY, *waiting, held=executions(workers=[]))

    assert every(AwaitWorker, decision.before) == []


def test_a_known_event_that_does_not_fit_is_not_rejected() -> None:
    past = waiting_run(
        takes=["approve"], status={"event_names": ("approve",), "past_event_names": ("comment",)}
    )

    decision = decide(
        past, view(past, COMMENT), executions(workers=[worker(events=["approve"])]), NOON
    )

    assert status_of(decision).settled == ()


def test_what_never_fitted_a_wait_is_rejected_when_the_run_has_ended() -> None:
    run = finished_run()

    decision = decided(run, COMMENT, COMMENT_2)

    assert [(entry.name, entry.reason) for entry in status_of(decision).settled] == [
        ("comment", "RunFinished"),
        ("comment-2", "RunFinished"),
    ]


# outcomes


def test_an_outcome_commits_the_event_that_the_wait_takes_before_earlier_ones() -> None:
    done = brought(execution(CHOOSY, APPROVE), WaitForEvent())

    decision = decided(CHOOSY, *INBOX, held=able(done))

    assert consumed(decision) == [("approve", EventPhase.PROCESSED)]


def test_two_attempts_at_one_event_that_fits_commit_once() -> None:
    first, second = execution(CHOOSY, APPROVE, "e1"), execution(CHOOSY, APPROVE, "e2", attempt=2)
    held = able(brought(first, WaitForEvent()), brought(second, WaitForEvent()))

    decision = decided(CHOOSY, COMMENT, APPROVE, held=held)

    assert consumed(decision) == [("approve", EventPhase.PROCESSED)]
    assert status_of(decision).last_execution == "e1"


def test_a_lost_execution_of_an_event_that_fits_is_tried_again_before_earlier_events() -> None:
    status = status_of(
        decided(CHOOSY, COMMENT, APPROVE, held=able(lost(execution(CHOOSY, APPROVE))))
    )

    assert status.step is not None
    assert (status.step.event, status.step.attempt) == ("approve", 2)


def behind(base: Held, handled: Event, name: str) -> Held:
    """An execution that runs, handed over behind another one."""
    made = base.execution
    return runs(execution(CHOOSY, handled, name, commits=made.commits + 1, base=made.id))


def test_events_that_fit_are_handed_over_ahead_past_those_that_do_not() -> None:
    done = quick(brought(execution(CHOOSY, APPROVE), chosen("approve")))

    decision = decided(CHOOSY, *INBOX, held=able(done))

    (sent,) = every(Dispatch, decision.before)
    assert ([each.name for each in sent.events], sent.ahead) == (["approve-2"], True)


def test_nothing_is_handed_over_ahead_past_an_event_that_is_to_be_rejected() -> None:
    typo = event("aprove", place=3)
    done = quick(brought(execution(CHOOSY, APPROVE), chosen("approve")))

    assert dispatched(decided(CHOOSY, APPROVE, typo, APPROVE_2, held=able(done))) == []


def test_nothing_is_handed_over_ahead_of_a_wait_that_takes_other_events() -> None:
    """The outcomes of alternating waits say so before anything is handed over."""
    done = quick(brought(execution(CHOOSY, APPROVE), chosen("comment")))

    decision = decided(CHOOSY, *INBOX, held=able(done))

    assert every(Dispatch, decision.before) == []
    assert decision.urgency is Urgency.NOW


def test_an_event_handed_over_ahead_is_void_if_the_next_wait_takes_others() -> None:
    done = brought(execution(CHOOSY, APPROVE), chosen("comment"))
    after_it = behind(done, APPROVE_2, "e2")
    run = written(CHOOSY, decided(CHOOSY, *INBOX, held=able(done, after_it)))

    decision = decided(run, *INBOX, held=able(after_it))

    assert every(Release, decision.before) == [
        Release("e2", False, "the run waits for another event")
    ]
    assert dispatched(decision) == ["comment"]


def test_an_event_handed_over_ahead_is_void_if_the_next_wait_takes_an_earlier_one_too() -> None:
    done = brought(execution(CHOOSY, APPROVE), WaitForEvent())
    after_it = behind(done, APPROVE_2, "e2")
    back = replace(after_it, outcome=brought(after_it.execution, WaitForEvent()).outcome)

    decision = decided(CHOOSY, *INBOX, held=able(done, back))
    run = written(CHOOSY, decision)
    later = decided(run, *INBOX, held=able(back))

    assert consumed(decision) == [("approve", EventPhase.PROCESSED)]
    assert [each.execution for each in every(Release, later.before)] == ["e2"]
    assert dispatched(later) == ["comment"]


def test_outcomes_of_waits_that_take_the_same_events_commit_in_one_write() -> None:
    done = brought(execution(CHOOSY, APPROVE), chosen("approve"))
    after_it = behind(done, APPROVE_2, "e2")
    back = replace(after_it, outcome=brought(after_it.execution, chosen("comment")).outcome)

    decision = decided(CHOOSY, *INBOX, held=able(done, back))

    assert [name for name, _ in consumed(decision)] == ["approve", "approve-2"]


def test_alternating_waits_handle_each_event_once_and_in_their_own_order() -> None:
    run, waiting, handled = CHOOSY, list(INBOX[:4]), []
    turns = {"approve": "comment", "comment": "approve"}
    for _ in range(4):
        (name,) = dispatched(decided(run, *waiting))
        taken = next(each for each in waiting if each.name == name)
        done = quick(brought(execution(run, taken), chosen(turns[taken.event_name])))
        decision = decided(run, *waiting, held=able(done))
        assert every(Dispatch, decision.before) == []
        run = with_status(written(run, decision), settled=())
        waiting.remove(taken)
        handled.append(name)

    assert handled == ["approve", "comment", "approve-2", "comment-2"]


@pytest.mark.parametrize("directive", [WaitForEvent(), chosen("comment"), NextStep(step="ship")])
def test_what_a_commit_makes_void_is_released_before_the_commit_is_told(directive: Any) -> None:
    """A handler that was handed over ahead begins its tasks when its base is committed."""
    done = brought(execution(CHOOSY, APPROVE), directive)
    second = behind(done, APPROVE_2, "e2")
    approve_3 = event("approve", "approve-3", place=6)
    third = behind(second, approve_3, "e3")

    decision = decided(CHOOSY, *INBOX, approve_3, held=able(done, second, third))

    assert [(each.execution, each.committed) for each in every(Release, decision.after)] == [
        ("e2", False),
        ("e3", False),
        ("e1", True),
    ]


def test_what_stays_in_turn_behind_a_commit_is_not_released() -> None:
    done = brought(execution(CHOOSY, APPROVE), chosen("approve", "reject"))
    second = behind(done, APPROVE_2, "e2")

    decision = decided(CHOOSY, *INBOX, held=able(done, second))

    assert every(Release, decision.after) == [Release("e1", committed=True)]


# writes


def test_a_commit_may_be_batched_while_only_events_wait_that_do_not_fit() -> None:
    done = brought(execution(CHOOSY, APPROVE), succeeded(chosen("approve"), put={"n": 1}))

    decision = decided(CHOOSY, COMMENT, APPROVE, held=able(done))

    events = view(CHOOSY, COMMENT, APPROVE)
    assert decision.urgency is Urgency.BATCHED
    assert urgency_of_outcomes(CHOOSY, events, able(done)) is Urgency.BATCHED


@pytest.mark.parametrize("directive", [WaitForEvent(), chosen("comment"), NextStep(step="ship")])
def test_an_outcome_that_lets_in_an_event_that_waits_is_written_at_once(directive: Any) -> None:
    done = brought(execution(CHOOSY, APPROVE), directive)

    decision = decided(CHOOSY, COMMENT, APPROVE, held=able(done))

    assert decision.urgency is Urgency.NOW
    assert urgency_of_outcomes(CHOOSY, view(CHOOSY, COMMENT, APPROVE), able(done)) is Urgency.NOW


def test_an_event_of_the_outbox_ends_no_wait_again() -> None:
    run = waiting_run(takes=["approve"], settled=[settlement(APPROVE)], status=KNOWN)

    assert dispatched(decided(run, *INBOX)) == ["approve-2"]

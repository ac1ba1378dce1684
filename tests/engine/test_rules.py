"""What must always hold: one test for each invariant of docs/architecture.md, by its number."""

import pytest

from grctl.models import Complete, EventPhase, EventReason, NextStep, WaitForEvent, WorkflowRun
from grctl.models.run import Settlement
from grctl_operator.engine import (
    Decision,
    Dispatch,
    Event,
    Events,
    Executions,
    Key,
    ListEvents,
    Settle,
    decide,
)
from grctl_operator.engine.urgency import Urgency
from grctl_operator.views.events import EventCache
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
    written,
)

APPROVE = event("approve")
WAITS = waiting_run()


def fates(decision: Decision) -> list[Settlement]:
    """The final phases that a decision writes: with its status, or of events without a run."""
    effects = (*decision.before, *decision.after)
    return [effect.settlement for effect in every(Settle, effects)]


@pytest.mark.parametrize(
    ("run", "sent", "held", "phase", "reason"),
    [
        (
            WAITS,
            APPROVE,
            brought(execution(WAITS, APPROVE), WaitForEvent()),
            "Processed",
            "Handled",
        ),
        (WAITS, APPROVE, brought(execution(WAITS, APPROVE), failed()), "Failed", "HandlerFailed"),
        (WAITS, APPROVE, brought(execution(WAITS, APPROVE), refused()), "Rejected", "BadPayload"),
        (WAITS, event("aprove"), None, "Rejected", "UnknownEvent"),
        (WAITS, event("approve", run_uid="gone"), None, "Rejected", "RunGone"),
        (finished_run(), APPROVE, None, "Rejected", "RunFinished"),
        (deleted(WAITS), APPROVE, None, "Rejected", "RunDeleted"),
        (None, event("approve", run_uid="gone"), None, "Rejected", "RunGone"),
    ],
)
def test_i1_an_event_ends_in_exactly_one_phase_with_a_reason_that_is_documented(
    run: WorkflowRun | None, sent: Event, held: object, phase: str, reason: str
) -> None:
    events = view(run or WAITS, sent, orphans=[sent])
    has = executions(held) if held else executions()  # type: ignore[arg-type]

    fate = fates(decide(run, events, has, NOON))

    assert [(each.uid, each.phase.value, each.reason) for each in fate] == [
        (sent.uid, phase, reason)
    ]
    assert EventReason(reason).value == reason


def test_i2_events_are_committed_in_the_order_of_their_creation_whatever_their_names() -> None:
    cache, key = EventCache(), Key("shop", "order")
    for name, revision in (("reject", 9), ("approve", 10), ("reject", 100)):
        cache.on_change("ADDED", _item(f"{name}-{revision}", name, revision))
    run = waiting_run(commits=0)
    consumed = []

    for _ in range(3):
        decision = decide(run, cache.get_view(key, run_first_revision=8), executions(), NOON)
        (dispatch,) = every(Dispatch, decision.before)
        assert dispatch.event is not None
        done = brought(execution(run, dispatch.event), WaitForEvent())
        after = written(
            run, decide(run, cache.get_view(key, run_first_revision=8), executions(done), NOON)
        )
        cache.on_commit(key, run.metadata.uid, run.status.commits, after.status.commits)
        cache.on_missing(key, dispatch.event.uid)
        run = after
        consumed.append((dispatch.event.name, run.status.events.total))

    assert consumed == [("reject-9", 1), ("approve-10", 2), ("reject-100", 3)]


def test_i3_events_may_come_before_their_run_and_ten_thousand_at_once() -> None:
    crowd = many("approve", 10_000, created_at=at("08:00"))
    early = decide(None, view(WAITS, *crowd, listed=False), executions(), at("08:00:01"))
    assert fates(early) == []

    run = new_run()
    waits = brought(execution(run), WaitForEvent())
    run = written(run, decide(run, view(run, *crowd), executions(waits), NOON))
    decision = decide(run, view(run, *crowd), executions(), NOON)

    assert [each.event for each in every(Dispatch, decision.before)] == [crowd[0]]
    assert run.status.inbox_length == 10_000
    assert len(run.status.inbox) == 10


def test_i4_an_outcome_commits_once_with_its_store_and_the_event_it_consumed() -> None:
    run = waiting_run(commits=3)
    outcome = brought(execution(run, APPROVE), succeeded(WaitForEvent(), put={"n": 1}))
    after = written(run, decide(run, view(run, APPROVE), executions(outcome), NOON))

    again = decide(after, view(after), executions(outcome), NOON)

    assert (after.status.commits, after.status.store) == (4, {"n": 1})
    assert [each.uid for each in after.status.settled] == [APPROVE.uid]
    assert again.status is None or again.status.commits == 4


def test_i5_of_two_operators_that_decide_at_once_the_second_decides_anew() -> None:
    run = waiting_run(commits=3)
    outcome = brought(execution(run, APPROVE, "e1"), WaitForEvent())
    rival = brought(execution(run, APPROVE, "e2"), Complete())
    won = written(run, decide(run, view(run, APPROVE), executions(outcome), NOON))
    lost_race = decide(run, view(run, APPROVE), executions(rival), NOON)

    again = decide(won, view(won, APPROVE, complete=False), executions(rival), NOON)

    assert status_of(lost_race).commits == won.status.commits  # one version, one of both
    assert again.status is None or again.status.commits == won.status.commits
    assert fates(again) == [*won.status.settled]


@pytest.mark.parametrize(
    "run",
    [
        new_run(),
        WAITS,
        stepping_run("ship"),
        waiting_run(settled=[settlement(APPROVE)]),
        finished_run(),
        deleted(WAITS),
    ],
)
def test_i6_a_new_operator_decides_by_the_api_objects_alone(run: WorkflowRun) -> None:
    remembered = decide(run, view(run, APPROVE), executions(), NOON)
    asked = decide(run, Events(by_uid=view(run, APPROVE).by_uid), Executions(), NOON)
    listed = decide(run, view(run, APPROVE), executions(), NOON)

    assert listed == remembered
    assert every(Dispatch, asked.before) == []
    assert asked.before, "without workers and without a list there is something to ask for"


@pytest.mark.parametrize(
    ("created", "listed_at", "now", "winner"),
    [
        ("11:59", "11:30", "11:59:30", "event"),
        ("11:59", "12:10", "12:10", "event"),
        ("12:00", "12:10", "12:10", "event"),
        ("12:00:01", "12:10", "12:10", "timeout"),
        ("12:00:01", "12:00:00", "12:10", "list"),
        (None, "12:10", "12:10", "timeout"),
        (None, "12:00:00.999", "12:10", "list"),
        (None, "11:30", "12:00:00.999", "none"),
    ],
)
def test_i7_exactly_one_ends_a_wait(
    created: str | None, listed_at: str, now: str, winner: str
) -> None:
    run = waiting_run(deadline=NOON, timeout_step="remind")
    sent = [event("approve", created_at=at(created))] if created else []

    decision = decide(run, view(run, *sent, listed_at=at(listed_at)), executions(), at(now))

    ended = {
        "event": bool(every(Dispatch, decision.before)),
        "timeout": status_of(decision).wait is None,
        "list": ListEvents() in decision.before,
    }
    assert [who for who, did in ended.items() if did] == ([] if winner == "none" else [winner])


def test_i8_bad_input_is_told_and_the_run_goes_on_waiting() -> None:
    run = waiting_run(deadline=at("13:00"), timeout_step="remind")
    typo, unfit, good = event("aprove"), event("approve", "unfit"), event("approve", "good")
    first = written(run, decide(run, view(run, typo, unfit, good), executions(), NOON))
    refusal = executions(brought(execution(first, unfit), refused("n: not a number")))
    second = written(first, decide(first, view(first, unfit, good), refusal, NOON))

    decision = decide(second, view(second, good), executions(), NOON)

    rejected = (*first.status.settled, *second.status.settled)
    assert {each.phase for each in rejected} == {EventPhase.REJECTED}
    assert ["approve" in (each.message or "") for each in rejected] == [True, False]
    assert second.status.wait == run.status.wait
    assert [each.event for each in every(Dispatch, decision.before)] == [good]


def test_three_writes_an_event_and_the_two_of_the_operator_are_a_commit_and_a_settling() -> None:
    run = written(WAITS, decide(WAITS, view(WAITS), executions(), NOON))
    writes = 0

    arrived = decide(run, view(run, APPROVE), executions(), NOON)
    done = executions(brought(execution(run, APPROVE), WaitForEvent()))
    committed = decide(run, view(run, APPROVE), done, at("12:00:00.200"))
    writes += 1 + len(every(Settle, committed.after))
    after = written(run, committed)
    idle = decide(after, view(after), executions(), at("12:00:00.200"))

    assert (arrived.urgency, arrived.so_since) == (Urgency.FOR_PEOPLE, NOON)
    assert idle == Decision()
    assert writes == 2


def test_a_step_that_is_next_costs_no_write_of_its_own() -> None:
    done = executions(brought(execution(WAITS, APPROVE), NextStep(step="ship")))
    run = written(WAITS, decide(WAITS, view(WAITS, APPROVE), done, NOON))

    decision = decide(run, view(run), executions(), NOON)

    assert [each.name for each in every(Dispatch, decision.before)] == ["ship"]
    assert decision.status is None


def _item(name: str, event_name: str, revision: int) -> dict[str, object]:
    return {
        "metadata": {
            "name": name,
            "namespace": "shop",
            "uid": f"uid-of-{name}",
            "resourceVersion": str(revision),
            "creationTimestamp": "2026-11-23T11:00:00Z",
        },
        "spec": {"workflowId": "order", "eventName": event_name},
    }

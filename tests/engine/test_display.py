"""The readable part of a status: what it shows, when it is written, and what it does not cost."""

import pytest

from grctl.models import Complete, HandlerKind, RunPhase, RunStatus, WaitForEvent, WorkflowRun
from grctl_operator.engine import Decision, Dispatch, decide
from grctl_operator.engine.display import MAX_SHOWN_INBOX_ENTRIES
from grctl_operator.engine.urgency import SHOWN_AFTER, Urgency
from tests.engine.builders import (
    NOON,
    at,
    brought,
    crashed,
    event,
    every,
    execution,
    executions,
    failed,
    finished_run,
    many,
    new_run,
    refused,
    runs,
    seconds,
    shown,
    status_of,
    stepping_run,
    view,
    waiting_run,
    with_metadata,
    worker,
    written,
)


def conditions(status: RunStatus) -> dict[str, tuple[str, str]]:
    return {each.type: (each.status, each.reason) for each in status.conditions}


def test_a_view_for_people_is_due_after_a_quarter_of_a_second() -> None:
    run = stepping_run("ship")

    ship = runs(execution(run, "ship"), since=NOON)
    decision = decide(run, view(run), executions(ship), NOON)

    assert (decision.urgency, decision.so_since) == (Urgency.FOR_PEOPLE, NOON)
    assert status_of(decision).commits == run.status.commits


def test_a_handler_that_has_run_for_a_quarter_of_a_second_is_shown_at_once() -> None:
    run = stepping_run("ship")
    ship = runs(execution(run, "ship"), since=NOON - seconds(0.3))

    decision = decide(run, view(run), executions(ship), NOON)

    assert decision.so_since == NOON - seconds(0.3)
    assert decision.so_since + SHOWN_AFTER < NOON


def test_an_event_that_comes_while_a_shown_handler_runs_waits_for_its_quarter() -> None:
    run = stepping_run("ship")
    running = executions(runs(execution(run, "ship"), since=at("11:59")))
    seen = shown(run, view(run), running, NOON)

    decision = decide(seen, view(seen, event("approve")), running, NOON)

    assert (decision.urgency, decision.so_since) == (Urgency.FOR_PEOPLE, NOON)


def test_a_dispatch_is_looked_at_again_when_it_has_lasted() -> None:
    run = waiting_run()
    approve = event("approve")
    seen = shown(run, view(run, approve), executions(workers=[worker(free=0)]), NOON)

    decision = decide(seen, view(seen, approve), executions(), NOON)

    assert every(Dispatch, decision.before)
    assert decision.look_again_at == NOON + seconds(0.25)


def test_a_view_that_is_written_needs_no_other() -> None:
    run = waiting_run()
    events = view(run)
    seen = shown(run, events, executions(), NOON)

    assert decide(seen, view(seen), executions(), at("12:10")) == Decision()


def test_a_view_costs_no_write_when_a_commit_comes_first() -> None:
    run = stepping_run("ship")
    ship = runs(execution(run, "ship"), since=NOON)
    running = decide(run, view(run), executions(ship), NOON)
    done = executions(brought(execution(run, "ship"), WaitForEvent()))

    decision = decide(run, view(run), done, NOON + seconds(0.2))
    after = written(run, decision)

    assert (running.urgency, running.so_since) == (Urgency.FOR_PEOPLE, NOON)
    assert NOON + seconds(0.2) < NOON + SHOWN_AFTER
    assert decide(after, view(after), executions(), NOON + seconds(0.2)) == Decision()


def test_a_run_whose_handler_runs_says_where_and_since_when() -> None:
    run = stepping_run("ship")
    running = runs(execution(run, "ship", attempt=2), "w7", since=at("11:59:58.700"))

    status = status_of(decide(run, view(run), executions(running), NOON))

    assert status.step is not None
    assert status.phase is RunPhase.RUNNING
    assert (status.step.name, status.step.worker, status.step.attempt) == ("ship", "w7", 2)
    assert status.step.since == at("11:59:58")


def test_a_run_whose_start_handler_runs_says_when_it_started() -> None:
    run = new_run()

    status = status_of(
        decide(run, view(run), executions(runs(execution(run), since=at("11:59"))), NOON)
    )

    assert (status.message, status.started_at) == (
        "Runs the start handler on worker w1.",
        at("11:59"),
    )


def test_an_event_that_is_handled_is_the_step_and_not_in_the_inbox() -> None:
    run = waiting_run()
    approve, second = event("approve"), event("approve", "second")
    running = runs(execution(run, approve))

    status = status_of(decide(run, view(run, approve, second), executions(running), NOON))

    assert status.step is not None
    assert (status.step.event, status.step.kind) == ("approve", HandlerKind.EVENT)
    assert [each.name for each in status.inbox] == ["second"]
    assert status.inbox_length == 1


def test_a_worker_that_comes_back_late_does_not_turn_back_the_attempt() -> None:
    run = stepping_run("ship", attempt=2)
    first = runs(execution(run, "ship", "e1", attempt=1))
    second = runs(execution(run, "ship", "e2", attempt=2))

    decision = decide(run, view(run), executions(first, second), NOON)

    step = status_of(decision).step
    assert step is not None
    assert step.attempt == 2


def test_the_inbox_shows_its_head_and_its_length() -> None:
    run = stepping_run("ship")
    crowd = many("approve", MAX_SHOWN_INBOX_ENTRIES + 5)

    status = status_of(decide(run, view(run, *crowd), executions(), NOON))

    assert [each.name for each in status.inbox] == [
        each.name for each in crowd[:MAX_SHOWN_INBOX_ENTRIES]
    ]
    assert status.inbox_length == MAX_SHOWN_INBOX_ENTRIES + 5
    assert (status.inbox[0].event_name, status.inbox[0].since) == ("approve", at("11:00"))


def test_an_idle_wait_says_what_would_end_it() -> None:
    run = waiting_run(deadline=at("13:00"), timeout_step="remind")

    status = status_of(decide(run, view(run), executions(), NOON))

    assert (status.phase, status.step) == (RunPhase.WAIT_EVENT, None)
    assert status.message == (
        "Waits for an event: approve, reject. At 2026-11-23 13:00:00Z it goes on with remind."
    )


@pytest.mark.parametrize(
    "workers", [[], [worker(events=["reject", "approve"])], [worker(connected=False)]]
)
def test_the_message_of_an_idle_wait_stays_when_workers_come_and_go(workers: list[object]) -> None:
    run = waiting_run()
    seen = shown(run, view(run), executions(), NOON)

    changed = executions(workers=workers)  # type: ignore[arg-type]

    assert decide(seen, view(seen), changed, at("12:10")) == Decision()


def test_the_message_of_a_new_wait_is_made_anew() -> None:
    run = shown(waiting_run(), view(waiting_run()), executions(), NOON)
    approve = event("approve")
    done = brought(execution(run, approve), WaitForEvent())

    status = status_of(
        decide(run, view(run, approve), executions(done, workers=[worker(events=["refund"])]), NOON)
    )

    assert (status.message, status.event_names) == ("Waits for an event: refund.", ("refund",))


def test_without_a_worker_a_wait_names_no_event() -> None:
    run = waiting_run(status={"event_names": ()})

    status = status_of(decide(run, view(run), executions(workers=[]), NOON))

    assert (status.message, status.event_names) == ("Waits for an event.", ())


def test_an_idle_wait_shows_the_event_names_to_senders() -> None:
    run = waiting_run()

    status = status_of(decide(run, view(run), executions(), NOON))

    assert status.event_names == ("approve", "reject")


def test_a_wait_shows_no_more_event_names_than_a_status_may_hold() -> None:
    run = waiting_run()
    names = [f"e{number}" for number in range(1001)]
    workers = [worker(events=names[:600]), worker(events=names[600:])]

    status = status_of(decide(run, view(run), executions(workers=workers), NOON))

    assert (len(status.event_names), status.event_names[-1]) == (1000, "e999")


def test_a_wait_that_begins_without_a_worker_keeps_the_names_told_before() -> None:
    run = waiting_run(status={"event_names": ("approve",)})

    status = status_of(decide(run, view(run), executions(workers=[]), NOON))

    assert (status.message, status.event_names) == ("Waits for an event: approve.", ("approve",))


@pytest.mark.parametrize(
    ("run", "phase"),
    [
        (new_run(), RunPhase.PENDING),
        (stepping_run("ship"), RunPhase.RUNNING),
        (stepping_run("ship", attempt=2), RunPhase.RUNNING),
    ],
)
def test_a_run_that_goes_on_is_running_once_something_is_committed(
    run: WorkflowRun, phase: RunPhase
) -> None:
    assert status_of(decide(run, view(run), executions(), NOON)).phase is phase


def test_a_run_that_came_while_no_operator_was_up_is_shown_at_once() -> None:
    run = new_run()

    status = status_of(decide(run, view(run), executions(accepting_since=NOON), NOON))

    assert status.message == "Goes on with the start handler."


def test_a_shown_message_stays_while_workers_may_reconnect_to_a_new_operator() -> None:
    run = stepping_run("ship", since=at("11:59"))
    ship = execution(run, "ship")
    seen = shown(run, view(run), executions(runs(ship, since=at("11:59"))), at("11:59:01"))
    started = at("12:00")
    no_worker = executions(workers=[], accepting_since=started)
    back = executions(runs(ship, since=at("11:59")), accepting_since=started)

    assert decide(seen, view(seen), no_worker, started + seconds(1)).status is None
    assert decide(seen, view(seen), back, started + seconds(1)).status is None
    assert decide(seen, view(seen), no_worker, started + seconds(2)).status is not None


def test_a_new_run_without_a_worker_is_pending_and_says_why() -> None:
    run = new_run()

    status = status_of(decide(run, view(run), executions(workers=[]), NOON))

    assert status.phase is RunPhase.PENDING
    assert status.message == (
        'No worker serves workflow type "Order" in namespace "shop"; none is connected there.'
    )
    assert conditions(status)["Succeeded"] == ("Unknown", "NoWorker")


def test_a_run_that_goes_on_is_reconciling_and_not_stalled() -> None:
    for run in (new_run(), stepping_run(), waiting_run()):
        status = status_of(decide(run, view(run), executions(), NOON))
        kinds = {kind: state for kind, (state, _) in conditions(status).items()}
        assert kinds == {"Succeeded": "Unknown", "Reconciling": "True"}


@pytest.mark.parametrize(
    ("phase", "expected"),
    [
        (RunPhase.COMPLETED, {"Succeeded": ("True", "Completed")}),
        (RunPhase.CANCELLED, {"Succeeded": ("False", "Cancelled")}),
        (RunPhase.TERMINATED, {"Succeeded": ("False", "Terminated")}),
        (
            RunPhase.TIMED_OUT,
            {"Succeeded": ("False", "TimedOut"), "Stalled": ("True", "TimedOut")},
        ),
        (
            RunPhase.FAILED,
            {"Succeeded": ("False", "HandlerFailed"), "Stalled": ("True", "HandlerFailed")},
        ),
    ],
)
def test_the_conditions_of_a_finished_run(
    phase: RunPhase, expected: dict[str, tuple[str, str]]
) -> None:
    run = finished_run(phase)

    assert conditions(status_of(decide(run, view(run), executions(), NOON))) == expected


def test_the_conditions_come_with_the_commit_that_finishes() -> None:
    run = stepping_run("ship")
    done = brought(execution(run, "ship"), Complete())

    status = status_of(decide(run, view(run), executions(done), NOON))

    assert conditions(status)["Succeeded"] == ("True", "Completed")


def test_a_run_whose_handler_is_held_says_so_in_its_conditions() -> None:
    run = stepping_run("ship", attempt=5, backoff_limit=0)
    gone = crashed(execution(run, "ship", attempt=5))

    status = status_of(decide(run, view(run), executions(gone), NOON))

    assert conditions(status) == {
        "Succeeded": ("Unknown", "WorkerLost"),
        "Stalled": ("True", "WorkerLost"),
    }


def test_a_run_whose_input_does_not_fit_says_so_in_its_conditions() -> None:
    run = new_run()
    unfit = brought(execution(run), refused())

    status = status_of(decide(run, view(run), executions(unfit), NOON))

    assert conditions(status)["Succeeded"] == ("False", "BadInput")


def test_a_run_whose_outcome_cannot_be_kept_says_so_in_its_conditions() -> None:
    run = stepping_run("ship")
    unkept = brought(
        execution(run, "ship"), failed("BadOutcome", "no Directive", reason="BadOutcome")
    )

    status = status_of(decide(run, view(run), executions(unkept), NOON))

    assert conditions(status)["Succeeded"] == ("False", "BadOutcome")


def test_a_condition_keeps_the_time_at_which_its_status_changed() -> None:
    run = stepping_run("ship")
    seen = shown(run, view(run), executions(), at("11:00"))
    done = brought(execution(seen, "ship"), Complete())

    running = status_of(decide(seen, view(seen, event("approve")), executions(), NOON))
    finished = status_of(decide(seen, view(seen), executions(done), NOON))

    assert {each.last_transition_time for each in running.conditions} == {at("11:00")}
    assert {each.last_transition_time for each in finished.conditions} == {NOON}


def test_the_succeeded_condition_carries_the_message() -> None:
    run = waiting_run()

    status = status_of(decide(run, view(run), executions(), NOON))

    succeeded = next(each for each in status.conditions if each.type == "Succeeded")
    assert succeeded.message == status.message


def test_a_status_says_which_generation_of_the_spec_it_has_seen() -> None:
    run = with_metadata(waiting_run(), generation=4)

    assert status_of(decide(run, view(run), executions(), NOON)).observed_generation == 4

"""What is logged, counted and timed of each step, with clocks that the test moves."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from grctl.models import EventPhase, RunPhase, RunStatus
from grctl.models.meta import Condition
from grctl.models.phases import HandlerKind
from grctl.models.run import RunError, Settlement
from grctl.models.wire import Execution
from grctl_operator.engine.observation import Event, Key
from grctl_operator.runtime.people import journal as module
from grctl_operator.runtime.people.journal import Journal
from grctl_operator.runtime.people.metrics import Metrics

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
KEY = Key("shop", "order-1")
WAITED = "grctl_event_create_to_dispatch_seconds"
TOOK = "grctl_dispatch_to_commit_seconds"


class Desk:
    def __init__(self) -> None:
        self.metrics = Metrics()
        self.time = 0.0
        self.ahead = timedelta(0)
        self.journal = Journal(self.metrics, self.now, lambda: self.time)

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.time) + self.ahead

    def value(self, name: str, **labels: str) -> float:
        return self.metrics.value(name, **labels)


@pytest.fixture
def desk(caplog: pytest.LogCaptureFixture) -> Desk:
    caplog.set_level(logging.DEBUG)
    return Desk()


def event(uid: str = "e1", created: datetime = NOON) -> Event:
    return Event(uid, f"approve-{uid}", "approve", created, place=7, payload="secret")


def execution(name: str = "x1", attempt: int = 1, of: Event | None = None) -> Execution:
    return Execution(
        id=name,
        namespace="shop",
        workflow_id="order-1",
        workflow_type="Order",
        run_uid="u1",
        commits=1,
        handler_kind=HandlerKind.EVENT if of else HandlerKind.STEP,
        handler_name="approve" if of else "pay",
        attempt=attempt,
        event=of.name if of else None,
        event_uid=of.uid if of else None,
    )


def consuming(*events: Event, phase: EventPhase = EventPhase.PROCESSED) -> RunStatus:
    entries = tuple(
        Settlement(
            uid=each.uid,
            name=each.name,
            phase=phase,
            reason="Handled" if phase is EventPhase.PROCESSED else "UnknownEvent",
            sequence=number,
            at=NOON,
        )
        for number, each in enumerate(events, 1)
    )
    return RunStatus(phase=RunPhase.WAIT_EVENT, commits=2, settled=entries)


def fields(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    names = ("run", "event", "events", "execution", "attempt", "commits", "phase", "reason")
    return [
        {"message": record.getMessage()}
        | {name: vars(record)[name] for name in names if vars(record).get(name) is not None}
        for record in caplog.records
    ]


def test_the_three_steps_of_an_event_tell_one_story(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    approve = event()
    status = consuming(approve)
    desk.journal.dispatched(execution(of=approve), "worker-1", approve)
    desk.journal.committed(KEY, RunStatus(commits=1), status, [execution(of=approve)])
    desk.journal.settled(KEY, status.settled[0])
    story = {"run": "shop/order-1", "event": "approve-e1", "execution": "x1", "attempt": 1}
    assert fields(caplog) == [
        {"message": "dispatched", **story},
        {"message": "committed", **story, "commits": 2, "phase": "WaitEvent"},
        {
            "message": "settled",
            **story,
            "commits": 2,
            "phase": "Processed",
            "reason": "Handled",
        },
    ]


def at_least(level: int, caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno >= level]


def test_a_handler_is_one_record_at_the_default_level(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    approve = event()
    status = consuming(approve)
    desk.journal.dispatched(execution(of=approve), "worker-1", approve)
    desk.journal.committed(KEY, RunStatus(commits=1), status, [execution(of=approve)])
    desk.journal.settled(KEY, status.settled[0])
    assert at_least(logging.INFO, caplog) == ["committed"]


@pytest.mark.parametrize("phase", [EventPhase.REJECTED, EventPhase.FAILED])
def test_an_event_that_was_not_processed_is_told_at_the_default_level(
    desk: Desk, caplog: pytest.LogCaptureFixture, phase: EventPhase
) -> None:
    desk.journal.settled(KEY, consuming(event(), phase=phase).settled[0])
    assert at_least(logging.INFO, caplog) == ["settled"]


@pytest.mark.parametrize("phase", [RunPhase.FAILED, RunPhase.TIMED_OUT])
def test_a_run_that_did_not_complete_is_a_warning_with_its_reason(
    desk: Desk, caplog: pytest.LogCaptureFixture, phase: RunPhase
) -> None:
    succeeded = Condition(
        type="Succeeded",
        status="False",
        reason="HandlerFailed",
        message="start failed: secret",
        last_transition_time=datetime(2026, 1, 1, tzinfo=UTC),
    )
    failed = RunStatus(
        phase=phase,
        commits=1,
        conditions=(succeeded,),
        error=RunError(type="LookupError", message="secret"),
    )
    desk.journal.committed(KEY, RunStatus(), failed, [execution()])
    (record,) = caplog.records
    told = vars(record)
    assert (record.levelno, told["reason"], told["error"]) == (
        logging.WARNING,
        "HandlerFailed",
        "LookupError",
    )
    assert "secret" not in str(told)


def test_a_commit_without_an_execution_names_what_it_consumed(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    one, both = consuming(event()), consuming(event(), event("e2"))
    desk.journal.committed(KEY, RunStatus(commits=1), one, [])
    desk.journal.committed(KEY, RunStatus(commits=1), both, [])
    told = [{"event": each.get("event"), "events": each.get("events")} for each in fields(caplog)]
    assert told == [{"event": "approve-e1", "events": None}, {"event": None, "events": 2}]


def test_an_event_settled_for_an_operator_before_this_one_is_told_by_what_is_known(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    settlement = consuming(event(), phase=EventPhase.REJECTED).settled[0]
    desk.journal.settled(KEY, settlement)
    assert fields(caplog) == [
        {
            "message": "settled",
            "run": "shop/order-1",
            "event": "approve-e1",
            "phase": "Rejected",
            "reason": "UnknownEvent",
        }
    ]
    labels = {"phase": "Rejected", "reason": "UnknownEvent"}
    assert desk.value("grctl_events_settled_total", **labels) == 1


def test_an_event_that_was_seen_to_come_is_timed_below_a_second(desk: Desk) -> None:
    desk.journal.arrived("e1")
    desk.time = 0.02
    desk.journal.dispatched(execution(of=event()), "worker-1", event())
    assert desk.value(f"{WAITED}_sum") == pytest.approx(0.02)


def test_an_event_from_before_the_operator_is_timed_by_its_stamp_and_never_too_long(
    desk: Desk,
) -> None:
    desk.time = 60.0
    desk.journal.arrived("e1")
    desk.time = 60.5
    desk.journal.dispatched(execution(of=event()), "worker-1", event())
    assert desk.value(f"{WAITED}_sum") == pytest.approx(59.5)


def test_an_event_of_which_nothing_is_known_is_not_older_than_its_stamp_proves(desk: Desk) -> None:
    desk.time = 0.4
    desk.journal.dispatched(execution(of=event()), "worker-1", event())
    assert desk.value(f"{WAITED}_sum") == 0
    assert desk.value(f"{WAITED}_count") == 1


def test_further_attempts_do_not_count_as_waiting_for_the_first(desk: Desk) -> None:
    desk.journal.dispatched(execution("x1", 1, event()), "worker-1", event())
    desk.journal.dispatched(execution("x2", 2, event()), "worker-2", event())
    assert desk.value(f"{WAITED}_count") == 1


def test_an_execution_is_timed_from_its_dispatch_to_its_commit(desk: Desk) -> None:
    desk.journal.dispatched(execution(), "worker-1", None)
    desk.time = 0.3
    desk.ahead = timedelta(hours=1)  # a jump of the server's clock is no length of time
    desk.journal.committed(KEY, RunStatus(), consuming(), [execution()])
    assert desk.value(f"{TOOK}_sum", kind="step") == pytest.approx(0.3)


def test_an_execution_of_which_nothing_comes_is_told_with_the_reason(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    approve = event()
    desk.journal.dispatched(execution(of=approve), "worker-1", approve)
    desk.journal.void(execution(of=approve), "its worker was lost")
    assert fields(caplog)[1] == {
        "message": "void",
        "run": "shop/order-1",
        "event": "approve-e1",
        "execution": "x1",
        "attempt": 1,
    }
    assert vars(caplog.records[1])["why"] == "its worker was lost"


def test_an_execution_of_another_operator_is_not_timed(desk: Desk) -> None:
    desk.journal.committed(KEY, RunStatus(), consuming(), [execution()])
    assert desk.value(f"{TOOK}_count", kind="step") == 0


def test_what_it_remembers_is_bounded(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 2)
    for uid in ("e1", "e2", "e3"):
        desk.journal.arrived(uid)
    desk.time = 0.5
    for uid in ("e1", "e3"):
        desk.journal.dispatched(execution(uid, of=event(uid)), "worker-1", event(uid))
    assert desk.value(f"{WAITED}_sum") == pytest.approx(0.5)


def test_no_payload_is_logged(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    desk.journal.dispatched(execution(of=event()), "worker-1", event())
    assert "secret" not in str([vars(record) for record in caplog.records])


def test_of_several_outcomes_in_one_commit_each_event_names_its_own_execution(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = event("e1"), event("e2")
    status = consuming(one, two)
    done = [execution("x1", of=one), execution("x2", of=two)]

    desk.journal.committed(KEY, RunStatus(commits=1), status, done)
    for entry in status.settled:
        desk.journal.settled(KEY, entry)

    committed, first, second = fields(caplog)
    assert "execution" not in committed
    assert (first["execution"], second["execution"]) == ("x1", "x2")

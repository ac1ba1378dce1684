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
from grctl_operator.runtime.people import activity_log as module
from grctl_operator.runtime.people.activity_log import ActivityLog
from grctl_operator.runtime.people.metrics import Metrics

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
KEY = Key("shop", "order-1")
WAITED = "grctl_event_create_to_dispatch_seconds"
TOOK = "grctl_dispatch_to_commit_seconds"


class JournalParts:
    """An activity log, its metrics, and clocks that the test moves."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.time = 0.0
        self.ahead = timedelta(0)
        self.activity_log = ActivityLog(self.metrics, self.now, lambda: self.time)

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.time) + self.ahead

    def value(self, name: str, **labels: str) -> float:
        return self.metrics.value(name, **labels)


@pytest.fixture
def parts(caplog: pytest.LogCaptureFixture) -> JournalParts:
    caplog.set_level(logging.DEBUG)
    return JournalParts()


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


def test_the_records_of_one_event_name_the_same_run_event_and_execution(
    parts: JournalParts, caplog: pytest.LogCaptureFixture
) -> None:
    approve = event()
    status = consuming(approve)
    parts.activity_log.on_dispatch(execution(of=approve), "worker-1", approve)
    parts.activity_log.on_commit(KEY, RunStatus(commits=1), status, [execution(of=approve)])
    parts.activity_log.on_settle(KEY, status.settled[0])
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


def test_a_handler_has_one_record_at_the_default_level(
    parts: JournalParts, caplog: pytest.LogCaptureFixture
) -> None:
    approve = event()
    status = consuming(approve)
    parts.activity_log.on_dispatch(execution(of=approve), "worker-1", approve)
    parts.activity_log.on_commit(KEY, RunStatus(commits=1), status, [execution(of=approve)])
    parts.activity_log.on_settle(KEY, status.settled[0])
    assert at_least(logging.INFO, caplog) == ["committed"]


@pytest.mark.parametrize("phase", [EventPhase.REJECTED, EventPhase.FAILED])
def test_an_event_that_was_not_processed_has_a_record_at_the_default_level(
    parts: JournalParts, caplog: pytest.LogCaptureFixture, phase: EventPhase
) -> None:
    parts.activity_log.on_settle(KEY, consuming(event(), phase=phase).settled[0])
    assert at_least(logging.INFO, caplog) == ["settled"]


@pytest.mark.parametrize("phase", [RunPhase.FAILED, RunPhase.TIMED_OUT])
def test_a_run_that_did_not_complete_is_a_warning_with_its_reason(
    parts: JournalParts, caplog: pytest.LogCaptureFixture, phase: RunPhase
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
    parts.activity_log.on_commit(KEY, RunStatus(), failed, [execution()])
    (record,) = caplog.records
    recorded = vars(record)
    assert (record.levelno, recorded["reason"], recorded["error"]) == (
        logging.WARNING,
        "HandlerFailed",
        "LookupError",
    )
    assert "secret" not in str(recorded)


def test_a_commit_without_an_execution_names_what_it_consumed(
    parts: JournalParts, caplog: pytest.LogCaptureFixture
) -> None:
    one, both = consuming(event()), consuming(event(), event("e2"))
    parts.activity_log.on_commit(KEY, RunStatus(commits=1), one, [])
    parts.activity_log.on_commit(KEY, RunStatus(commits=1), both, [])
    recorded = [
        {"event": each.get("event"), "events": each.get("events")} for each in fields(caplog)
    ]
    assert recorded == [{"event": "approve-e1", "events": None}, {"event": None, "events": 2}]


def test_an_event_that_another_operator_consumed_is_recorded_with_the_known_fields(
    parts: JournalParts, caplog: pytest.LogCaptureFixture
) -> None:
    settlement = consuming(event(), phase=EventPhase.REJECTED).settled[0]
    parts.activity_log.on_settle(KEY, settlement)
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
    assert parts.value("grctl_events_settled_total", **labels) == 1


def test_an_event_whose_arrival_was_seen_is_timed_below_a_second(parts: JournalParts) -> None:
    parts.activity_log.on_arrival("e1")
    parts.time = 0.02
    parts.activity_log.on_dispatch(execution(of=event()), "worker-1", event())
    assert parts.value(f"{WAITED}_sum") == pytest.approx(0.02)


def test_an_event_from_before_the_operator_is_timed_by_its_stamp_and_never_too_long(
    parts: JournalParts,
) -> None:
    parts.time = 60.0
    parts.activity_log.on_arrival("e1")
    parts.time = 60.5
    parts.activity_log.on_dispatch(execution(of=event()), "worker-1", event())
    assert parts.value(f"{WAITED}_sum") == pytest.approx(59.5)


def test_an_event_whose_arrival_was_not_seen_is_as_old_as_its_stamp_proves(
    parts: JournalParts,
) -> None:
    parts.time = 0.4
    parts.activity_log.on_dispatch(execution(of=event()), "worker-1", event())
    assert parts.value(f"{WAITED}_sum") == 0
    assert parts.value(f"{WAITED}_count") == 1


def test_further_attempts_do_not_count_as_waiting_for_the_first(parts: JournalParts) -> None:
    parts.activity_log.on_dispatch(execution("x1", 1, event()), "worker-1", event())
    parts.activity_log.on_dispatch(execution("x2", 2, event()), "worker-2", event())
    assert parts.value(f"{WAITED}_count") == 1


def test_an_execution_is_timed_from_its_dispatch_to_its_commit(parts: JournalParts) -> None:
    parts.activity_log.on_dispatch(execution(), "worker-1", None)
    parts.time = 0.3
    parts.ahead = timedelta(hours=1)  # a jump of the server's clock changes no duration
    parts.activity_log.on_commit(KEY, RunStatus(), consuming(), [execution()])
    assert parts.value(f"{TOOK}_sum", kind="step") == pytest.approx(0.3)


def test_a_void_execution_is_recorded_with_the_reason(
    parts: JournalParts, caplog: pytest.LogCaptureFixture
) -> None:
    approve = event()
    parts.activity_log.on_dispatch(execution(of=approve), "worker-1", approve)
    parts.activity_log.on_void(execution(of=approve), "its worker was lost")
    assert fields(caplog)[1] == {
        "message": "void",
        "run": "shop/order-1",
        "event": "approve-e1",
        "execution": "x1",
        "attempt": 1,
    }
    assert vars(caplog.records[1])["why"] == "its worker was lost"


def test_an_execution_of_another_operator_is_not_timed(parts: JournalParts) -> None:
    parts.activity_log.on_commit(KEY, RunStatus(), consuming(), [execution()])
    assert parts.value(f"{TOOK}_count", kind="step") == 0


def test_the_number_of_remembered_steps_is_bounded(
    parts: JournalParts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_STEPS_REMEMBERED", 2)
    for uid in ("e1", "e2", "e3"):
        parts.activity_log.on_arrival(uid)
    parts.time = 0.5
    for uid in ("e1", "e3"):
        parts.activity_log.on_dispatch(execution(uid, of=event(uid)), "worker-1", event(uid))
    assert parts.value(f"{WAITED}_sum") == pytest.approx(0.5)


def test_no_payload_is_logged(parts: JournalParts, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    parts.activity_log.on_dispatch(execution(of=event()), "worker-1", event())
    assert "secret" not in str([vars(record) for record in caplog.records])


def test_each_event_of_a_commit_of_several_outcomes_names_its_own_execution(
    parts: JournalParts, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = event("e1"), event("e2")
    status = consuming(one, two)
    done = [execution("x1", of=one), execution("x2", of=two)]

    parts.activity_log.on_commit(KEY, RunStatus(commits=1), status, done)
    for entry in status.settled:
        parts.activity_log.on_settle(KEY, entry)

    committed, first, second = fields(caplog)
    assert "execution" not in committed
    assert (first["execution"], second["execution"]) == ("x1", "x2")

"""WorkflowRun and WorkflowEvent: what a reader refuses, and what counts follow from events."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from grctl.models import (
    FINALIZER,
    EventCounts,
    EventPhase,
    EventSpec,
    RunSpec,
    WorkflowEvent,
    WorkflowRun,
    WorkflowSpec,
)
from grctl.models.meta import ObjectMeta

SPEC = RunSpec(workflow=WorkflowSpec(type="Order"))


@pytest.mark.parametrize(
    ("phase", "counts"),
    [
        (EventPhase.PROCESSED, EventCounts(processed=2, failed=1, rejected=1)),
        (EventPhase.FAILED, EventCounts(processed=1, failed=2, rejected=1)),
        (EventPhase.REJECTED, EventCounts(processed=1, failed=1, rejected=2)),
    ],
)
def test_an_event_is_counted_by_its_phase(phase: EventPhase, counts: EventCounts) -> None:
    before = EventCounts(processed=1, failed=1, rejected=1)

    assert before.count(phase) == counts
    assert before.count(phase).total == before.total + 1


def test_a_run_with_our_finalizer_is_held() -> None:
    metadata = ObjectMeta(name="order", finalizers=("other/finalizer", FINALIZER))

    assert WorkflowRun(metadata=metadata, spec=SPEC).held


def test_a_run_with_a_deletion_timestamp_is_being_deleted() -> None:
    metadata = ObjectMeta(name="order", deletion_timestamp=datetime(2026, 11, 23, tzinfo=UTC))

    assert WorkflowRun(metadata=metadata, spec=SPEC).deleting


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"workflow": {}},
        {"workflow": {"type": ""}},
        {"workflow": {"type": "x" * 254}},
        {"workflow": {"type": "Order"}, "cancel": "perhaps"},
    ],
)
def test_a_spec_that_the_api_server_refuses_is_refused_here(spec: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        RunSpec.model_validate(spec)


@pytest.mark.parametrize("missing", ["workflowId", "eventName"])
def test_an_event_names_its_run_and_its_handler(missing: str) -> None:
    spec = {"workflowId": "order", "eventName": "approve"}
    del spec[missing]

    with pytest.raises(ValidationError, match=missing):
        EventSpec.model_validate(spec)


def test_an_event_without_a_status_waits() -> None:
    event = WorkflowEvent.model_validate(
        {
            "metadata": {"name": "approve-1"},
            "spec": {"workflowId": "order", "eventName": "approve", "payload": False},
        }
    )

    assert event.status.phase is EventPhase.PENDING
    assert event.spec.payload is False

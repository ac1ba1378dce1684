"""RunInfo: the information that a run's object holds."""

from datetime import UTC, datetime

from grctl.models import EventCounts, HandlerKind, RunError, RunInfo, RunPhase, WorkflowRun

CREATED = "2026-11-23T12:00:00Z"


def run_with(**status: object) -> WorkflowRun:
    return WorkflowRun.model_validate(
        {
            "metadata": {
                "name": "order",
                "namespace": "shop",
                "uid": "u1",
                "creationTimestamp": CREATED,
            },
            "spec": {"workflow": {"type": "Order"}},
            "status": status,
        }
    )


def test_a_run_info_names_its_run() -> None:
    info = RunInfo.of(run_with())

    assert (info.workflow_id, info.workflow_type, info.namespace, info.uid) == (
        "order",
        "Order",
        "shop",
        "u1",
    )
    assert info.created_at == datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_a_run_that_nobody_has_touched_is_pending() -> None:
    info = RunInfo.of(run_with())

    assert (info.phase, info.message, info.store) == (RunPhase.PENDING, "", {})
    assert (info.step, info.wait, info.result, info.error) == (None, None, None, None)
    assert (info.started_at, info.finished_at) == (None, None)


def test_a_run_info_has_the_runs_phase_step_and_wait() -> None:
    info = RunInfo.of(
        run_with(
            phase="Running",
            message="Runs step handler ship on worker w1.",
            startedAt="2026-11-23T12:00:01Z",
            step={"name": "ship", "kind": "step", "worker": "w1", "since": CREATED},
            wait={"since": CREATED},
            eventNames=["approve", "reject"],
            inboxLength=2,
            events={"processed": 3, "rejected": 1},
            store={"n": 1},
        )
    )

    assert info.step is not None
    assert (info.phase, info.step.name, info.step.kind) == (
        RunPhase.RUNNING,
        "ship",
        HandlerKind.STEP,
    )
    assert info.wait is not None
    assert info.started_at == datetime(2026, 11, 23, 12, 0, 1, tzinfo=UTC)
    assert info.event_names == ("approve", "reject")
    assert (info.inbox_length, info.store) == (2, {"n": 1})
    assert info.events == EventCounts(processed=3, rejected=1)


def test_a_run_info_shows_how_the_run_ended() -> None:
    done = RunInfo.of(run_with(phase="Completed", result=[1], finishedAt=CREATED))
    failed = RunInfo.of(run_with(phase="Failed", error={"type": "ValueError", "message": "no"}))

    assert (done.phase, done.result) == (RunPhase.COMPLETED, [1])
    assert done.finished_at == datetime(2026, 11, 23, 12, tzinfo=UTC)
    assert failed.error == RunError(type="ValueError", message="no")

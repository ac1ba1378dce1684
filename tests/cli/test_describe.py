import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from grctl.cli.describing import text_of
from grctl.kube import RUNS, Api, Connection
from grctl.models import RunInfo, WorkflowEvent, WorkflowRun
from tests.cli.conftest import Grctl

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
METADATA = {"name": "order-abc", "namespace": "shop", "creationTimestamp": NOON.isoformat()}
LATER = NOON + timedelta(minutes=5)


def info(**status: Any) -> RunInfo:
    spec = {"workflow": {"type": "ProcessOrder"}}
    run = {"metadata": METADATA, "spec": spec, "status": {"startedAt": NOON.isoformat(), **status}}
    return RunInfo.of(WorkflowRun.model_validate(run))


def event(name: str, **status: Any) -> WorkflowEvent:
    spec = {"workflowId": "order-abc", "eventName": name}
    metadata = METADATA | {"name": f"order-abc-{name}"}
    return WorkflowEvent.model_validate({"metadata": metadata, "spec": spec, "status": status})


def test_a_waiting_run_shows_its_deadline_its_store_and_its_events() -> None:
    wait = {
        "since": NOON.isoformat(),
        "deadline": (NOON + timedelta(hours=24)).isoformat(),
        "timeoutStep": "auto_approve",
    }
    waiting = info(
        phase="WaitEvent",
        message="Waits for an event: approve.",
        wait=wait,
        store={"order_id": "abc", "qty": 3},
        events={"processed": 1, "rejected": 1},
        inboxLength=1,
    )
    events = [
        event("note", phase="Processed", reason="Handled", sequence=1),
        event("aprove", phase="Rejected", message='It has "approve".', sequence=2),
        event("approve"),
    ]
    assert text_of(waiting, events, LATER).splitlines() == [
        "Run        order-abc (namespace shop)",
        "Workflow   ProcessOrder",
        "Phase      WaitEvent",
        "Message    Waits for an event: approve.",
        "Created    2026-11-23 12:00:00 UTC (5m ago)",
        "Waits      since 2026-11-23 12:00:00 UTC (5m ago)",
        "Until      2026-11-24 12:00:00 UTC (in 23h55m), then step auto_approve",
        "Events     1 processed, 1 rejected, 1 waiting",
        'Store      order_id = "abc"',
        "           qty      = 3",
        "",
        "Events",
        "  1  note     Processed",
        '  2  aprove   Rejected   It has "approve".',
        "  -  approve  Pending",
    ]


def test_a_failed_run_shows_its_error_with_the_stack_trace() -> None:
    failed = info(
        phase="Failed",
        message="Failed: ValueError: no stock",
        finishedAt=LATER.isoformat(),
        error={"type": "ValueError", "message": "no stock", "stackTrace": "File a\n  line\n"},
    )
    lines = text_of(failed, [], LATER + timedelta(hours=2)).splitlines()
    assert "Finished   2026-11-23 12:05:00 UTC (2h ago), after 5m" in lines
    assert lines[-3:] == [
        "Error      ValueError: no stock",
        "           File a",
        "             line",
    ]


def test_a_running_run_shows_what_runs_where_and_which_attempt() -> None:
    step = {"name": "pay", "kind": "step", "attempt": 2, "worker": "vm", "since": NOON.isoformat()}
    lines = text_of(info(phase="Running", step=step), [], LATER).splitlines()
    assert (
        "Runs       step handler pay on vm, attempt 2, since 2026-11-23 12:00:00 UTC (5m ago)"
        in lines
    )


def test_a_result_of_any_json_is_shown() -> None:
    done = info(phase="Completed", result={"long": "x" * 200})
    assert '             "long": "xxx' in text_of(done, [], LATER)
    assert "Result     false" in text_of(info(phase="Completed", result=False), [], LATER)


def test_of_many_events_the_last_are_shown() -> None:
    events = [event(f"e{n}", phase="Processed", reason="Handled", sequence=n) for n in range(1, 15)]
    lines = text_of(info(), events, LATER).splitlines()
    assert "Last 10 events (4 earlier: kubectl get wfe)" in lines
    assert lines[-1] == "  14  e14  Processed"


def set_result(kubeconfig: Path, name: str, result: Any) -> None:
    async def write() -> None:
        async with Api(await Connection.find(kubeconfig)) as api:
            run = await api.get(RUNS.path("default", name))
            status = {"phase": "Completed", "result": result}
            await api.replace(RUNS.path("default", name, "status"), run | {"status": status})

    asyncio.run(write())


@pytest.mark.parametrize(("output", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_programs_can_read_it(grctl: Grctl, kubeconfig: Path, output: str, read: Any) -> None:
    grctl("start", "ProcessOrder", "order-1")
    grctl("send", "order-1", "approve", "--name", "once")
    set_result(kubeconfig, "order-1", ["é", 1])
    described = read(grctl("describe", "order-1", "-o", output).output)
    assert (described["phase"], described["result"]) == ("Completed", ["é", 1])
    assert described["recentEvents"] == [
        {"name": "once", "eventName": "approve", "phase": "Pending"}
    ]


@pytest.mark.usefixtures("kubeconfig")
def test_people_can_read_it(grctl: Grctl) -> None:
    grctl("start", "ProcessOrder", "order-1")
    assert "Phase      Pending" in grctl("describe", "order-1").output


@pytest.mark.usefixtures("kubeconfig")
def test_a_run_that_is_not_there_is_told(grctl: Grctl) -> None:
    done = grctl("describe", "order-1")
    assert done.exit_code == 1
    assert done.stderr.startswith("grctl: There is no run of 'order-1' in namespace 'default'")

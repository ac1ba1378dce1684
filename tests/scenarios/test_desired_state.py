"""The desired state of a run: it ends in time or at once, and finished things are removed."""

import secrets
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from grctl.client import (
    WorkflowCancelledError,
    WorkflowHandle,
    WorkflowTerminatedError,
    WorkflowTimedOutError,
)
from grctl.kube import EVENTS, RUNS
from grctl.models import EventPhase, EventReason, RunPhase
from tests.lab.lab import Lab
from tests.lab.manifests import run_manifest
from tests.lab.waiting import eventually
from tests.scenarios.api_time import ApiTime

if TYPE_CHECKING:
    from grctl.models import RunStatus

PATIENCE = timedelta(seconds=45)
SECOND = timedelta(seconds=1)
KEPT = 5
SENT = 30


@pytest.fixture
def order() -> str:
    """An id of this test's own."""
    return f"order-{secrets.token_hex(3)}"


async def _start_step(lab: Lab, order: str) -> WorkflowHandle:
    """Start a run whose step waits at its gate, and send another event."""
    handle = await lab.start(order)
    await handle.send("step_at", order)
    await eventually(lambda: lab.gate(order).is_reached, f"{order} is at its gate")
    await handle.send("append", "waits", name=f"{order}-waits")
    return handle


async def _wait_for_end(lab: Lab, order: str, phase: RunPhase) -> "RunStatus":
    """Wait until a run has finished in a phase, and return its status."""
    run = await lab.until_run(order, lambda run: run.status.phase.finished)
    assert run.status.phase is phase
    return run.status


async def _check_waiting_event_is_rejected(lab: Lab, order: str) -> None:
    await eventually(lambda: _is_settled(lab, f"{order}-waits"), f"{order}-waits is settled")
    status = (await lab.event(f"{order}-waits")).status
    assert (status.phase, status.reason) == (EventPhase.REJECTED, EventReason.RUN_FINISHED)


async def _is_settled(lab: Lab, event: str) -> bool:
    return (await lab.event(event)).status.phase.settled


async def test_a_run_cancelled_in_a_step_ends_after_the_step(shared_lab: Lab, order: str) -> None:
    handle = await _start_step(shared_lab, order)
    told = await shared_lab.grctl("cancel", order)
    assert order in told
    assert not (await handle.describe()).phase.finished
    assert not shared_lab.gate(f"{order}-cancelled").is_open
    shared_lab.gate(order).open()
    with pytest.raises(WorkflowCancelledError, match="after gated_step"):
        await handle.result(PATIENCE)
    status = await _wait_for_end(shared_lab, order, RunPhase.CANCELLED)
    assert status.store["passed"] == order, "what the step did is kept"
    await _check_waiting_event_is_rejected(shared_lab, order)


async def test_a_run_cancelled_while_it_handles_an_event_keeps_the_outcome(
    shared_lab: Lab, order: str
) -> None:
    handle = await shared_lab.start(order)
    sent = await handle.send("gated", order)
    await eventually(lambda: shared_lab.gate(order).is_reached, f"{order} is at its gate")
    patch = '{"spec":{"cancel":true}}'
    await shared_lab.kubectl("patch", "wfr", order, "--type=merge", "-p", patch)
    shared_lab.gate(order).open()
    assert (await sent.settled(PATIENCE)).phase is EventPhase.PROCESSED
    status = await _wait_for_end(shared_lab, order, RunPhase.CANCELLED)
    assert status.store["payloads"] == [order]


async def test_a_run_terminated_in_a_step_ends_at_once_and_aborts_the_handler(
    shared_lab: Lab, order: str
) -> None:
    handle = await _start_step(shared_lab, order)
    await handle.terminate()
    with pytest.raises(WorkflowTerminatedError, match="Terminated by spec"):
        await handle.result(PATIENCE)
    aborted = shared_lab.gate(f"{order}-cancelled")
    await eventually(lambda: aborted.is_open, "the handler was cancelled")
    status = await _wait_for_end(shared_lab, order, RunPhase.TERMINATED)
    assert "passed" not in status.store, "what the step did is void"
    await _check_waiting_event_is_rejected(shared_lab, order)


async def test_a_run_terminated_while_it_handles_an_event_rejects_the_event(
    shared_lab: Lab, order: str
) -> None:
    handle = await shared_lab.start(order)
    sent = await handle.send("gated", order)
    await eventually(lambda: shared_lab.gate(order).is_reached, f"{order} is at its gate")
    told = await shared_lab.grctl("terminate", order, "--wait")
    assert "Terminated" in told
    status = await sent.settled(PATIENCE)
    assert (status.phase, status.reason) == (EventPhase.REJECTED, EventReason.RUN_FINISHED)
    assert (await shared_lab.run(order)).status.store == {}
    shared_lab.gate(order).open()


async def test_a_run_that_takes_too_long_times_out_in_a_wait(shared_lab: Lab, order: str) -> None:
    handle = await shared_lab.client.start_workflow(
        workflow_type="Append", workflow_id=order, workflow_timeout=2 * SECOND
    )
    with pytest.raises(WorkflowTimedOutError, match="It did not finish within 2s"):
        await handle.result(PATIENCE)
    run = await shared_lab.run(order)
    assert run.status.finished_at is not None
    assert run.metadata.creation_timestamp is not None
    assert run.status.finished_at - run.metadata.creation_timestamp >= 2 * SECOND


async def test_a_run_that_takes_too_long_times_out_in_a_step(shared_lab: Lab, order: str) -> None:
    manifest = run_manifest(order, timeout="2s")
    await shared_lab.kubectl("apply", "-f", "-", stdin=manifest)
    handle = await shared_lab.client.get_workflow_handle(workflow_id=order)
    await handle.send("step_at", order)
    with pytest.raises(WorkflowTimedOutError):
        await handle.result(PATIENCE)
    status = await _wait_for_end(shared_lab, order, RunPhase.TIMED_OUT)
    assert "passed" not in status.store
    if shared_lab.gate(order).is_reached:
        aborted = shared_lab.gate(f"{order}-cancelled")
        await eventually(lambda: aborted.is_open, "the handler was cancelled")
    shared_lab.gate(order).open()


async def test_a_finished_run_is_deleted_after_its_ttl_and_not_before(
    shared_lab: Lab, order: str
) -> None:
    handle = await shared_lab.client.start_workflow(
        workflow_type="Append", workflow_id=order, ttl_after_finished=2 * SECOND
    )
    sent = await handle.send("done")
    assert await handle.result(PATIENCE) == 1
    finished = (await shared_lab.run(order)).status.finished_at
    assert finished is not None
    await shared_lab.until_gone(RUNS, order)
    async with ApiTime.of(shared_lab.kubeconfig) as clock:
        assert await clock.now() >= finished + 2 * SECOND
    await shared_lab.until_gone(EVENTS, sent.name)


async def test_the_ttl_of_a_finished_run_can_be_set_later(shared_lab: Lab, order: str) -> None:
    handle = await shared_lab.start(order)
    await handle.send("done")
    await handle.result(PATIENCE)
    patch = '{"spec":{"ttlSecondsAfterFinished":0}}'
    await shared_lab.kubectl("patch", "wfr", order, "--type=merge", "-p", patch)
    await shared_lab.until_gone(RUNS, order)


async def test_the_newest_settled_events_are_kept(lab: Lab) -> None:
    await lab.start_both()
    handle = await lab.client.start_workflow(
        workflow_type="Append", workflow_id="order", keep_events=KEPT
    )
    for number in range(SENT):
        await handle.send("append", number)
    run = await lab.until_run("order", lambda run: run.status.events.processed == SENT)
    assert run.status.store["payloads"] == list(range(SENT))
    await eventually(lambda: _kept(lab, KEPT), f"{KEPT} events are left")
    left = (await lab.api.get(EVENTS.path(lab.namespace)))["items"]
    numbers = sorted(item["status"]["sequence"] for item in left)
    assert numbers == list(range(SENT - KEPT + 1, SENT + 1))


async def _kept(lab: Lab, count: int) -> bool:
    return len((await lab.api.get(EVENTS.path(lab.namespace)))["items"]) == count

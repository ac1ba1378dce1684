"""Handlers that fail, take too long or lose their workers are held until a person acts."""

from grctl.models import EventPhase, RunPhase
from grctl.models.reasons import RunReason
from grctl.models.run import Stall
from tests.history.executions import read_executions
from tests.lab.durable import HANDLER_ATTEMPTS
from tests.lab.lab import Lab
from tests.lab.service import RefusedError
from tests.scenarios.durable.acting import act, result, until_begun, until_held

RETRY = '{"spec":{"retry":1}}'


async def stall(lab: Lab) -> Stall:
    """Wait until the run is held, and return why."""
    run = await until_held(lab)
    assert run.status.step is not None
    assert run.status.step.stall is not None
    conditions = {each.type: each for each in run.status.conditions}
    assert conditions["Stalled"].status == "True"
    assert conditions["Stalled"].reason == run.status.step.stall.reason
    assert not run.status.phase.finished
    return run.status.step.stall


async def test_a_held_run_goes_on_by_grctl_retry_and_repeats_no_finished_task(lab: Lab) -> None:
    await lab.start_both()
    lab.service.fail("book", HANDLER_ATTEMPTS)
    handle = await act(lab, "three", "act_or_hold")
    held = await stall(lab)
    assert held.reason == RunReason.HANDLER_FAILED
    assert (
        "act_or_hold failed 2 times (tests.lab.service.ServiceError: book-2 failed)" in held.message
    )
    assert "grctl retry a" in held.message
    behind = await handle.send("act", "none")
    await lab.grctl("retry", "a")
    assert await result(lab) is not None
    assert (await behind.settled()).phase is EventPhase.PROCESSED
    assert lab.service.begun == {"charge": 1, "book": HANDLER_ATTEMPTS + 1, "mail it": 1}


async def test_a_held_run_goes_on_by_kubectl_patch(lab: Lab) -> None:
    await lab.start_both()
    lab.service.fail("charge", HANDLER_ATTEMPTS, RefusedError)
    await act(lab, "one", "act_or_hold")
    await stall(lab)
    await lab.kubectl("patch", "wfr", "a", "--type=merge", "-p", RETRY)
    assert await result(lab) == [f"charge-{HANDLER_ATTEMPTS + 1}"]
    run = await lab.run("a")
    assert run.status.observed_retry == 1
    assert not run.status.step or not run.status.step.failures


async def test_a_held_run_can_be_cancelled(lab: Lab) -> None:
    await lab.start_both()
    lab.service.fail("charge", HANDLER_ATTEMPTS, RefusedError)
    await act(lab, "one", "act_or_hold")
    await stall(lab)
    await lab.grctl("cancel", "a")
    await lab.until_run("a", lambda run: run.status.phase is RunPhase.CANCELLED)


async def test_a_handler_that_waits_too_long_is_aborted(lab: Lab) -> None:
    await lab.start_both()
    lab.service.hold("charge")
    await act(lab, "one", "act_in_time")
    held = await stall(lab)
    assert "HandlerTimedOut" in held.message
    lab.service.release("charge")
    await lab.grctl("retry", "a")
    assert await result(lab) == ["charge-2"]


async def test_lost_workers_end_in_a_hold_and_only_for_the_run_that_loses_them(lab: Lab) -> None:
    _, worker = await lab.start_both()
    beside = await lab.start("beside")
    await (await beside.send("append", "here")).settled()
    lab.service.hold("charge")
    await act(lab, "two")
    await lab.kubectl("patch", "wfr", "a", "--type=merge", "-p", '{"spec":{"backoffLimit":1}}')
    for attempt in (1, 2):
        await until_begun(lab, "charge", attempt)
        worker.kill()
        worker.start()
    held = await stall(lab)
    assert held.reason == RunReason.WORKER_LOST
    await beside.send("done")
    assert await beside.result() == 2
    lab.service.release("charge")
    await lab.grctl("retry", "a")
    assert await result(lab) == ["charge-3", "book-1"]


async def test_a_handler_that_blocks_its_loop_too_long_is_named_and_not_run_twice(
    lab: Lab,
) -> None:
    _, worker = await lab.start_both()
    gate = lab.gate("blocked")
    await act(lab, "blocked", "act_in_time")
    held = await stall(lab)
    assert "HandlerTimedOut" in held.message
    assert len(read_executions(lab.directory)) == 2, "the start handler and one attempt"
    gate.open()
    await lab.grctl("retry", "a")
    assert await result(lab) == []
    assert "event loop blocked" in worker.log

"""A worker has other code than the one that recorded: visible, and without a second side effect."""

import pytest

from grctl.models.reasons import RunReason
from tests.lab.durable import CODE_VARIABLE, OTHER_ARGUMENTS, OTHER_ORDER
from tests.lab.lab import Lab
from tests.scenarios.durable.acting import act, result, until_begun, until_held

PATIENCE_S = 90.0


@pytest.mark.parametrize("code", [OTHER_ARGUMENTS, OTHER_ORDER])
async def test_other_code_is_held_without_a_call_until_the_right_code_is_back(
    lab: Lab, code: str
) -> None:
    _, worker = await lab.start_both()
    lab.service.hold("book")
    await act(lab, "three")
    await until_begun(lab, "book")
    worker.kill()
    lab.service.release("book")
    lab.variables[CODE_VARIABLE] = code
    other = await lab.worker(name="other").start().until_logged("connected")
    run = await until_held(lab)
    assert run.status.step is not None
    assert run.status.step.stall is not None
    assert run.status.step.stall.reason == RunReason.NON_DETERMINISTIC
    message = run.status.step.stall.message
    assert "charge" in message
    assert "grctl retry a" in message
    assert lab.service.begun == {"charge": 1, "book": 1}
    other.kill()
    await worker.start().until_logged("connected")
    await lab.grctl("retry", "a")
    assert await result(lab) == ["charge-1", "book-2", "mail it-1"]
    assert lab.service.begun == {"charge": 1, "book": 2, "mail it": 1}


async def test_a_worker_with_the_right_code_takes_over_without_a_person(lab: Lab) -> None:
    """In a rolling update the next attempt may come to a worker that fits."""
    _, worker = await lab.start_both()
    lab.service.hold("book")
    await act(lab, "three")
    await until_begun(lab, "book")
    worker.kill()
    lab.service.release("book")
    lab.variables[CODE_VARIABLE] = OTHER_ORDER
    other = await lab.worker(name="other").start().until_logged("connected")
    await lab.until_run("a", lambda run: bool(run.status.step and run.status.step.misfits))
    other.kill()
    worker.start()
    assert await result(lab) == ["charge-1", "book-2", "mail it-1"]
    assert lab.service.begun == {"charge": 1, "book": 2, "mail it": 1}

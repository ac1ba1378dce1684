"""A worker is killed at a certain moment, and only what was not recorded runs again.

A task that is held has begun, so everything before it is durable: that is the barrier.
"""

from itertools import pairwise

import pytest

from tests.lab.durable import FLAKY_ATTEMPTS, FLAKY_DELAY_MS, PARTS_COUNT
from tests.lab.lab import Lab
from tests.lab.service import RefusedError, ServiceError
from tests.scenarios.durable.acting import (
    ACT_IN,
    act,
    entries_of,
    result,
    until_begun,
    until_ended,
    until_recorded,
)

DELAY_S = FLAKY_DELAY_MS / 1000


@pytest.mark.parametrize("handler", ACT_IN)
async def test_a_kill_after_the_first_of_three_tasks_repeats_only_the_others(
    lab: Lab, handler: str
) -> None:
    _, worker = await lab.start_both()
    lab.service.hold("book")
    await act(lab, "three", ACT_IN[handler])
    await until_begun(lab, "book")
    worker.kill()
    lab.service.release("book")
    worker.start()
    assert await result(lab) == ["charge-1", "book-2", "mail it-1"]
    assert lab.service.begun == {"charge": 1, "book": 2, "mail it": 1}


async def test_a_task_that_a_kill_interrupts_is_called_again_with_the_same_key(lab: Lab) -> None:
    _, worker = await lab.start_both()
    lab.service.hold("charge")
    await act(lab, "one")
    await until_begun(lab, "charge")
    worker.kill()
    lab.service.release("charge")
    worker.start()
    assert await result(lab) == ["charge-2"]
    first, second = lab.service.keys("charge")
    assert first == second
    assert (await lab.run("a")).status.commits == 2, "the start and the event"


async def test_a_kill_between_two_attempts_keeps_the_count_and_the_pause(lab: Lab) -> None:
    _, worker = await lab.start_both()
    lab.service.fail("flaky", FLAKY_ATTEMPTS)
    await act(lab, "caught")
    await until_recorded(lab, 1)
    worker.kill()
    worker.start()
    assert await result(lab) == ["ServiceError", "mail failed-1"]
    assert lab.service.begun["flaky"] == FLAKY_ATTEMPTS
    pauses = [later - earlier for earlier, later in pairwise(lab.service.times("flaky"))]
    assert min(pauses) >= DELAY_S, pauses


async def test_a_gather_that_is_killed_repeats_only_what_was_not_recorded(lab: Lab) -> None:
    _, worker = await lab.start_both()
    names = [f"part {number}" for number in range(PARTS_COUNT)]
    quick, slow = names[::2], names[1::2]
    lab.service.hold(*slow)
    await act(lab, "parts")
    await until_recorded(lab, len(quick))
    for name in slow:
        await until_begun(lab, name)
    worker.kill()
    lab.service.release(*slow)
    worker.start()
    assert await result(lab) == [f"{name}-{1 if name in quick else 2}" for name in names], (
        "each part has its own result"
    )
    assert {lab.service.begun[name] for name in quick} == {1}
    assert {lab.service.begun[name] for name in slow} == {2}


@pytest.mark.parametrize(
    ("body", "task", "kind"),
    [("caught", "flaky", ServiceError), ("refused", "charge", RefusedError)],
    ids=["after retries", "at once"],
)
async def test_a_final_failure_that_was_caught_leads_to_the_same_branch_without_a_call(
    lab: Lab, body: str, task: str, kind: type[Exception]
) -> None:
    _, worker = await lab.start_both()
    lab.service.fail(task, FLAKY_ATTEMPTS, kind)
    mail = "mail failed" if body == "caught" else "mail refused"
    lab.service.hold(mail)
    await act(lab, body)
    await until_begun(lab, mail)
    calls = lab.service.begun[task]
    worker.kill()
    lab.service.fail(task, 0)
    lab.service.release(mail)
    worker.start()
    found = await result(lab)
    assert (found[0], found[-1]) == (kind.__name__, f"{mail}-2")
    assert lab.service.begun[task] == calls


async def test_a_task_that_runs_once_is_interrupted_instead_of_called_again(lab: Lab) -> None:
    _, worker = await lab.start_both()
    lab.service.hold("wire")
    await act(lab, "wired")
    await until_begun(lab, "wire")
    assert len(entries_of(await lab.run("a"))) == 1, "its beginning is durable before it begins"
    worker.kill()
    lab.service.release("wire")
    worker.start()
    assert await result(lab) == ["TaskInterruptedError"]
    assert lab.service.begun["wire"] == 1


async def test_a_handler_killed_after_its_last_task_repeats_no_other_task(lab: Lab) -> None:
    """The last record is written lazily: its task may run again, and the first one does not."""
    _, worker = await lab.start_both()
    lab.service.hold("mail charge-1")
    await act(lab, "told")
    await until_begun(lab, "mail charge-1")
    lab.service.release("mail charge-1")
    await until_ended(lab, "mail charge-1")
    worker.kill()
    worker.start()
    found = await result(lab)
    assert found in (["mail charge-1-1"], ["mail charge-1-2"])
    assert lab.service.begun["charge"] == 1

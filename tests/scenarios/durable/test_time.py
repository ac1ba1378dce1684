"""Delays, sleeps, and what is drawn by chance outlive the processes that began them."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from grctl.models import EventPhase
from tests.history.executions import read_executions
from tests.lab.durable import SLEEP_S
from tests.lab.lab import Lab
from tests.scenarios.api_time import ApiTime
from tests.scenarios.durable.acting import act, result, until_begun, until_recorded

SLACK_S = 3.0  # for a worker to be missed and to start again, on a busy machine


@pytest.fixture
async def clock(lab: Lab) -> AsyncIterator[ApiTime]:
    async with ApiTime.of(lab.kubeconfig) as clock:
        yield clock


async def test_a_delayed_step_outlives_the_operator_and_comes_before_later_events(
    lab: Lab, clock: ApiTime
) -> None:
    operator, _ = await lab.start_both()
    handle = await act(lab, "none", "act_later")
    run = await lab.until_run("a", lambda run: bool(run.status.step and run.status.step.not_before))
    assert run.status.step is not None
    not_before = run.status.step.not_before
    assert not_before is not None
    operator.kill()
    sent = [await handle.send("act", "none") for _ in range(3)]
    await clock.until(not_before - timedelta(seconds=1))
    operator.start()
    for each in sent:
        assert (await each.settled()).phase is EventPhase.PROCESSED
    started = read_executions(lab.directory)
    assert [each.event for each in started[-4:]] == [None, *(each.uid for each in sent)]
    began = datetime.fromtimestamp(started[-4].at, UTC)
    assert began >= not_before, "never early"


async def test_a_sleep_that_is_killed_in_its_middle_takes_its_length_in_all(lab: Lab) -> None:
    _, worker = await lab.start_both()
    await act(lab, "sleeping")
    await until_recorded(lab, 2)
    worker.kill()
    worker.start()
    await result(lab)
    assert lab.service.begun == {"mail before": 1, "mail after": 1}
    slept = lab.service.times("mail after")[0] - lab.service.times("mail before")[0]
    assert SLEEP_S <= slept < SLEEP_S + SLACK_S


async def test_what_was_drawn_is_the_same_after_a_kill(lab: Lab) -> None:
    """What is drawn is told to others by tasks. Another draw would be another call."""
    _, worker = await lab.start_both()
    lab.service.hold("book")
    await act(lab, "chance")
    await until_begun(lab, "book")
    told = dict(lab.service.begun)
    assert len(told) == 4, "an id, a number, a time, and the book"
    worker.kill()
    lab.service.release("book")
    worker.start()
    await result(lab)
    assert lab.service.begun == told | {"book": 2}


async def test_ids_differ_from_each_other_and_from_those_of_other_handlers(lab: Lab) -> None:
    await lab.start_both()
    handle = await act(lab, "ids")
    first = await result(lab)
    await handle.send("act", "ids")
    run = await lab.until_run("a", lambda run: run.status.store["result"] != first)
    drawn = [*first, *run.status.store["result"]]
    assert len(set(drawn)) == len(drawn)

"""Delays, sleeps, and what is drawn by chance outlive the processes that began them."""

from tests.lab.durable import SLEEP_S
from tests.lab.lab import Lab
from tests.scenarios.durable.acting import act, result, until_begun, until_recorded

SLACK_S = 3.0  # for a worker to be missed and to start again, on a busy machine


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

"""What recorded tasks cost: no write more for one task, one for each that waits for another."""

import pytest

from tests.lab.lab import Lab
from tests.scenarios.counting import SETTLED, figures_when, start_run, was_quick, writes_of

EVENTS = 5

CORE_EVENT_WRITES = ("create events", "patch events")
"""A task that is tried again is told to people: that is of no use to the handler."""

pytestmark = pytest.mark.alone

WRITES = {
    "none": 1,
    "one": 1,
    "ids": 1,
    "parts": 1,
    "two": 2,
    "three": 3,
    "in_a_hurry": 2,
}
"""Writes of the run for one event, by what its handler does. The create and the event's own status
are two more. The task of `in_a_hurry` fails once."""


@pytest.mark.parametrize(("body", "writes"), WRITES.items(), ids=str)
async def test_an_event_costs_one_write_of_the_run_and_one_for_each_barrier(
    lab: Lab, body: str, writes: int
) -> None:
    lab.service.fail("hasty", 1)
    await lab.start_both()
    handle = await start_run(lab, "Durable", "act", "none")
    begin, written = await lab.figures(), await writes_of(lab)
    sent, counted, before = 0, 0, begin
    while counted < EVENTS:
        await handle.send("act", body)
        sent += 1
        after = await figures_when(lab, SETTLED, sent + 1, phase="Processed")
        if was_quick(before, after):  # on a busy machine a handler may take long
            asked = after.requests - before.requests
            for verb in ("update leases", *CORE_EVENT_WRITES):
                del asked[verb]
            assert asked == {
                "update workflowruns/status": writes,
                "update workflowevents/status": 1,
            }
            counted += 1
        before = after
    # A view is each write of a run that commits nothing, so also each write of records.
    views = int(before.value("grctl_views_total") - begin.value("grctl_views_total"))
    found = await writes_of(lab) - written
    for verb in CORE_EVENT_WRITES:
        del found[verb]
    assert found == {
        "create workflowevents": sent,
        "update workflowruns/status": sent + views,
        "update workflowevents/status": sent,
    }

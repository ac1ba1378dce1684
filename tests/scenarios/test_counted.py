"""What events cost: three requests each, and none while nothing happens."""

from collections import Counter

import pytest

from tests.lab.lab import Lab
from tests.scenarios.counting import SETTLED, figures_when, start_run, was_quick, writes_of

EVENTS = 20

pytestmark = pytest.mark.alone


async def test_an_event_costs_its_create_one_write_of_the_run_and_one_of_the_event(
    lab: Lab,
) -> None:
    await lab.start_both()
    handle = await start_run(lab)
    begin, written = await lab.figures(), await writes_of(lab)
    sent, counted, before = 0, 0, begin
    while counted < EVENTS:
        await handle.send("append", sent)
        sent += 1
        after = await figures_when(lab, SETTLED, sent + 1, phase="Processed")
        if was_quick(before, after):  # on a busy machine a handler may take long
            asked = after.requests - before.requests
            del asked["update leases"]
            assert asked == {"update workflowruns/status": 1, "update workflowevents/status": 1}
            counted += 1
        before = after
    views = int(before.value("grctl_views_total") - begin.value("grctl_views_total"))
    assert await writes_of(lab) - written == {
        "create workflowevents": sent,
        "update workflowruns/status": sent + views,
        "update workflowevents/status": sent,
    }
    reads = before.requests - begin.requests
    assert not [name for name in reads if name.split()[0] in {"get", "list", "watch"}]


async def test_an_idle_operator_only_renews_its_lease(
    lab: Lab,
) -> None:
    await lab.start_both()
    await start_run(lab)
    before, written = await lab.figures(), await writes_of(lab)
    renewed = before.value("grctl_api_requests_total", resource="leases", verb="update")
    after = await figures_when(
        lab, "grctl_api_requests_total", renewed + 2, resource="leases", verb="update"
    )
    asked = after.requests - before.requests
    assert asked == Counter({"update leases": asked["update leases"]})
    assert await writes_of(lab) - written == {}

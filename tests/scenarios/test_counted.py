"""What it costs: three requests an event, and none while nothing happens."""

from collections import Counter

import pytest

from grctl.client import WorkflowHandle
from tests.lab.lab import Lab
from tests.lab.processes import free_port
from tests.scenarios.counting import Figures, figures_of, figures_when, writes_of

EVENTS = 20
SHOWN_AFTER = "0.25"  # s: what takes longer is shown to people, by one write more
SETTLED = "grctl_events_settled_total"
TOOK = "grctl_dispatch_to_commit_seconds"

pytestmark = pytest.mark.alone


async def playing(lab: Lab) -> int:
    """Start an operator that can be asked, and a worker. Give the port to ask at."""
    port = free_port()
    operator = lab.operator("--http-port", str(port)).start()
    worker = lab.worker().start()
    await operator.until_said("operator ready")
    await worker.until_said("connected")
    return port


async def waiting_run(lab: Lab, port: int) -> WorkflowHandle:
    """Give a run that waits, and has had its first event: that one may cost a list."""
    handle = await lab.client.start_workflow(workflow_type="Append", workflow_id="a")
    await handle.send("append", 0)
    await figures_when(port, SETTLED, 1)
    return handle


def quick(before: Figures, after: Figures) -> bool:
    """Say whether the one execution between was committed before it was worth a view."""
    buckets = [
        each.value(f"{TOOK}_bucket", kind="event", le=SHOWN_AFTER) for each in (before, after)
    ]
    return buckets[1] > buckets[0]


async def test_an_event_costs_its_create_one_write_of_the_run_and_one_of_the_event(
    lab: Lab,
) -> None:
    port = await playing(lab)
    handle = await waiting_run(lab, port)
    begin, written = await figures_of(port), await writes_of(lab)
    sent, counted, before = 0, 0, begin
    while counted < EVENTS:
        await handle.send("append", sent)
        sent += 1
        after = await figures_when(port, SETTLED, sent + 1, phase="Processed")
        if quick(before, after):  # on a busy machine a handler may take long
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


async def test_nothing_is_asked_for_while_nothing_happens_but_the_lease_is_renewed(
    lab: Lab,
) -> None:
    port = await playing(lab)
    await waiting_run(lab, port)
    # Events are listed for the watch, for the new run, and once for what other operators left.
    lists = {"resource": "workflowevents", "verb": "list"}
    await figures_when(port, "grctl_api_requests_total", 3, **lists)
    before, written = await figures_of(port), await writes_of(lab)
    renewed = before.value("grctl_api_requests_total", resource="leases", verb="update")
    after = await figures_when(
        port, "grctl_api_requests_total", renewed + 2, resource="leases", verb="update"
    )
    asked = after.requests - before.requests
    assert asked == Counter({"update leases": asked["update leases"]})
    assert await writes_of(lab) - written == {}

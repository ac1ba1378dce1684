"""An event and its wait's deadline race, and exactly one of them wins: I7 (deadlines).

1. The second that the API server stamped on the event decides, not who saw it late. So a test reads
   that stamp, and repeats with another run if it is not the second that it wanted.
2. Tests wait for moments of the API server's clock, by the dates of its answers.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest

from grctl.client import SentEvent
from grctl.kube import RUNS
from grctl.models import EventPhase, EventReason, WorkflowRun
from tests.lab.api_proxy import ApiProxy
from tests.lab.faults import lagging_watch
from tests.lab.lab import Lab
from tests.lab.reporting import Report, seconds
from tests.lab.waiting import PATIENCE_S, eventually
from tests.scenarios.api_time import ApiTime

WAIT_S = 2.0
SECOND = timedelta(seconds=1)
MAX_TRIES = 5  # until an event is stamped with the second that was wanted
LAG_S = 10.0
RUNS_COUNT = 1000
HEAD_START = timedelta(seconds=12)  # for all runs to begin their waits

IN_TIME = {"approved": "in time"}
TOO_LATE = {"approved": "too late", "expired": True}


@pytest.fixture
async def clock(lab: Lab) -> AsyncIterator[ApiTime]:
    async with ApiTime.of(lab.kubeconfig) as clock:
        yield clock


async def _waiting(lab: Lab, name: str, **given: object) -> datetime:
    """Start a run that waits, and return its deadline."""
    await lab.client.start_workflow(
        workflow_type="Deadline", workflow_id=name, workflow_input={"seconds": WAIT_S, **given}
    )
    run = await lab.until_run(name, lambda run: run.status.wait is not None)
    assert run.status.wait is not None
    assert run.status.wait.deadline is not None
    return run.status.wait.deadline


async def _approve(lab: Lab, name: str) -> tuple[SentEvent, datetime]:
    """Send the approval, and return the second that it is stamped with."""
    sent = await lab.client.send(workflow_id=name, event_name="approve")
    created = (await lab.event(sent.name)).metadata.creation_timestamp
    assert created is not None
    return sent, created


async def _fate(lab: Lab, name: str, sent: SentEvent) -> dict[str, object]:
    """Return what a run kept of its approval, once that is settled."""
    status = await sent.settled(timedelta(seconds=60))
    assert (status.phase, status.reason) == (EventPhase.PROCESSED, EventReason.HANDLED)
    store = (await lab.run(name)).status.store
    return {key: store[key] for key in ("approved", "expired") if key in store}


def _is_expired(run: WorkflowRun) -> bool:
    return run.status.store.get("expired") is True


@pytest.mark.parametrize(
    ("offset", "fate"), [(-1, IN_TIME), (0, IN_TIME), (1, TOO_LATE)], ids=["before", "in", "after"]
)
async def test_the_second_of_an_events_creation_decides(
    lab: Lab, clock: ApiTime, offset: int, fate: dict[str, object]
) -> None:
    await lab.start_both()
    for number in range(MAX_TRIES):
        name = f"order-{number}"
        deadline = await _waiting(lab, name)
        await clock.until(deadline + offset * SECOND)
        sent, created = await _approve(lab, name)
        found = await _fate(lab, name, sent)
        assert found == (IN_TIME if created <= deadline else TOO_LATE)
        if created == deadline + offset * SECOND:
            assert found == fate
            return
    pytest.fail(f"no event was stamped {offset:+} s from its deadline in {MAX_TRIES} tries")


async def test_an_event_in_time_wins_although_the_operator_is_down_past_the_deadline(
    lab: Lab, clock: ApiTime
) -> None:
    operator, _ = await lab.start_both()
    deadline = await _waiting(lab, "order")
    operator.kill()
    sent, created = await _approve(lab, "order")
    assert created <= deadline
    await clock.until(deadline + 2 * SECOND)
    operator.start()
    assert await _fate(lab, "order", sent) == IN_TIME


async def test_a_late_event_does_not_win_because_the_operator_was_down(
    lab: Lab, clock: ApiTime
) -> None:
    operator, _ = await lab.start_both()
    deadline = await _waiting(lab, "order")
    operator.kill()
    await clock.until(deadline + SECOND)
    sent, _ = await _approve(lab, "order")
    operator.start()
    assert await _fate(lab, "order", sent) == TOO_LATE


@pytest.mark.parametrize("in_time", [True, False], ids=["in-time", "late"])
async def test_a_stream_that_lags_changes_nothing(
    lab: Lab, clock: ApiTime, *, in_time: bool
) -> None:
    """The stream shows the event long after the deadline, but the list past it shows the event."""
    lagging = lagging_watch("workflowevents", LAG_S)
    async with ApiProxy(lab.kubeconfig, lab.directory / "kubeconfig-lagging", lagging) as proxy:
        operator = lab.operator(kubeconfig=proxy.kubeconfig).start()
        await lab.worker().start().until_logged("connected")
        await operator.until_logged("operator ready")
        deadline = await _waiting(lab, "order")
        await clock.until(deadline - SECOND if in_time else deadline + SECOND)
        sent, created = await _approve(lab, "order")
        assert await _fate(lab, "order", sent) == (IN_TIME if created <= deadline else TOO_LATE)
        operator.kill()
    assert lagging.met > 0


async def test_a_rejected_event_leaves_the_deadline_where_it_was(lab: Lab, clock: ApiTime) -> None:
    await lab.start_both()
    deadline = await _waiting(lab, "order")
    sent = await lab.client.send(workflow_id="order", event_name="amount", payload="a lot")
    lab.recorder.unfit.add(sent.name)
    status = await sent.settled(timedelta(seconds=30))
    assert (status.phase, status.reason) == (EventPhase.REJECTED, EventReason.BAD_PAYLOAD)
    run = await lab.run("order")
    assert _is_expired(run) or (run.status.wait and run.status.wait.deadline == deadline)
    await lab.until_run("order", _is_expired)
    assert await clock.now() > deadline


async def test_a_wait_entered_with_a_full_inbox_needs_no_timer(lab: Lab, clock: ApiTime) -> None:
    await lab.start_both()
    handle = await lab.client.start_workflow(
        workflow_type="Deadline",
        workflow_id="order",
        workflow_input={"seconds": WAIT_S, "gate": "g"},
    )
    sent = [await handle.send("approve", number) for number in range(5)]
    lab.gate("g").open()
    for each in sent:
        assert (await each.settled(timedelta(seconds=30))).phase is EventPhase.PROCESSED
    began = (await lab.run("order")).status.started_at
    assert began is not None
    await clock.until(began + timedelta(seconds=WAIT_S + 2))
    store = (await lab.run("order")).status.store
    assert store == {"payloads": [0, 1, 2, 3, 4], "approved": "in time"}


async def test_a_thousand_waits_with_the_same_deadline(
    lab: Lab, clock: ApiTime, report: Report
) -> None:
    until = await clock.now() + HEAD_START
    names = [f"order-{number}" for number in range(RUNS_COUNT)]
    await _start_many(lab, names, until)
    await lab.start_both()
    await eventually(
        lambda: _count_ended(lab) == RUNS_COUNT, "all waits have ended", patience=PATIENCE_S * 3
    )
    deadlines = [deadline for _, deadline in _deadlines(lab)]
    same = max(deadlines, key=deadlines.count)
    took = (await clock.now() - same).total_seconds()
    report(
        f"{deadlines.count(same)} waits of the same second, until the last had ended", seconds(took)
    )
    assert len(deadlines) == RUNS_COUNT
    stores = [
        run["status"]["store"] for run in (await lab.api.get(RUNS.path(lab.namespace)))["items"]
    ]
    assert stores == [{"expired": True}] * RUNS_COUNT


def _count_ended(lab: Lab) -> int:
    """Count the runs that have committed their start, their timeout and the step after it."""
    return len({run.name for run in lab.recorder.runs if run.commits == 3})


def _deadlines(lab: Lab) -> set[tuple[str, datetime]]:
    return {(run.name, run.deadline) for run in lab.recorder.runs if run.deadline is not None}


async def _start_many(lab: Lab, names: list[str], until: datetime) -> None:
    """Start them before any worker is there, sixteen at a time."""
    waiting = iter(names)

    async def start() -> None:
        for name in waiting:
            await lab.client.start_workflow(
                workflow_type="Deadline",
                workflow_id=name,
                workflow_input={"until": until.isoformat()},
            )

    await asyncio.gather(*(start() for _ in range(16)))

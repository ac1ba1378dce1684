"""Floods: more events than can be handled at once, large events, and one run beside others.

$TORTURE_FLOOD is the number of events of a flood. Tests check order, that no event is lost, and
that no run waits for another. Speed is only reported: a machine may be busy.
"""

import asyncio
import itertools
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from grctl.client import Client
from grctl.kube import EVENTS
from grctl.models import API_VERSION, EventPhase, RunPhase
from grctl.models.limits import MAX_STORE_BYTES
from tests.history.recording_client import RecordingClient
from tests.lab.api_server import api_server, kubeconfig_from
from tests.lab.lab import Lab, new_lab
from tests.lab.reporting import Report
from tests.torture.workflows import WORKFLOWS

FLOOD = int(os.environ.get("TORTURE_FLOOD", "200"))
SENDERS = 8
PATIENCE_S = 600.0  # for a flood to be handled, on a busy machine
MAX_INBOX_ENTRIES = 20  # shown in a status; the others are only counted
LARGE_BYTES = 400 * 1024
WORK_S = 0.02  # of each event, so that a flood lasts on a fast machine too
PAYLOADS_COUNT = 251  # payloads are numbers below this, which the checker keeps in memory once


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    """A lab with nothing running in it yet. Its history is checked at the end."""
    async with (
        api_server(tmp_path, kubeconfig_from("TORTURE_KUBECONFIG")) as server,
        new_lab(server.kubeconfig, tmp_path, server.processes, WORKFLOWS) as lab,
    ):
        yield lab
        await lab.check_history(PATIENCE_S)


async def inversions(lab: Lab) -> float:
    """Return how many events the operator saw out of order."""
    figures = await lab.figures()
    assert "grctl_inversions_total" in figures.names
    return figures.value("grctl_inversions_total")


async def start(lab: Lab, run: str) -> None:
    await lab.client.start_workflow(workflow_type="Collect", workflow_id=run)


async def flood(lab: Lab, plan: list[str], event: str = "append", payload: object = None) -> None:
    """Send an event to each run of the plan, by several senders at once: numbers, or a payload."""
    left = iter(enumerate(plan))

    async def send() -> None:
        async with RecordingClient(lab.recorder, lab.namespace, lab.kubeconfig) as client:
            for number, run in left:
                given = number % PAYLOADS_COUNT if payload is None else payload
                await client.send(workflow_id=run, event_name=event, payload=given)

    await asyncio.gather(*(send() for _ in range(SENDERS)))


async def until_handled(lab: Lab, run: str, count: int) -> None:
    """Wait until a run has handled so many events."""
    await lab.until_run(run, lambda seen: seen.status.events.total >= count, PATIENCE_S)


async def test_a_flood_before_the_worker_exists_is_drained_in_order(
    lab: Lab, report: Report
) -> None:
    lab.operator().start()
    await start(lab, "a")
    await flood(lab, ["a"] * FLOOD)
    full = await lab.until_run("a", lambda run: run.status.inbox_length == FLOOD)
    assert len(full.status.inbox) <= MAX_INBOX_ENTRIES
    lab.worker().start()
    moments = [time.monotonic()]
    for done in range(FLOOD // 10, FLOOD + 1, FLOOD // 10):
        await until_handled(lab, "a", done)
        moments.append(time.monotonic())
    rates = [round(FLOOD / 10 / (late - soon)) for soon, late in itertools.pairwise(moments)]
    report(f"events/s in each tenth of {FLOOD}", rates)
    await lab.recorder.until_settled(PATIENCE_S)
    assert await inversions(lab) == 0


async def test_several_senders_to_many_runs_keep_each_order(lab: Lab, report: Report) -> None:
    lab.operator().start()
    lab.worker().start()
    runs = [f"run-{number}" for number in range(max(10, FLOOD // 100))]
    each = 5 * FLOOD // len(runs)
    for run in runs:
        await start(lab, run)
    began = time.monotonic()
    await flood(lab, runs * each)
    for run in runs:
        await until_handled(lab, run, each)
    report(f"events/s of {SENDERS} senders to {len(runs)} runs, {each} each",
         round(len(runs) * each / (time.monotonic() - began)))  # fmt: skip
    await lab.recorder.until_settled(PATIENCE_S)
    assert await inversions(lab) == 0


async def test_large_events_arrive_unchanged(lab: Lab) -> None:
    """The check of the history shows it: a handler keeps the fingerprint of its payload."""
    lab.operator().start()
    await start(lab, "a")
    for number in range(20):
        await lab.client.send(
            workflow_id="a", event_name="append", payload=f"{number} {'x' * LARGE_BYTES}"
        )
    lab.worker().start()
    await until_handled(lab, "a", 20)


async def test_a_store_that_would_be_too_large_fails_the_run_and_names_the_key(
    lab: Lab,
) -> None:
    lab.operator().start()
    lab.worker().start()
    await start(lab, "a")
    await lab.client.send(workflow_id="a", event_name="append", payload=1)
    fits = await lab.client.send(workflow_id="a", event_name="hoard", payload=MAX_STORE_BYTES // 2)
    hoards = await lab.client.send(workflow_id="a", event_name="hoard", payload=2 * MAX_STORE_BYTES)
    behind = await lab.client.send(workflow_id="a", event_name="append", payload=2)
    assert (await fits.settled(PATIENCE_S)).phase is EventPhase.PROCESSED
    failed = await hoards.settled(PATIENCE_S)
    assert failed.phase is EventPhase.FAILED
    assert "at most 256.0 KiB" in str(failed.message)
    assert "'hoard' 512.0 KiB" in str(failed.message)
    assert (await behind.settled(PATIENCE_S)).reason == "RunFinished"
    run = await lab.run("a")
    assert run.status.phase is RunPhase.FAILED
    assert len(run.status.store["hoard"]) == MAX_STORE_BYTES // 2


async def test_a_flooded_run_does_not_delay_the_others(lab: Lab, report: Report) -> None:
    lab.operator().start()
    for run in ("flooded", "other"):
        await start(lab, run)
    count = min(FLOOD, 400)
    await flood(lab, ["flooded"] * count, "work", WORK_S)
    lab.worker().start()
    await until_handled(lab, "flooded", 1)
    beside = await _latencies(lab.client)
    there = (await lab.run("flooded")).status.events.total
    assert there < count, "the others had to wait until the flood was over"
    await until_handled(lab, "flooded", count)
    report("seconds from send to settled, beside a flood and after it",
         (beside, await _latencies(lab.client)))  # fmt: skip


async def _latencies(client: Client, count: int = 5) -> list[float]:
    """Send events one after another, and return how long each took to be settled."""
    taken = []
    for _ in range(count):
        began = time.monotonic()
        sent = await client.send(workflow_id="other", event_name="append", payload=1)
        await sent.settled(PATIENCE_S)
        taken.append(round(time.monotonic() - began, 3))
    return taken


async def test_events_that_are_applied_again_and_again_keep_their_order(
    lab: Lab, report: Report
) -> None:
    await lab.operator().start().until_logged("operator ready")
    await start(lab, "a")
    await flood(lab, ["a"] * (FLOOD // 3))
    names = [answer.name for answer in lab.recorder.answers]
    applying = asyncio.create_task(_apply_repeatedly(lab, names))
    lab.worker().start()
    await until_handled(lab, "a", len(names))
    applying.cancel()
    times = await asyncio.gather(applying, return_exceptions=True)
    assert isinstance(times[0], asyncio.CancelledError), times
    await lab.recorder.until_settled(PATIENCE_S)
    versions = sum(each.exists and not each.phase.settled for each in lab.recorder.events)
    report("versions of waiting events", versions)
    assert versions > len(names)
    assert await inversions(lab) == 0


async def _apply_repeatedly(lab: Lab, names: list[str]) -> None:
    """Apply another label each time, as a GitOps tool might; the last events first."""
    for turn in itertools.count():
        for name in reversed(names):
            if name in lab.recorder.unsettled:
                await _apply(lab, name, turn)
        await asyncio.sleep(0)


async def _apply(lab: Lab, name: str, turn: int) -> None:
    body = {
        "apiVersion": API_VERSION,
        "kind": "WorkflowEvent",
        "metadata": {"name": name, "labels": {"turn": str(turn)}},
    }
    await lab.api.apply(EVENTS.path(lab.namespace, name), body, "gitops")

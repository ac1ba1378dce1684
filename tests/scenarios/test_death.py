"""Processes die at any moment, and nothing is lost, repeated or out of order (rules 1, 2, 4, 6).

Moments are random. $SCENARIOS_SEED repeats those of a failure, which prints its seed.
"""

import asyncio
import os
import random
import time
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest

from grctl.client import SentEvent, WorkflowHandle
from grctl.models import EventPhase, EventReason, RunPhase
from grctl_operator.engine.dispatch import BACKOFF_LIMIT
from grctl_operator.runtime.workers.dispatcher import CLOSED_GRACE
from tests.history.executions import read_executions
from tests.lab.api_proxy import ApiProxy
from tests.lab.api_server import api_server
from tests.lab.faults import lagging_watch
from tests.lab.lab import Lab, new_lab
from tests.lab.processes import Process
from tests.lab.reporting import Report, seconds
from tests.lab.waiting import PATIENCE_S, eventually
from tests.scenarios.load import Load

BEAR_ONE_CRASH = '{"spec":{"backoffLimit":1}}'
KILLS = 20
RUNS = 10
EVENTS = 500
YOUNG = (0.0, 1.0)  # s: a process takes about as long to start, so many die while they do
GROWN = (1.0, 2.0)  # s: it works again
OLD = (2.5, 3.5)  # s: an operator has also waited for what workers may bring back to it
LAG = 0.3  # s
LOAD_SECONDS = float(os.environ.get("SCENARIOS_LOAD_SECONDS", "8"))


@pytest.fixture
def moments() -> random.Random:
    """Random moments; a failure shows the seed."""
    seed = os.environ.get("SCENARIOS_SEED") or str(random.SystemRandom().randrange(10**6))
    print(f"SCENARIOS_SEED={seed}")  # noqa: T201
    return random.Random(seed)  # noqa: S311


async def test_operator_killed_at_random_moments(lab: Lab, moments: random.Random) -> None:
    operator, _ = await lab.start_both()
    async with Load(lab, RUNS) as load:
        for _ in range(KILLS):
            await _kill_while_sending(load, operator, _life(moments, OLD))
        await _nothing_is_amiss(load)


async def test_worker_killed_at_random_moments(lab: Lab, moments: random.Random) -> None:
    _, worker = await lab.start_both()
    async with Load(lab, RUNS) as load:
        for _ in range(KILLS):
            await _kill_while_sending(load, worker, moments.uniform(*YOUNG))
            await load.until_kept()
        await _nothing_is_amiss(load)


async def test_api_server_killed_at_random_moments(tmp_path: Path, moments: random.Random) -> None:
    async with (
        api_server(tmp_path) as server,
        new_lab(server.kubeconfig, tmp_path, server.processes) as lab,
    ):
        assert server.embedded is not None
        await lab.start_both()
        async with Load(lab, RUNS) as load:
            for _ in range(KILLS):
                await _kill_while_sending(load, server.embedded.process, _life(moments, GROWN))
            await _nothing_is_amiss(load)
        await lab.check_history()


async def test_two_operators_at_once_commit_nothing_twice(lab: Lab) -> None:
    """Each leads by a Lease of its own, so both write, as when one was paused and comes back.

    One sees the runs before the events that their commits consumed: it must not trust its view. The
    other sees the runs later, so that each is the first at something: starts, and events.
    """
    async with (
        _behind(lab, "workflowruns") as one,
        _behind(lab, "workflowevents") as other,
    ):
        for number, kubeconfig in enumerate((one.kubeconfig, other.kubeconfig), 1):
            operator = lab.operator(
                "--lease-name", f"lease-{number}", name=f"operator-{number}", kubeconfig=kubeconfig
            )
            await operator.start().until_said("operator ready")
            worker = lab.worker(name=f"worker-{number}", operator=operator.name)
            await worker.start().until_said("connected")
        await _load_for(lab, LOAD_SECONDS)
        commits = [process.log.count(" committed ") for process in lab.processes.all]
        assert sum(count > 0 for count in commits) == 2, "both operators committed something"
        lab.processes.kill(lab.processes.all)


def _behind(lab: Lab, plural: str) -> ApiProxy:
    """Return a proxy behind which one kind of object is seen late."""
    kubeconfig = lab.directory / f"kubeconfig-{plural}"
    return ApiProxy(lab.kubeconfig, kubeconfig, lagging_watch(plural, LAG))


async def _load_for(lab: Lab, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    async with Load(lab, RUNS) as load:
        while loop.time() < end:
            load.send(RUNS * 8)
            await load.until_kept()
        assert await load.kept() == load.sent
    await lab.recorder.until_settled()


async def test_the_next_event_after_a_worker_died_waits_for_no_grace(
    lab: Lab, report: Report
) -> None:
    """Three deaths while it has nothing, three while it has an event: the quickest counts."""
    operator, worker = await lab.start_both("--log-level", "debug", "--log-format", "json")
    handle = await lab.start("a")
    await lab.until_run("a", lambda run: run.status.phase is RunPhase.WAIT_EVENT)
    idle = [await _die_idle(handle, worker) for _ in range(3)]
    busy = [await _die_busy(lab, handle, worker, gate) for gate in ("x", "y", "z")]
    report(
        "idle worker killed and started at once, until the next event was settled",
        seconds(min(idle)),
    )
    report(
        "busy worker killed and started at once, until its event was settled", seconds(min(busy))
    )
    connected = [_at(each) for each in operator.records("worker connected")][1:]
    dispatched = [_at(each) for each in operator.records("dispatched")]
    waits = [min(at - back for at in dispatched if at >= back) for back in connected]
    report("from the worker's return to the next dispatch, idle", seconds(min(waits[:3])))
    report("from the worker's return to the next dispatch, busy", seconds(min(waits[3:])))
    assert min(waits[:3]) < CLOSED_GRACE
    assert min(waits[3:]) < CLOSED_GRACE


def _at(record: dict[str, str]) -> float:
    return datetime.fromisoformat(record["time"]).timestamp()


async def _die_idle(handle: WorkflowHandle, worker: Process) -> float:
    worker.kill()
    began = time.monotonic()
    worker.start()
    sent = await handle.send("append", "next")
    assert (await sent.settled()).phase is EventPhase.PROCESSED
    return time.monotonic() - began


async def _die_busy(lab: Lab, handle: WorkflowHandle, worker: Process, name: str) -> float:
    gate = lab.gate(name)
    sent = await handle.send("gated", name)
    await eventually(lambda: gate.reached, "the handler is at the gate")
    worker.kill()
    began = time.monotonic()
    gate.open()
    worker.start()
    assert (await sent.settled()).phase is EventPhase.PROCESSED
    return time.monotonic() - began


async def test_a_handler_that_kills_its_worker_each_time_fails_the_run(lab: Lab) -> None:
    _, worker = await lab.start_both()
    handle = await lab.start("a")
    async with worker.kept_alive():
        sent = await handle.send("kill", 1000)
        status = await sent.settled(PATIENCE_S)
        run = await lab.until_run("a", lambda run: run.status.phase is RunPhase.FAILED)
    crashes = BACKOFF_LIMIT + 1
    text = (
        f"kill ended the process of its worker {crashes} times while nothing else ran there,"
        " last that of worker."
    )
    assert (status.phase, status.reason) == (EventPhase.FAILED, EventReason.WORKER_LOST)
    assert status.message == text
    assert run.status.error is not None
    assert (run.status.error.type, run.status.error.message) == ("WorkerLost", text)
    attempts = [each for each in read_executions(lab.directory) if each.event == sent.uid]
    assert [each.attempt for each in attempts] == [1, 2, 3, 4, 5]
    between = [later.at - earlier.at for earlier, later in pairwise(attempts)]
    assert all(wait >= least for wait, least in zip(between[1:], (1, 2, 4), strict=True)), between
    assert "WorkerLost" in await lab.kubectl("describe", "wfr", "a")


async def test_a_handler_that_kills_its_worker_does_not_fail_the_runs_beside_it(
    lab: Lab,
) -> None:
    _, worker = await lab.start_both()
    beside = [await lab.start(f"beside-{number}") for number in range(20)]
    killer = await lab.start("killer")
    await lab.kubectl("patch", "wfr", "killer", "--type=merge", "-p", BEAR_ONE_CRASH)
    gate = lab.gate("held")
    async with worker.kept_alive():
        held = [await each.send("gated", "held") for each in beside]
        await eventually(lambda: _began(lab, *held) == len(held), "all are at the gate")
        sent = await killer.send("kill", 1000)
        await eventually(lambda: _began(lab, sent) > 0, "the worker is killed")
        gate.open()
        status = await sent.settled(PATIENCE_S)
        fates = [(await each.settled(PATIENCE_S)).phase for each in held]
    assert (status.phase, status.reason) == (EventPhase.FAILED, EventReason.WORKER_LOST)
    assert fates == [EventPhase.PROCESSED] * len(held)


def _began(lab: Lab, *sent: SentEvent) -> int:
    """Count the executions of events."""
    return sum(
        each.event in {event.uid for event in sent} for each in read_executions(lab.directory)
    )


async def test_a_handler_that_kills_its_worker_a_few_times_succeeds(lab: Lab) -> None:
    _, worker = await lab.start_both()
    handle = await lab.start("a")
    async with worker.kept_alive():
        sent = await handle.send("kill", 2)
        await handle.send("append", "behind it")
        await handle.send("done")
        assert await handle.result(PATIENCE_S) == 3
    attempts = [each.attempt for each in read_executions(lab.directory) if each.event == sent.uid]
    assert attempts == [1, 2, 3]


def _life(moments: random.Random, long: tuple[float, float]) -> float:
    """Give the length of a life: every third is long."""
    return moments.uniform(*moments.choice((YOUNG, YOUNG, long)))


async def _kill_while_sending(load: Load, victim: Process, life: float) -> None:
    """Kill it after so many seconds of its life, during which events are sent; start it again."""
    load.send(EVENTS // KILLS)
    await asyncio.sleep(life)  # this is the random moment: nothing is waited for
    victim.kill()
    victim.start()


async def _nothing_is_amiss(load: Load) -> None:
    await load.until_kept()
    assert sum(map(len, load.sent.values())) == EVENTS
    assert await load.kept() == load.sent

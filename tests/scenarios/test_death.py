"""Processes die at any moment, and no event is lost, committed twice or out of order.

These are I1 (no loss), I2 (one order), I4 (one commit) and I6 (level-triggered). Moments are
random: a failure prints its seed, and $SCENARIOS_SEED repeats it.
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
from grctl.models import EventPhase, RunPhase, WorkflowRun
from grctl_operator.engine.retry import BACKOFF_LIMIT
from grctl_operator.runtime.workers.absent_workers import CLOSED_GRACE_S
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
YOUNG_S = (0.0, 1.0)  # a process takes about as long to start, so many die while starting
GROWN_S = (1.0, 2.0)  # it works again
OLD_S = (2.5, 3.5)  # an operator has also waited for the outcomes that workers may hold
LAG_S = 0.3
LOAD_S = float(os.environ.get("SCENARIOS_LOAD_SECONDS", "8"))


@pytest.fixture
def moments() -> random.Random:
    """A source of random moments; a failure shows its seed."""
    seed = os.environ.get("SCENARIOS_SEED") or str(random.SystemRandom().randrange(10**6))
    print(f"SCENARIOS_SEED={seed}")  # noqa: T201
    return random.Random(seed)  # noqa: S311


async def test_an_operator_killed_at_random_moments_loses_nothing(
    lab: Lab, moments: random.Random
) -> None:
    operator, _ = await lab.start_both()
    async with Load(lab, RUNS) as load:
        for _ in range(KILLS):
            await _kill_while_sending(load, operator, _life(moments, OLD_S))
        await _check_payloads(load)


async def test_a_worker_killed_at_random_moments_loses_nothing(
    lab: Lab, moments: random.Random
) -> None:
    _, worker = await lab.start_both()
    async with Load(lab, RUNS) as load:
        for _ in range(KILLS):
            await _kill_while_sending(load, worker, moments.uniform(*YOUNG_S))
            await load.until_kept()
        await _check_payloads(load)


async def test_an_api_server_killed_at_random_moments_loses_nothing(
    tmp_path: Path, moments: random.Random
) -> None:
    async with (
        api_server(tmp_path) as server,
        new_lab(server.kubeconfig, tmp_path, server.processes) as lab,
    ):
        assert server.embedded is not None
        await lab.start_both()
        async with Load(lab, RUNS) as load:
            for _ in range(KILLS):
                await _kill_while_sending(load, server.embedded.process, _life(moments, GROWN_S))
            await _check_payloads(load)
        await lab.check_history()


async def test_two_operators_at_once_commit_nothing_twice(lab: Lab) -> None:
    """Each leads by a Lease of its own, so both write, as if one had been paused and came back.

    One sees runs late, the other sees events late, so each is the first one at something. An
    operator that sees a run before the events that its commits consumed must not trust its view.
    """
    async with (
        _behind(lab, "workflowruns") as one,
        _behind(lab, "workflowevents") as other,
    ):
        for number, kubeconfig in enumerate((one.kubeconfig, other.kubeconfig), 1):
            operator = lab.operator(
                "--lease-name", f"lease-{number}", name=f"operator-{number}", kubeconfig=kubeconfig
            )
            await operator.start().until_logged("operator ready")
            worker = lab.worker(name=f"worker-{number}", operator=operator.name)
            await worker.start().until_logged("connected")
        await _load_for(lab, LOAD_S)
        commits = [process.log.count(" committed ") for process in lab.processes.all]
        assert sum(count > 0 for count in commits) == 2, "both operators committed something"
        lab.processes.kill(lab.processes.all)


def _behind(lab: Lab, plural: str) -> ApiProxy:
    """Return a proxy behind which one kind of object is seen late."""
    kubeconfig = lab.directory / f"kubeconfig-{plural}"
    return ApiProxy(lab.kubeconfig, kubeconfig, lagging_watch(plural, LAG_S))


async def _load_for(lab: Lab, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    async with Load(lab, RUNS) as load:
        while loop.time() < end:
            load.send(RUNS * 8)
            await load.until_kept()
        assert await load.payloads() == load.sent
    await lab.recorder.until_settled()


async def test_the_next_event_after_a_worker_died_waits_for_no_grace(
    lab: Lab, report: Report
) -> None:
    """The worker dies three times while idle and three times while busy; the quickest counts."""
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
    assert min(waits[:3]) < CLOSED_GRACE_S
    assert min(waits[3:]) < CLOSED_GRACE_S


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
    await eventually(lambda: gate.is_reached, "the handler is at the gate")
    worker.kill()
    began = time.monotonic()
    gate.open()
    worker.start()
    assert (await sent.settled()).phase is EventPhase.PROCESSED
    return time.monotonic() - began


async def test_a_handler_that_kills_its_worker_each_time_is_held(lab: Lab) -> None:
    _, worker = await lab.start_both()
    handle = await lab.start("a")
    async with worker.keep_alive():
        sent = await handle.send("kill", 1000)
        run = await lab.until_run("a", _is_held, PATIENCE_S)
    crashes = BACKOFF_LIMIT + 1
    text = (
        f"kill ended the process of its worker {crashes} times while nothing else ran there,"
        " last that of worker. Mend the cause, then: grctl retry a."
    )
    assert run.status.step is not None
    assert run.status.step.stall is not None
    assert (run.status.step.stall.reason, run.status.message) == ("WorkerLost", text)
    assert (await lab.event(sent.name)).status.phase is EventPhase.PENDING
    attempts = [each for each in read_executions(lab.directory) if each.event == sent.uid]
    assert [each.attempt for each in attempts] == [1, 2, 3, 4, 5]
    between = [later.at - earlier.at for earlier, later in pairwise(attempts)]
    assert all(wait >= least for wait, least in zip(between[1:], (1, 2, 4), strict=True)), between
    assert "WorkerLost" in await lab.kubectl("describe", "wfr", "a")
    await handle.terminate()
    assert (await sent.settled()).phase is EventPhase.REJECTED


async def test_a_handler_that_kills_its_worker_does_not_fail_the_runs_beside_it(
    lab: Lab,
) -> None:
    _, worker = await lab.start_both()
    beside = [await lab.start(f"beside-{number}") for number in range(20)]
    killer = await lab.start("killer")
    await lab.kubectl("patch", "wfr", "killer", "--type=merge", "-p", BEAR_ONE_CRASH)
    gate = lab.gate("held")
    async with worker.keep_alive():
        held = [await each.send("gated", "held") for each in beside]
        await eventually(lambda: _began(lab, *held) == len(held), "all are at the gate")
        sent = await killer.send("kill", 1000)
        await eventually(lambda: _began(lab, sent) > 0, "the worker is killed")
        gate.open()
        await lab.until_run("killer", _is_held, PATIENCE_S)
        fates = [(await each.settled(PATIENCE_S)).phase for each in held]
    assert fates == [EventPhase.PROCESSED] * len(held)
    await killer.terminate()
    assert (await sent.settled()).phase is EventPhase.REJECTED


def _is_held(run: WorkflowRun) -> bool:
    return run.status.step is not None and run.status.step.stall is not None


def _began(lab: Lab, *sent: SentEvent) -> int:
    """Count the executions of events."""
    return sum(
        each.event in {event.uid for event in sent} for each in read_executions(lab.directory)
    )


async def test_a_handler_that_kills_its_worker_a_few_times_succeeds(lab: Lab) -> None:
    _, worker = await lab.start_both()
    handle = await lab.start("a")
    async with worker.keep_alive():
        sent = await handle.send("kill", 2)
        await handle.send("append", "behind it")
        await handle.send("done")
        assert await handle.result(PATIENCE_S) == 3
    attempts = [each.attempt for each in read_executions(lab.directory) if each.event == sent.uid]
    assert attempts == [1, 2, 3]


def _life(moments: random.Random, long: tuple[float, float]) -> float:
    """Return how long a process is to live: every third lives long."""
    return moments.uniform(*moments.choice((YOUNG_S, YOUNG_S, long)))


async def _kill_while_sending(load: Load, victim: Process, life: float) -> None:
    """Send events, kill the process after so many seconds, and start it again."""
    load.send(EVENTS // KILLS)
    await asyncio.sleep(life)  # a random moment, not a wait for something
    victim.kill()
    victim.start()


async def _check_payloads(load: Load) -> None:
    await load.until_kept()
    assert sum(map(len, load.sent.values())) == EVENTS
    assert await load.payloads() == load.sent

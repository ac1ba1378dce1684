"""One round: every measurement once, in new processes.

The loads are those by which other systems are measured (docs/benchmarks.md). W1 sends events to one
run with 16 sends in flight. W2 sends to many runs at once with 64 in flight. W3 sends one event
after another. W4 does so with handlers that call recorded tasks, and so slowly that no event waits
for another. W3 and W4 come first, because old events of the other loads are still removed after
their end.
"""

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.beside import latency_beside_flood
from benchmarks.floor import Floor, Pattern, floor, pattern
from benchmarks.loads import Load, load
from benchmarks.pace import at_rate, in_flight, in_sequence
from benchmarks.starts import Start
from benchmarks.testbed import MeasuredApi, Testbed, open_testbed
from benchmarks.usage import cpu_of
from grctl.client import WorkflowHandle
from grctl.kube import RUNS
from tests.lab.processes import Process

W1_SENDS_COUNT = 16
W2_SENDS_COUNT = 64
AT_ONCE, ONE_BY_ONE = "at once", "one by one"
W3_PAUSE_S = 0.005  # between an answer and the next event of W3
W4_PAUSE_S = 0.03  # longer than an event with two tasks takes
W4_EVENTS = {"W4 one task": "add_after_task", "W4 two tasks": "add_after_two_tasks"}
POLL_INTERVAL_S = 0.01


@dataclass(frozen=True)
class Sizes:
    """The numbers of events and runs."""

    one_run: tuple[int, ...] = (500, 2000)
    """events of W1"""
    full_inbox: int = 2000
    """events that wait before there is a worker"""
    runs: int = 50
    each: int = 20
    """events for each run of W2"""
    one_by_one: int = 500
    """events of W3"""
    finished: int = 500
    """runs that complete at once"""
    with_tasks: int = 100
    """events of each part of W4: few, because the loads behind it are compared with earlier ones"""
    floor_runs: int = 16
    floor_each: int = 100
    floor_one_by_one: int = 300


SMALL = Sizes((5,), 5, 2, 2, 5, 5, 2, 2, 2, 3)
"""Enough to see that everything runs. As a measurement it is worthless."""


@dataclass(frozen=True)
class Round:
    """What one round measured."""

    loads: dict[str, Load]
    floors: dict[str, Floor]
    """The bare writes, by the pace: AT_ONCE, or ONE_BY_ONE as W3"""
    finished: float
    """runs/s that were started and finished"""
    killed: float
    """s from the kill of a worker that is started again at once to the next event's handler"""
    repeated: int
    """handlers that began again after a worker was killed in the middle of W1"""
    beside: float
    """ms from a send to its handler at the median, while another run's full inbox is drained"""
    event_bytes: int
    run_bytes: int
    """As the API server shows them, with managed fields. What it stores is about as large."""
    memory: dict[str, float]
    """MB, by the process, at the end"""


async def measure(
    server: MeasuredApi, directory: Path, sizes: Sizes, report: Callable[[str], None]
) -> Round:
    """Measure everything once."""
    loads: dict[str, Load] = {}
    async with open_testbed(server, directory) as testbed:
        _, worker = await testbed.start_both()
        report("W3, one event after another")
        one = await counter(testbed)
        loads["W3"] = await load(testbed, [one], sizes.one_by_one, in_sequence(W3_PAUSE_S))
        seen = await pattern(testbed, one.workflow_id)
        for name, event in W4_EVENTS.items():
            report(f"{name}, one event after another")
            run, pace = await counter(testbed), in_sequence(W4_PAUSE_S)
            loads[name] = await load(testbed, [run], sizes.with_tasks, pace, event=event)
        for events in sizes.one_run:
            report(f"W1, {events} events to one run")
            loads[f"W1 {events}"] = await load(
                testbed, [await counter(testbed)], events, in_flight(W1_SENDS_COUNT)
            )
        report("W2, many runs")
        loads["W2"] = await load(
            testbed, await _counters(testbed, sizes.runs), sizes.each, in_flight(W2_SENDS_COUNT)
        )
        report("W2 at half of that rate")
        loads["W2 at half"] = await load(
            testbed, await _counters(testbed, sizes.runs), sizes.each, at_rate(loads["W2"].rate / 2)
        )
        report("runs that finish at once")
        finished = await _finish(testbed, sizes.finished)
        memory = testbed.memory()
        report("a worker is killed")
        killed = await _kill(testbed, worker)
        report("a worker is killed in the middle of events")
        repeated = await _kill_in_the_middle(testbed, worker, sizes.one_run[0])
    report("a full inbox")
    async with open_testbed(server, directory) as testbed:
        loads["full inbox"] = await _full_inbox(testbed, sizes.full_inbox)
    report("one run beside a full inbox")
    async with open_testbed(server, directory) as testbed:
        beside = await _beside(testbed, sizes.full_inbox)
    floors = await _floors(server, directory, sizes, seen, report)
    sizes_seen = seen.event_bytes, seen.run_bytes
    return Round(loads, floors, finished, killed, repeated, beside, *sizes_seen, memory)


async def _floors(
    server: MeasuredApi, directory: Path, sizes: Sizes, seen: Pattern, report: Callable[[str], None]
) -> dict[str, Floor]:
    """Measure the bare writes at both paces."""
    report("the bare writes, many at once")
    async with open_testbed(server, directory) as bare:
        at_once = await floor(bare, seen, sizes.floor_runs, sizes.floor_each)
    report("the bare writes, one event after another")
    async with open_testbed(server, directory) as bare:
        one_by_one = await floor(bare, seen, 1, sizes.floor_one_by_one, W3_PAUSE_S)
    return {AT_ONCE: at_once, ONE_BY_ONE: one_by_one}


async def _counters(testbed: Testbed, count: int) -> list[WorkflowHandle]:
    return list(await asyncio.gather(*(counter(testbed) for _ in range(count))))


async def counter(testbed: Testbed, *, waits: bool = True) -> WorkflowHandle:
    """Start a run. Wait until it waits for its first event."""
    name = f"counter-{secrets.token_hex(4)}"
    handle = await testbed.client.start_workflow(workflow_type="Counter", workflow_id=name)
    if waits:
        await testbed.starts.until([Start(name, 0)])
    return handle


async def _full_inbox(testbed: Testbed, events: int) -> Load:
    """Send events before a worker exists, then start the worker."""
    operator = testbed.operator().start()
    await operator.until_logged("operator ready")
    worker = testbed.worker()

    async def serve() -> float:
        await worker.start().until_logged("connected")
        return cpu_of([worker.pid])

    handle = await counter(testbed, waits=False)
    return await load(testbed, [handle], events, in_flight(W1_SENDS_COUNT), then=serve)


async def _beside(testbed: Testbed, events: int) -> float:
    operator = testbed.operator().start()
    await operator.until_logged("operator ready")
    flooded, other = [await counter(testbed, waits=False) for _ in range(2)]
    return await latency_beside_flood(testbed, flooded.workflow_id, other.workflow_id, events)


async def _finish(testbed: Testbed, count: int) -> float:
    """Start runs that complete at once. Return how many start and finish in a second."""
    names = [Start(f"once-{number}", 0) for number in range(count)]

    async def start(run: Start) -> None:
        await testbed.client.start_workflow(workflow_type="Once", workflow_id=run.run)

    began = time.monotonic()
    await in_flight(W1_SENDS_COUNT)(names, start)
    await testbed.starts.until(names)
    while not await _all_completed(testbed, names):  # noqa: ASYNC110  a server cannot set our events
        await asyncio.sleep(POLL_INTERVAL_S)
    return count / (time.monotonic() - began)


async def _all_completed(testbed: Testbed, runs: list[Start]) -> bool:
    """Return whether the last runs are completed. Runs finish about in the order of their start."""
    for run in runs[-W1_SENDS_COUNT:]:
        item = await testbed.api.get(RUNS.path(testbed.namespace, run.run))
        if item["status"]["phase"] != "Completed":
            return False
    return True


async def _kill(testbed: Testbed, worker: Process) -> float:
    """Kill the worker and start it again at once. Return the seconds until an event is handled."""
    handle = await counter(testbed)
    event = Start(handle.workflow_id, 1)
    worker.kill()
    killed = time.monotonic()
    worker.start()
    await handle.send("add", event.payload)
    await testbed.starts.until([event])
    return testbed.starts.first[event] - killed


async def _kill_in_the_middle(testbed: Testbed, worker: Process, events: int) -> int:
    """Kill the worker while it handles events. Return how many handlers began more than once.

    Raises:
        LostCountError: an event was lost, or committed twice.
    """
    handle = await counter(testbed)

    async def kill() -> None:
        await testbed.starts.until([Start(handle.workflow_id, events // 2)])
        worker.kill()
        worker.start()

    killing = asyncio.create_task(kill())
    found = await load(testbed, [handle], events, in_flight(W1_SENDS_COUNT))
    await killing
    return found.repeated

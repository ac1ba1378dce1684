"""One round: everything that is measured, once, in new processes.

The loads are those by which others are measured (docs/benchmarks.md): W1 is events to one run with
16 sends in flight, W2 is many runs at once with 64 in flight, W3 is one event after another. W3
comes first: of the others' events the oldest are still being removed when they are over.
"""

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.beside import beside_a_flood
from benchmarks.floor import Floor, Pattern, floor, pattern
from benchmarks.loads import Load, load
from benchmarks.pace import apart, at_rate, in_flight
from benchmarks.stand import ApiServer, Stand, stand
from benchmarks.starts import Start
from benchmarks.usage import cpu_of
from grctl.client import WorkflowHandle
from grctl.kube import RUNS
from tests.lab.processes import Process

ONE_RUN_AT_ONCE = 16
MANY_RUNS_AT_ONCE = 64
AT_ONCE, ONE_BY_ONE = "at once", "one by one"
PAUSE = 0.005  # s: between an answer and the next event of W3
POLL = 0.01  # s


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

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
    floor_runs: int = 16
    floor_each: int = 100
    floor_one_by_one: int = 300


SMALL = Sizes((5,), 5, 2, 2, 5, 5, 2, 2, 3)
"""Enough to see that everything runs; as a measurement worthless."""


@dataclass(frozen=True)
class Round:
    """What one round measured."""

    loads: dict[str, Load]
    floors: dict[str, Floor]
    """The bare writes, by the pace: AT_ONCE, or as those of W3, ONE_BY_ONE"""
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
    """As the API server shows them, managed fields included: what it stores is about as large."""
    memory: dict[str, float]
    """MB, by the process, at the end"""


async def measure(
    server: ApiServer, directory: Path, sizes: Sizes, say: Callable[[str], None]
) -> Round:
    """Measure everything once."""
    loads: dict[str, Load] = {}
    async with stand(server, directory) as ours:
        worker = await _play(ours)
        say("W3, one event after another")
        one = await counter(ours)
        loads["W3"] = await load(ours, [one], sizes.one_by_one, apart(PAUSE))
        seen = await pattern(ours, one.workflow_id)
        for events in sizes.one_run:
            say(f"W1, {events} events to one run")
            loads[f"W1 {events}"] = await load(
                ours, [await counter(ours)], events, in_flight(ONE_RUN_AT_ONCE)
            )
        say("W2, many runs")
        loads["W2"] = await load(
            ours, await _counters(ours, sizes.runs), sizes.each, in_flight(MANY_RUNS_AT_ONCE)
        )
        say("W2 at half of that rate")
        loads["W2 at half"] = await load(
            ours, await _counters(ours, sizes.runs), sizes.each, at_rate(loads["W2"].rate / 2)
        )
        say("runs that finish at once")
        finished = await _finish(ours, sizes.finished)
        memory = ours.memory()
        say("a worker is killed")
        killed = await _kill(ours, worker)
        say("a worker is killed in the middle of events")
        repeated = await _kill_in_the_middle(ours, worker, sizes.one_run[0])
    say("a full inbox")
    async with stand(server, directory) as ours:
        loads["full inbox"] = await _full_inbox(ours, sizes.full_inbox)
    say("one run beside a full inbox")
    async with stand(server, directory) as ours:
        beside = await _beside(ours, sizes.full_inbox)
    floors = await _floors(server, directory, sizes, seen, say)
    sizes_seen = seen.event_bytes, seen.run_bytes
    return Round(loads, floors, finished, killed, repeated, beside, *sizes_seen, memory)


async def _floors(
    server: ApiServer, directory: Path, sizes: Sizes, seen: Pattern, say: Callable[[str], None]
) -> dict[str, Floor]:
    """Make the bare writes at both paces."""
    say("the bare writes, many at once")
    async with stand(server, directory) as bare:
        at_once = await floor(bare, seen, sizes.floor_runs, sizes.floor_each)
    say("the bare writes, one event after another")
    async with stand(server, directory) as bare:
        one_by_one = await floor(bare, seen, 1, sizes.floor_one_by_one, PAUSE)
    return {AT_ONCE: at_once, ONE_BY_ONE: one_by_one}


async def _play(ours: Stand) -> Process:
    """Start an operator and a worker; give the worker."""
    operator = ours.operator().start()
    worker = ours.worker().start()
    await operator.until_said("operator ready")
    await worker.until_said("connected")
    return worker


async def _counters(ours: Stand, count: int) -> list[WorkflowHandle]:
    return list(await asyncio.gather(*(counter(ours) for _ in range(count))))


async def counter(ours: Stand, *, waits: bool = True) -> WorkflowHandle:
    """Start a run; wait until it waits for its first event."""
    name = f"counter-{secrets.token_hex(4)}"
    handle = await ours.client.start_workflow(workflow_type="Counter", workflow_id=name)
    if waits:
        await ours.starts.until([Start(name, 0)])
    return handle


async def _full_inbox(ours: Stand, events: int) -> Load:
    """Have events wait for a worker that does not exist yet."""
    operator = ours.operator().start()
    await operator.until_said("operator ready")
    worker = ours.worker()

    async def serve() -> float:
        await worker.start().until_said("connected")
        return cpu_of([worker.pid])

    handle = await counter(ours, waits=False)
    return await load(ours, [handle], events, in_flight(ONE_RUN_AT_ONCE), then=serve)


async def _beside(ours: Stand, events: int) -> float:
    operator = ours.operator().start()
    await operator.until_said("operator ready")
    flooded, other = [await counter(ours, waits=False) for _ in range(2)]
    return await beside_a_flood(ours, flooded.workflow_id, other.workflow_id, events)


async def _finish(ours: Stand, count: int) -> float:
    """Start runs that complete at once; give how many are started and finished in a second."""
    names = [Start(f"once-{number}", 0) for number in range(count)]

    async def start(run: Start) -> None:
        await ours.client.start_workflow(workflow_type="Once", workflow_id=run.run)

    began = time.monotonic()
    await in_flight(ONE_RUN_AT_ONCE)(names, start)
    await ours.starts.until(names)
    while not await _all_completed(ours, names):  # noqa: ASYNC110  the API server's event is no asyncio one
        await asyncio.sleep(POLL)
    return count / (time.monotonic() - began)


async def _all_completed(ours: Stand, runs: list[Start]) -> bool:
    """Look at the runs that were started last: they finish about in this order."""
    for run in runs[-ONE_RUN_AT_ONCE:]:
        item = await ours.api.get(RUNS.path(ours.namespace, run.run))
        if item["status"]["phase"] != "Completed":
            return False
    return True


async def _kill(ours: Stand, worker: Process) -> float:
    """Kill the worker and start it again at once; give the seconds until an event is handled."""
    handle = await counter(ours)
    event = Start(handle.workflow_id, 1)
    worker.kill()
    killed = time.monotonic()
    worker.start()
    await handle.send("add", event.payload)
    await ours.starts.until([event])
    return ours.starts.first[event] - killed


async def _kill_in_the_middle(ours: Stand, worker: Process, events: int) -> int:
    """Kill the worker while it handles events. Give how many handlers began more than once.

    Raises:
        LostCountError: an event was lost, or committed twice.
    """
    handle = await counter(ours)

    async def kill() -> None:
        await ours.starts.until([Start(handle.workflow_id, events // 2)])
        worker.kill()
        worker.start()

    killing = asyncio.create_task(kill())
    found = await load(ours, [handle], events, in_flight(ONE_RUN_AT_ONCE))
    await killing
    return found.repeated

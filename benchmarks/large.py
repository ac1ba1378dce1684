"""The cost of many runs and many events: memory, the time of a start, the time of a failover.

1. Idle runs are created by bare writes, in the state in which the operator leaves them. The cost of
   keeping them is measured, not that of their history.
2. A start counts from the start of the operator's process to that of a handler. A failover counts
   from the signal to the handler of an event that is sent after it. The worker runs all the time.
3. Memory is what the process of the operator holds more than without them, long after the start.
"""

import asyncio
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.floor import write_status
from benchmarks.measures import counter
from benchmarks.pace import in_flight
from benchmarks.starts import START_TIMEOUT_S, Start
from benchmarks.testbed import MeasuredApi, Testbed, open_testbed
from benchmarks.usage import cpu_of, memory_of
from grctl.client import WorkflowHandle
from grctl.kube import RUNS
from tests.lab.processes import Process
from tests.lab.waiting import eventually

SEEDERS_COUNT = 32
MISSING_RUN = "nobody"
"""A workflow id without a run. Its events wait."""
IDLE_CHECK_S = 0.5  # an operator that did no work for so long is idle
IDLE_CPU_MS = 50.0  # what heartbeats and the Lease use in that time, at most
FIFTH = 5

Figures = dict[str, float]
Report = Callable[[str], None]


@dataclass(frozen=True)
class LargeSizes:
    """The numbers of runs and events."""

    runs: int = 20_000
    """idle runs"""
    events: int = 10_000
    """events that wait for one run, and as many whose run does not exist"""


SMALL = LargeSizes(runs=10, events=5)


async def measure(
    server: MeasuredApi, directory: Path, sizes: LargeSizes, report: Report
) -> Figures:
    """Return the figures of one round."""
    async with open_testbed(server, directory) as testbed:
        operator = await _ready(testbed.operator())
        worker = await testbed.worker().start().until_logged("connected")
        busy, idle = await counter(testbed), await counter(testbed)
        figures = {"memory with nothing, MB": await _memory(operator)}
        figures |= await _one_inbox(testbed, operator, busy, sizes, report)
        figures |= await _pending(testbed, operator, sizes, report)
        figures |= await _many_runs(testbed, operator, idle, sizes, report)
        worker.kill()
        return figures | await _fail_over(testbed, operator, report)


async def _one_inbox(
    testbed: Testbed, operator: Process, busy: WorkflowHandle, sizes: LargeSizes, report: Report
) -> Figures:
    report(f"{sizes.events} events to one run while no operator is up")
    await operator.terminate()
    events = await _send(testbed, busy.workflow_id, sizes.events)
    report("an operator starts")
    began = time.monotonic()
    await _ready(operator)
    await testbed.starts.until(events)
    starts = sorted(testbed.starts.first[event] for event in events)
    fifth = len(starts) // FIFTH
    return {
        "start with pending events: first handler, s": starts[0] - began,
        "the first fifth of them, events/s": fifth / (starts[fifth] - starts[0]),
        "the last fifth of them, events/s": fifth / (starts[-1] - starts[-1 - fifth]),
    }


async def _pending(
    testbed: Testbed, operator: Process, sizes: LargeSizes, report: Report
) -> Figures:
    report(f"{sizes.events} events for a run that does not exist")
    before = await _memory_anew(operator)
    await operator.terminate()
    await _send(testbed, MISSING_RUN, sizes.events)
    held = await _memory_anew(operator) - before
    return {"bytes of a pending event": held * 1e6 / sizes.events}


async def _many_runs(
    testbed: Testbed, operator: Process, like: WorkflowHandle, sizes: LargeSizes, report: Report
) -> Figures:
    report(f"{sizes.runs} idle runs")
    before = await _memory_anew(operator)
    await operator.terminate()
    await _write_runs(testbed, like, sizes.runs)
    event = await _send_one(testbed, idle(0))
    report("an operator starts")
    began = time.monotonic()
    await _ready(operator)
    await testbed.starts.until([event])
    held = await _memory(operator) - before
    return {
        "start with idle runs too: first handler, s": testbed.starts.first[event] - began,
        "bytes of an idle run": held * 1e6 / sizes.runs,
    }


def idle(number: int) -> str:
    """Return the id of an idle run."""
    return f"idle-{number}"


async def _ready(operator: Process) -> Process:
    """Start an operator and wait until it has listed all objects."""
    operator.start()
    await eventually(
        lambda: "operator ready" in operator.output, "it is ready", patience=START_TIMEOUT_S
    )
    return operator


async def _memory(operator: Process) -> float:
    """Wait until an operator is idle. Return its memory in MB."""
    used = -IDLE_CPU_MS
    while (now := cpu_of([operator.pid])) - used > IDLE_CPU_MS:
        used = now
        await asyncio.sleep(IDLE_CHECK_S)
    return memory_of([operator.pid])


async def _memory_anew(operator: Process) -> float:
    """Start an operator anew. Return its memory in MB, which then holds nothing from before."""
    if operator.is_running:
        await operator.terminate()
    return await _memory(await _ready(operator))


async def _write_runs(testbed: Testbed, like: WorkflowHandle, count: int) -> None:
    """Write idle runs that are copies of a waiting run."""
    pattern = await testbed.api.get(RUNS.path(testbed.namespace, like.workflow_id))
    finalizers = pattern["metadata"]["finalizers"]
    path = RUNS.path(testbed.namespace)

    async def write(run: Start) -> None:
        body = {**pattern, "metadata": {"name": run.run, "finalizers": finalizers}}
        item = await testbed.api.create(path, body)
        status = {**pattern["status"], "forUID": item["metadata"]["uid"]}
        await write_status(testbed.api, path, item, status)

    await in_flight(SEEDERS_COUNT)([Start(idle(number), 0) for number in range(count)], write)


async def _send(testbed: Testbed, run: str, count: int) -> list[Start]:
    """Send so many events to a run."""
    events = [Start(run, number) for number in range(1, count + 1)]
    await in_flight(SEEDERS_COUNT)(events, testbed.send)
    return events


async def _send_one(testbed: Testbed, run: str) -> Start:
    (event,) = await _send(testbed, run, 1)
    return event


async def _fail_over(testbed: Testbed, operator: Process, report: Report) -> Figures:
    """Measure a failover from a leader that is asked to end, and from one that is killed.

    The worker knows only the address of the standby, which tells it that of the leader. In a
    cluster it asks a Service. The event is sent after the signal to the leader.
    """
    standby = await _ready(testbed.operator(name="standby"))
    await testbed.worker(name="worker-2", operator="standby").start().until_logged("connected")
    figures: Figures = {}
    for run, number in (idle(1), signal.SIGTERM), (idle(2), signal.SIGKILL):
        report(f"{number.name} to the leader")
        began = time.monotonic()
        operator.signal(number)
        event = await _send_one(testbed, run)
        await testbed.starts.until([event])
        figures[f"{number.name} to the leader: next handler, s"] = (
            testbed.starts.first[event] - began
        )
        await operator.until_ended()
        await _ready(operator)
        await standby.terminate()  # so that the first one leads again
        await operator.until_logged("operator leads")
        await _ready(standby)
    return figures

"""What many runs and many events cost: memory, the time of a start, the time of a failover.

1. Idle runs are written as the operator leaves them, by bare writes: what is measured is how they
   are carried, not how they came to be.
2. A start counts from the operator's process to a handler; a failover from the signal to the
   handler of an event that is sent then. The worker is there all the time.
3. Memory is what the operator's process holds more than without them, long after the start.
"""

import asyncio
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.floor import put_status
from benchmarks.measures import counter
from benchmarks.pace import in_flight
from benchmarks.stand import ApiServer, Stand, stand
from benchmarks.starts import PATIENCE, Start
from benchmarks.usage import cpu_of, memory_of
from grctl.client import WorkflowHandle
from grctl.kube import RUNS
from tests.lab.processes import Process, eventually

SEEDERS = 32
NOBODY = "nobody"
"""A workflow id without a run: its events wait."""
REST = 0.5  # s: without work for so long, an operator has nothing more to do
WORK = 50.0  # ms of a processor in that time that are no work: heartbeats, and the Lease
FIFTH = 5

Figures = dict[str, float]
Say = Callable[[str], None]


@dataclass(frozen=True)
class LargeSizes:
    """How much there is."""

    runs: int = 20_000
    """idle runs"""
    events: int = 10_000
    """events that wait for one run, and as many that wait for none"""


SMALL = LargeSizes(runs=10, events=5)


async def measure(server: ApiServer, directory: Path, sizes: LargeSizes, say: Say) -> Figures:
    """Measure everything once."""
    async with stand(server, directory) as ours:
        operator = await _ready(ours.operator())
        worker = await ours.worker().start().until_said("connected")
        busy, idle = await counter(ours), await counter(ours)
        figures = {"memory with nothing, MB": await _memory(operator)}
        figures |= await _one_inbox(ours, operator, busy, sizes, say)
        figures |= await _pending(ours, operator, sizes, say)
        figures |= await _many_runs(ours, operator, idle, sizes, say)
        worker.kill()
        return figures | await _fail_over(ours, operator, say)


async def _one_inbox(
    ours: Stand, operator: Process, busy: WorkflowHandle, sizes: LargeSizes, say: Say
) -> Figures:
    say(f"{sizes.events} events to one run while no operator is up")
    await operator.terminate()
    events = await _send(ours, busy.workflow_id, sizes.events)
    say("an operator starts")
    began = time.monotonic()
    await _ready(operator)
    await ours.starts.until(events)
    starts = sorted(ours.starts.first[event] for event in events)
    fifth = len(starts) // FIFTH
    return {
        "start with pending events: first handler, s": starts[0] - began,
        "the first fifth of them, events/s": fifth / (starts[fifth] - starts[0]),
        "the last fifth of them, events/s": fifth / (starts[-1] - starts[-1 - fifth]),
    }


async def _pending(ours: Stand, operator: Process, sizes: LargeSizes, say: Say) -> Figures:
    say(f"{sizes.events} events for a run that does not exist")
    before = await _memory_anew(operator)
    await operator.terminate()
    await _send(ours, NOBODY, sizes.events)
    held = await _memory_anew(operator) - before
    return {"bytes of a pending event": held * 1e6 / sizes.events}


async def _many_runs(
    ours: Stand, operator: Process, like: WorkflowHandle, sizes: LargeSizes, say: Say
) -> Figures:
    say(f"{sizes.runs} idle runs")
    before = await _memory_anew(operator)
    await operator.terminate()
    await _write_runs(ours, like, sizes.runs)
    event = await _send_one(ours, idle(0))
    say("an operator starts")
    began = time.monotonic()
    await _ready(operator)
    await ours.starts.until([event])
    held = await _memory(operator) - before
    return {
        "start with idle runs too: first handler, s": ours.starts.first[event] - began,
        "bytes of an idle run": held * 1e6 / sizes.runs,
    }


def idle(number: int) -> str:
    """Name an idle run."""
    return f"idle-{number}"


async def _ready(operator: Process) -> Process:
    """Start an operator, and wait until it knows everything."""
    operator.start()
    await eventually(lambda: "operator ready" in operator.said, "it is ready", patience=PATIENCE)
    return operator


async def _memory(operator: Process) -> float:
    """Give the memory of an operator that has nothing more to do, in MB."""
    used = -WORK
    while (now := cpu_of([operator.pid])) - used > WORK:
        used = now
        await asyncio.sleep(REST)
    return memory_of([operator.pid])


async def _memory_anew(operator: Process) -> float:
    """Give the memory of an operator that knows nothing of what was before its start."""
    if operator.running:
        await operator.terminate()
    return await _memory(await _ready(operator))


async def _write_runs(ours: Stand, like: WorkflowHandle, count: int) -> None:
    """Write idle runs that are like one that waits."""
    pattern = await ours.api.get(RUNS.path(ours.namespace, like.workflow_id))
    finalizers = pattern["metadata"]["finalizers"]
    path = RUNS.path(ours.namespace)

    async def write(run: Start) -> None:
        body = {**pattern, "metadata": {"name": run.run, "finalizers": finalizers}}
        item = await ours.api.create(path, body)
        status = {**pattern["status"], "forUID": item["metadata"]["uid"]}
        await put_status(ours.api, path, item, status)

    await in_flight(SEEDERS)([Start(idle(number), 0) for number in range(count)], write)


async def _send(ours: Stand, run: str, count: int) -> list[Start]:
    """Send a run so many events."""
    events = [Start(run, number) for number in range(1, count + 1)]
    await in_flight(SEEDERS)(events, ours.send)
    return events


async def _send_one(ours: Stand, run: str) -> Start:
    (event,) = await _send(ours, run, 1)
    return event


async def _fail_over(ours: Stand, operator: Process, say: Say) -> Figures:
    """Have the standby take over: from a leader that is asked to end, and from one that is killed.

    The worker knows the standby's address only, and is told the leader's. In a cluster it asks a
    Service. The event is sent when the leader has the signal.
    """
    standby = await _ready(ours.operator("standby"))
    await ours.worker("worker-2", operator="standby").start().until_said("connected")
    figures: Figures = {}
    for run, number in (idle(1), signal.SIGTERM), (idle(2), signal.SIGKILL):
        say(f"{number.name} to the leader")
        began = time.monotonic()
        operator.signal(number)
        event = await _send_one(ours, run)
        await ours.starts.until([event])
        figures[f"{number.name} to the leader: next handler, s"] = ours.starts.first[event] - began
        await operator.ended()
        await _ready(operator)
        await standby.terminate()  # so that the first one leads again
        await operator.until_said("operator leads")
        await _ready(standby)
    return figures

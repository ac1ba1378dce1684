"""A load: events sent at some pace, and what handling them cost.

1. Rates count from the first send to the last handler's start, latencies from a send's call to its
   handler's start; what is used counts until the last event is settled.
2. A load whose run did not count every event exactly once is no measurement: it raises.
"""

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from benchmarks.pace import Moments, Pace
from benchmarks.stand import Sample, Stand
from benchmarks.starts import PATIENCE, Start
from grctl.client import WorkflowHandle
from grctl.kube import RUNS

LOOK = 0.05  # s: between looks at the operator's metrics, each of which costs it some milliseconds


class LostCountError(Exception):
    """A run did not count what it was sent: nothing measured with it means anything."""


@dataclass(frozen=True)
class Load:
    """What a load came to."""

    events: int
    rate: float
    """events/s, from the first send to the last handler's start"""
    drained: float
    """events/s, from the first handler's start to the last one's"""
    p50: float
    p99: float
    """ms, from the call of a send to its handler's start"""
    cpu: dict[str, float]
    """ms an event, by the part"""
    requests: float
    """an event, the create included, removals not"""
    repeated: int
    """Handlers that started more than once."""


async def _nothing() -> float:
    return 0.0


async def load(
    stand: Stand,
    handles: Sequence[WorkflowHandle],
    each: int,
    pace: Pace,
    *,
    then: Callable[[], Awaitable[float]] = _nothing,
) -> Load:
    """Send each run so many events, in turn, and wait until all are settled.

    Args:
        stand: Where.
        handles: The runs; they must be new.
        each: Events for each of them.
        pace: How the sends follow each other.
        then: What is to be done when all are sent; gives the processor milliseconds of the worker
            that do not count.
    """
    by_run = {handle.workflow_id: handle for handle in handles}
    events = [Start(run, number) for number in range(1, each + 1) for run in by_run]

    async def send(event: Start) -> None:
        await by_run[event.run].send("add", event.payload)

    before = await stand.sample()
    moments = await pace(events, send)
    sending = time.process_time() * 1000 - before.cpu["sender"]
    starting = await then()
    await stand.starts.until(events)
    after = await settled(stand, before.settled + len(events))
    await _check_counts(stand, by_run, each)
    after.cpu["worker"] -= starting
    return _compare(stand, moments, before, after, sending)


async def settled(stand: Stand, count: float) -> Sample:
    """Wait until so many events are settled. Give what was used by then."""
    deadline = time.monotonic() + PATIENCE
    while (sample := await stand.sample()).settled < count:
        if time.monotonic() > deadline:
            raise LostCountError(f"{sample.settled:g} events are settled, not {count:g}")
        await asyncio.sleep(LOOK)
    return sample


def _compare(stand: Stand, moments: Moments, before: Sample, after: Sample, sending: float) -> Load:
    events = len(moments)
    starts = {event: stand.starts.first[event] for event in moments}
    latencies = sorted((starts[event] - at) * 1000 for event, at in moments.items())
    first, last = min(starts.values()), max(starts.values())
    cpu = {part: (after.cpu[part] - before.cpu[part]) / events for part in after.cpu}
    return Load(
        events=events,
        rate=events / (last - min(moments.values())),
        drained=events / max(last - first, LOOK),
        p50=statistics.median(latencies),
        p99=latencies[min(events - 1, int(events * 0.99))],
        cpu=cpu | {"sender": sending / events},
        requests=1 + _asked(after.requests - before.requests) / events,
        repeated=sum(stand.starts.repeated[event] for event in moments),
    )


def _asked(requests: Counter[str]) -> int:
    """Count what was asked about events that are handled; removing old ones is another matter."""
    return sum(count for verb, count in requests.items() if not verb.startswith("delete"))


async def _check_counts(stand: Stand, runs: dict[str, WorkflowHandle], each: int) -> None:
    for run in runs:
        item = await stand.api.get(RUNS.path(stand.namespace, run))
        count = item["status"]["store"]["count"]
        if count != each:
            raise LostCountError(f"Run {run} counted {count} events, and {each} were sent to it")

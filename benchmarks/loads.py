"""A load: events that are sent at some pace, and the cost of handling them.

1. A rate counts from the first send to the start of the last handler. A latency counts from the
   call of a send to the start of its handler. Processor time counts until the last event is
   settled.
2. If a run did not count every event exactly once, the load raises an error.
"""

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from benchmarks.pace import Moments, Pace
from benchmarks.starts import START_TIMEOUT_S, Start
from benchmarks.testbed import Sample, Testbed
from grctl.client import WorkflowHandle
from grctl.kube import RUNS

SAMPLE_INTERVAL_S = 0.05  # each read of the operator's metrics costs it some milliseconds


class LostCountError(Exception):
    """A run did not count the events that it was sent, so the measurement means nothing."""


@dataclass(frozen=True)
class Load:
    """The figures of a load."""

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
    """an event, with the create and without removals"""
    repeated: int
    """Handlers that started more than once."""


async def _no_extra_cpu() -> float:
    return 0.0


async def load(
    testbed: Testbed,
    handles: Sequence[WorkflowHandle],
    each: int,
    pace: Pace,
    *,
    event: str = "add",
    then: Callable[[], Awaitable[float]] = _no_extra_cpu,
) -> Load:
    """Send `each` events to each run, in turn, and wait until all are settled.

    Args:
        testbed: The testbed with its operator and worker.
        handles: The runs, which must be new.
        each: The number of events for each run.
        pace: How the sends follow each other.
        event: The event that is sent, which counts.
        then: Called after the last send. Returns the processor milliseconds of the worker that do
            not count.
    """
    by_run = {handle.workflow_id: handle for handle in handles}
    events = [Start(run, number) for number in range(1, each + 1) for run in by_run]

    async def send(start: Start) -> None:
        await by_run[start.run].send(event, start.payload)

    before = await testbed.sample()
    moments = await pace(events, send)
    sending = time.process_time() * 1000 - before.cpu["sender"]
    starting = await then()
    await testbed.starts.until(events)
    after = await wait_until_settled(testbed, before.settled + len(events))
    await _check_counts(testbed, by_run, each)
    after.cpu["worker"] -= starting
    return _compare(testbed, moments, before, after, sending)


async def wait_until_settled(testbed: Testbed, count: float) -> Sample:
    """Wait until so many events are settled. Return what was used by then."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while (sample := await testbed.sample()).settled < count:
        if time.monotonic() > deadline:
            raise LostCountError(f"{sample.settled:g} events are settled, not {count:g}")
        await asyncio.sleep(SAMPLE_INTERVAL_S)
    return sample


def _compare(
    testbed: Testbed, moments: Moments, before: Sample, after: Sample, sending: float
) -> Load:
    events = len(moments)
    starts = {event: testbed.starts.first[event] for event in moments}
    latencies = sorted((starts[event] - at) * 1000 for event, at in moments.items())
    first, last = min(starts.values()), max(starts.values())
    cpu = {part: (after.cpu[part] - before.cpu[part]) / events for part in after.cpu}
    return Load(
        events=events,
        rate=events / (last - min(moments.values())),
        drained=events / max(last - first, SAMPLE_INTERVAL_S),
        p50=statistics.median(latencies),
        p99=latencies[min(events - 1, int(events * 0.99))],
        cpu=cpu | {"sender": sending / events},
        requests=1 + _count_requests(after.requests - before.requests) / events,
        repeated=sum(testbed.starts.repeated[event] for event in moments),
    )


def _count_requests(requests: Counter[str]) -> int:
    """Return the number of requests, without those that remove old events."""
    return sum(count for verb, count in requests.items() if not verb.startswith("delete"))


async def _check_counts(testbed: Testbed, runs: dict[str, WorkflowHandle], each: int) -> None:
    for run in runs:
        item = await testbed.api.get(RUNS.path(testbed.namespace, run))
        count = item["status"]["store"]["count"]
        if count != each:
            raise LostCountError(f"Run {run} counted {count} events, and {each} were sent to it")

"""The latency of events to one run while the full inbox of another run is drained."""

import asyncio
import statistics
import time

from benchmarks.pace import in_flight
from benchmarks.starts import Start
from benchmarks.testbed import Testbed

SENDERS_COUNT = 16
PROBE_PAUSE_S = 0.02  # between two events of the other run


async def latency_beside_flood(testbed: Testbed, flooded: str, other: str, events: int) -> float:
    """Return the median ms from a send to the start of its handler, beside a flood of events.

    Args:
        testbed: Where an operator is ready, and no worker yet.
        flooded: Id of a run that was started; it has to wait for the worker.
        other: Id of another one.
        events: How many the flooded run gets before the worker comes.
    """
    flood = [Start(flooded, number) for number in range(1, events + 1)]
    await in_flight(SENDERS_COUNT)(flood, testbed.send)
    await testbed.worker().start().until_logged("connected")
    await testbed.starts.until([flood[0], Start(other, 0)])
    latencies = [await _latency(testbed, Start(other, 1))]
    while flood[-1] not in testbed.starts.first:
        await asyncio.sleep(PROBE_PAUSE_S)
        latencies.append(await _latency(testbed, Start(other, len(latencies) + 1)))
    return statistics.median(latencies)


async def _latency(testbed: Testbed, event: Start) -> float:
    """Send an event, and give how many ms later its handler started."""
    began = time.monotonic()
    await testbed.send(event)
    await testbed.starts.until([event])
    return (testbed.starts.first[event] - began) * 1000

"""Who waits for whom: events to one run while the full inbox of another one is drained."""

import asyncio
import statistics
import time

from benchmarks.pace import in_flight
from benchmarks.stand import Stand
from benchmarks.starts import Start

SENDERS = 16
REST = 0.02  # s: between two events of the other run


async def beside_a_flood(stand: Stand, flooded: str, other: str, events: int) -> float:
    """Give the median ms from a send to its handler's start, beside so many events to another run.

    Args:
        stand: Where an operator is ready, and no worker yet.
        flooded: Id of a run that was started; it has to wait for the worker.
        other: Id of another one.
        events: How many the flooded run gets before the worker comes.
    """
    flood = [Start(flooded, number) for number in range(1, events + 1)]
    await in_flight(SENDERS)(flood, stand.send)
    await stand.worker().start().until_said("connected")
    await stand.starts.until([flood[0], Start(other, 0)])
    latencies = [await _latency(stand, Start(other, 1))]
    while flood[-1] not in stand.starts.first:
        await asyncio.sleep(REST)
        latencies.append(await _latency(stand, Start(other, len(latencies) + 1)))
    return statistics.median(latencies)


async def _latency(stand: Stand, event: Start) -> float:
    """Send an event, and give how many ms later its handler started."""
    began = time.monotonic()
    await stand.send(event)
    await stand.starts.until([event])
    return (stand.starts.first[event] - began) * 1000

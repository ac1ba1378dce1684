"""How sends follow each other: so many at once, one after another, or at a rate.

Each gives the moment from which the latency of an event counts, in seconds of the monotonic clock:
that of the call; at a rate the moment at which it was due, so that a slow API server does not make
itself look better by being asked later.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence

from benchmarks.starts import Start

Send = Callable[[Start], Awaitable[object]]
Moments = dict[Start, float]
Pace = Callable[[Sequence[Start], Send], Awaitable[Moments]]


def in_flight(limit: int) -> Pace:
    """Have so many sends under way at any time."""

    async def pace(events: Sequence[Start], send: Send) -> Moments:
        moments: Moments = {}
        line = iter(events)
        await asyncio.gather(*(_work_off(line, send, moments) for _ in range(limit)))
        return moments

    return pace


async def _work_off(line: Iterator[Start], send: Send, moments: Moments) -> None:
    for event in line:
        moments[event] = time.monotonic()
        await send(event)


def apart(pause: float) -> Pace:
    """Send one after another, with so many seconds between an answer and the next call."""

    async def pace(events: Sequence[Start], send: Send) -> Moments:
        moments: Moments = {}
        for event in events:
            moments[event] = time.monotonic()
            await send(event)
            await asyncio.sleep(pause)
        return moments

    return pace


def at_rate(rate: float) -> Pace:
    """Send so many a second, evenly, whether or not those before were answered."""

    async def pace(events: Sequence[Start], send: Send) -> Moments:
        began = time.monotonic()
        moments = {event: began + number / rate for number, event in enumerate(events)}
        async with asyncio.TaskGroup() as group:
            for event, due in moments.items():
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                group.create_task(_call(send, event))
        return moments

    return pace


async def _call(send: Send, event: Start) -> None:
    await send(event)

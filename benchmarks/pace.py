"""The pace of sends: a number of them at once, one after another, or at a rate.

A pace returns, for each event, the moment from which its latency counts, in seconds of the
monotonic clock. That is the call of the send. At a rate it is the moment at which the send was due:
otherwise a slow API server would look better, because it is asked later.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence

from benchmarks.starts import Start

Send = Callable[[Start], Awaitable[object]]
Moments = dict[Start, float]
Pace = Callable[[Sequence[Start], Send], Awaitable[Moments]]


def in_flight(limit: int) -> Pace:
    """Return a pace with at most `limit` open sends at any time."""

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


def in_sequence(pause: float) -> Pace:
    """Return a pace with one send after another, and a pause in seconds after each answer."""

    async def pace(events: Sequence[Start], send: Send) -> Moments:
        moments: Moments = {}
        for event in events:
            moments[event] = time.monotonic()
            await send(event)
            await asyncio.sleep(pause)
        return moments

    return pace


def at_rate(rate: float) -> Pace:
    """Return a pace of so many sends a second, evenly. It does not wait for answers."""

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

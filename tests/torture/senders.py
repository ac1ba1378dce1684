"""Senders: everything that comes from outside during a wave, drawn from one seed.

1. Nobody gives up: what is not answered is done again, under the same name.
2. Several send to each run at once, some through the faults and some beside them. Some events come
   before their run; a few are unknown, do not fit or are withdrawn; a few runs finish early.
3. No more events wait than WINDOW, so that faults fall on handling as well as on waiting.
"""

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from grctl.client import Client, WorkflowAlreadyRunningError
from grctl.kube import EVENTS, Api, ApiError, NotFoundError, UnreachableError
from tests.history.recorder import Recorder

EVENTS_A_RUN = 200  # their payloads are in its store, and each of its versions has them all
SENDERS = 8
WAITERS = 4
WINDOW = 1_000  # events
PAUSE = 0.05  # s: before trying again
LONGEST_WORK = 0.4  # s: of a handler; a quarter of a second parts the quick from the slow
LONGEST_DELAY = 1.5  # s: from the wave's begin to a run that comes late

KINDS = {
    "append": 0.90,
    "work": 0.03,
    "stride": 0.03,
    "aprove": 0.01,
    "number": 0.01,
    "withdrawn": 0.015,
    "done": 0.0005,
}

T = TypeVar("T")


@dataclass
class Wave:
    """One lot of runs and events.

    Args:
        number: Which: names are made of it.
        events: How many are sent to runs that collect.
        clients: Ways to send.
        api: For what the SDK has no word: to withdraw an event.
        recorder: Is told what the history's reader must know.
        chance: What everything is drawn from.
    """

    number: int
    events: int
    clients: Sequence[Client]
    api: Api
    recorder: Recorder
    chance: random.Random
    sent: int = 0
    waits: list[str] = field(default_factory=list)
    """Ids of the runs that wait for an approval until a deadline."""
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    @property
    def runs(self) -> list[str]:
        """Ids of the runs that collect."""
        return [f"wave-{self.number}-run-{run}" for run in range(-(-self.events // EVENTS_A_RUN))]

    async def send_all(self) -> None:
        """Start all runs and send all events."""
        async with asyncio.TaskGroup() as group:
            for run in self.runs:
                delay = self.chance.uniform(0, LONGEST_DELAY)
                group.create_task(self._start(run, "Ordeal", delay))
            for _ in range(SENDERS):
                group.create_task(self._send_many())
            for _ in range(WAITERS):
                group.create_task(self._play_waits())

    async def _send_many(self) -> None:
        while (number := next(self._numbers)) < self.events:
            while len(self.recorder.unsettled) > WINDOW:  # noqa: ASYNC110  it is the watch's state
                await asyncio.sleep(PAUSE)
            await self._send_one(number)
            self.sent += 1

    async def _send_one(self, number: int) -> None:
        kind = self.chance.choices(list(KINDS), list(KINDS.values()))[0]
        run = self.chance.choice(self.runs)
        event = "append" if kind == "withdrawn" else kind
        name = f"{run}-{number}"
        if kind == "number":
            self.recorder.unfit.add(name)
        await self._send(run, event, self._payload(kind, number), name)
        if kind == "withdrawn":
            self.recorder.withdrawals.add(name)
            await _in_the_end(lambda: self._withdraw(name))

    def _payload(self, kind: str, number: int) -> object:
        if kind == "work":
            return round(self.chance.uniform(0, LONGEST_WORK), 3)
        special = {"number": "no number", "done": None}
        return special.get(kind, number % EVENTS_A_RUN)

    async def _play_waits(self) -> None:
        while self.sent < self.events:
            run = f"wave-{self.number}-wait-{len(self.waits)}"
            self.waits.append(run)
            await self._play_wait(run)

    async def _play_wait(self, run: str) -> None:
        """Start a wait with a deadline, and send its approval about when it ends."""
        seconds = self.chance.choice((1, 2, 3))
        await self._start(run, "Deadline", 0.0, {"seconds": seconds})
        await asyncio.sleep(seconds + self.chance.uniform(-1, 1))
        await self._send(run, "approve", None, f"{run}-approve")

    async def _start(self, run: str, kind: str, delay: float, given: object = None) -> None:
        client = self.chance.choice(self.clients)
        await asyncio.sleep(delay)

        async def start() -> None:
            await client.start_workflow(workflow_type=kind, workflow_id=run, workflow_input=given)

        try:
            await _in_the_end(start)
        except WorkflowAlreadyRunningError:
            return  # it was we, in a try that was not answered

    async def _send(self, run: str, event: str, payload: object, name: str) -> None:
        client = self.chance.choice(self.clients)
        await _in_the_end(
            lambda: client.send(workflow_id=run, event_name=event, payload=payload, name=name)
        )

    async def _withdraw(self, name: str) -> None:
        try:
            await self.api.delete(EVENTS.path(self.clients[0].namespace, name))
        except NotFoundError:
            return


async def _in_the_end(attempt: Callable[[], Awaitable[T]]) -> T:
    while True:
        try:
            return await attempt()
        except (ApiError, UnreachableError):
            await asyncio.sleep(PAUSE)

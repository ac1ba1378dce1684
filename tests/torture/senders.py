"""The senders of a wave: everything that comes from outside, drawn from one seed.

1. No sender gives up: a request without an answer is repeated, under the same name.
2. Several senders send to each run at once, some through the faults and some beside them. Some
   events come before their run. A few are unknown, do not bind or are withdrawn. A few runs finish
   early.
3. A person looks for runs that are held, and tries them again.
4. At most MAX_WAITING_EVENTS wait, so that faults fall on handling as well as on waiting.
"""

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from grctl.client import Client, WorkflowAlreadyRunningError
from grctl.kube import EVENTS, RUNS, Api, ApiError, NotFoundError, UnreachableError
from tests.history.history import RunVersion
from tests.history.recorder import Recorder

EVENTS_PER_RUN = 200  # every version of a run holds the payloads of all of them
SENDERS = 8
WAITERS = 4
MAX_WAITING_EVENTS = 1_000
RETRY_PAUSE_S = 0.05
LOOK_EVERY_S = 0.2  # of the person who tries held runs again
LONGEST_WORK_S = 0.4  # of a handler; one over a quarter of a second is slow
LONGEST_DELAY_S = 1.5  # from the beginning of a wave to the start of a late run

KINDS = {
    "append": 0.76,
    "charges": 0.05,
    "gathers": 0.03,
    "retries": 0.03,
    "holds": 0.01,
    "turn": 0.02,
    "work": 0.03,
    "two_steps": 0.03,
    "aprove": 0.01,
    "number": 0.01,
    "withdrawn": 0.015,
    "done": 0.0005,
}

TIMED = frozenset({"work", "charges", "gathers", "retries", "holds"})
"""Kinds whose payload is how long the handler or its tasks work, in seconds."""
T = TypeVar("T")


@dataclass
class Wave:
    """One set of runs and events.

    Args:
        number: Number of the wave, which names are made of.
        events: How many events are sent to runs that collect.
        clients: Ways to send.
        api: To withdraw events, which the SDK cannot.
        recorder: Learns which events do not bind, and which are withdrawn.
        chance: The source of everything that is drawn.
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
    retried: dict[tuple[str, int], str] = field(default_factory=dict)
    """Why runs were held that a person tried again, by uid and `spec.retry` before that."""
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    @property
    def runs(self) -> list[str]:
        """Ids of the runs that collect."""
        return [f"wave-{self.number}-run-{run}" for run in range(-(-self.events // EVENTS_PER_RUN))]

    @property
    def turns(self) -> str:
        """Id of the run that takes events by turns."""
        return f"wave-{self.number}-turns"

    async def retry_held_runs(self) -> None:
        """Try each run again that is held, as a person does. Runs until it is cancelled."""
        while True:
            last = {run.uid: run for run in self.recorder.runs}
            for run in last.values():
                is_new = (
                    run.retry == run.observed_retry and (run.uid, run.retry) not in self.retried
                )
                if run.exists and run.stall and is_new:
                    self.retried[run.uid, run.retry] = run.stall
                    await _until_answered(partial(self._retry, run))
            await asyncio.sleep(LOOK_EVERY_S)

    async def _retry(self, run: RunVersion) -> None:
        path = RUNS.path(self.clients[0].namespace, run.name)
        await self.api.merge(path, {"spec": {"retry": run.retry + 1}})

    async def send_all(self) -> None:
        """Start all runs and send all events."""
        async with asyncio.TaskGroup() as group:
            for run in self.runs:
                delay = self.chance.uniform(0, LONGEST_DELAY_S)
                group.create_task(self._start(run, "Collect", delay))
            group.create_task(self._start(self.turns, "Turns", 0.0))
            for _ in range(SENDERS):
                group.create_task(self._send_many())
            for _ in range(WAITERS):
                group.create_task(self._send_approvals())

    async def _send_many(self) -> None:
        while (number := next(self._numbers)) < self.events:
            while len(self.recorder.unsettled) > MAX_WAITING_EVENTS:  # noqa: ASYNC110  it is the watch's state
                await asyncio.sleep(RETRY_PAUSE_S)
            await self._send_one(number)
            self.sent += 1

    async def _send_one(self, number: int) -> None:
        kind = self.chance.choices(list(KINDS), list(KINDS.values()))[0]
        if kind == "turn":
            await self._send_turns(number)
            return
        run = self.chance.choice(self.runs)
        event = "append" if kind == "withdrawn" else kind
        name = f"{run}-{number}"
        if kind == "number":
            self.recorder.unfit.add(name)
        await self._send(run, event, self._payload(kind, number), name)
        if kind == "withdrawn":
            self.recorder.withdrawals.add(name)
            await _until_answered(lambda: self._withdraw(name))

    async def _send_turns(self, number: int) -> None:
        """Send one event of each turn to the run that takes them by turns, in a drawn order."""
        for event in self.chance.sample(("left", "right"), 2):
            await self._send(self.turns, event, number % EVENTS_PER_RUN, f"turns-{number}-{event}")

    def _payload(self, kind: str, number: int) -> object:
        if kind in TIMED:
            return round(self.chance.uniform(0, LONGEST_WORK_S), 3)
        special = {"number": "not a number", "done": None}
        return special.get(kind, number % EVENTS_PER_RUN)

    async def _send_approvals(self) -> None:
        while self.sent < self.events:
            run = f"wave-{self.number}-wait-{len(self.waits)}"
            self.waits.append(run)
            await self._send_approval(run)

    async def _send_approval(self, run: str) -> None:
        """Start a run that waits with a deadline, and send its approval close to the deadline."""
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
            await _until_answered(start)
        except WorkflowAlreadyRunningError:
            return  # an earlier try without an answer started it

    async def _send(self, run: str, event: str, payload: object, name: str) -> None:
        client = self.chance.choice(self.clients)
        await _until_answered(
            lambda: client.send(workflow_id=run, event_name=event, payload=payload, name=name)
        )

    async def _withdraw(self, name: str) -> None:
        try:
            await self.api.delete(EVENTS.path(self.clients[0].namespace, name))
        except NotFoundError:
            return


async def _until_answered(attempt: Callable[[], Awaitable[T]]) -> T:
    while True:
        try:
            return await attempt()
        except (ApiError, UnreachableError):
            await asyncio.sleep(RETRY_PAUSE_S)

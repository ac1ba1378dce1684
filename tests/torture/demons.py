"""Demons: what they do to processes and connections while events are sent, drawn from a seed.

1. Several are at work at once, each with one deed after the other; so deeds overlap.
2. Each deed undoes itself, also when it is interrupted: `stop` leaves everything whole.
3. A process that ends, killed or by itself, is started again, as Kubernetes would.
"""

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Self

from grctl.kube import EVENTS, RUNS
from tests.lab.processes import Process
from tests.lab.relay import Relay
from tests.torture.place import Part
from tests.torture.proxy import FaultyProxy
from tests.torture.weather import CALM, FAIR, STORM, Weather

AT_ONCE = 3
REVIVAL = 0.2  # s: between looks at who is dead
LEASE = 10.0  # s: of the operators
LONGEST_DOWN = 3.0  # s: of the API server
LONGEST_LAG = 10.0  # s: of watches


@dataclass
class Demons:
    """Who does it to whom.

    Args:
        operators: Their processes.
        workers: Theirs.
        proxies: Between operators and API server, and between senders and it.
        relays: Between workers and operators.
        parts: Of the API server.
        chance: What everything is drawn from.
    """

    operators: Sequence[Process]
    workers: Sequence[Process]
    proxies: Sequence[FaultyProxy]
    relays: Sequence[Relay]
    parts: Sequence[Part]
    chance: random.Random
    counts: "Counter[str]" = field(default_factory=Counter)
    """How often each deed was done, and how often a process was started again."""
    _dead: set[Process] = field(default_factory=set)
    _tasks: "list[asyncio.Task[None]]" = field(default_factory=list)
    _guard: "asyncio.Task[None] | None" = None

    async def __aenter__(self) -> Self:
        """Keep the processes alive, and do nothing to them yet."""
        self._guard = asyncio.create_task(self._keep_alive())
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Stop."""
        await self.stop()
        if self._guard is not None:
            self._guard.cancel()
            await asyncio.gather(self._guard, return_exceptions=True)

    def begin(self) -> None:
        """Let them do as they please."""
        self._set_weather(FAIR)
        self._tasks = [asyncio.create_task(self._rage()) for _ in range(AT_ONCE)]

    async def stop(self) -> None:
        """Have them stop, and everything be whole.

        Raises:
            Exception: what one of them failed by.
        """
        for task in self._tasks:
            task.cancel()
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        self._set_weather(CALM)
        for error in ended:
            if isinstance(error, Exception):
                raise error

    async def _rage(self) -> None:
        while True:
            deed = self.chance.choice(DEEDS)
            if deed is Demons.kill_the_api_server and not self.parts:
                continue
            self.counts[deed.__name__] += 1
            await deed(self)
            await asyncio.sleep(self.chance.uniform(0, 2))

    async def kill(self) -> None:
        """Kill one with -9; it is back at once, or later."""
        process = self.chance.choice([*self.operators, *self.workers])
        await self._kill(process, self.chance.choice((0.0, 1.0, 5.0)))

    async def kill_all_operators(self) -> None:
        """Kill both; one begins as the only one."""
        down = [self._kill(each, self.chance.uniform(0, 3)) for each in self.operators]
        await asyncio.gather(*down)

    async def pause_an_operator(self) -> None:
        """Stop it for longer than its Lease lasts; then it comes back beside another leader."""
        await self._pause(self.chance.choice(self.operators), LEASE + self.chance.uniform(1, 4))

    async def pause_a_worker(self) -> None:
        """Stop it while it executes, for less or for more than it takes to be missed."""
        await self._pause(self.chance.choice(self.workers), self.chance.uniform(1, 15))

    async def cut_workers_off(self) -> None:
        """Part workers and an operator for longer than they have to come back."""
        relay = self.chance.choice(self.relays)
        async with AsyncExitStack() as stack:
            stack.callback(relay.mend)
            relay.cut()
            await asyncio.sleep(self.chance.uniform(0.1, 4))

    async def freeze_connections(self) -> None:
        """Let nothing through on some connections; what was said comes late."""
        relay = self.chance.choice(self.relays)
        async with AsyncExitStack() as stack:
            stack.callback(relay.mend)
            relay.freeze(self.chance)
            await asyncio.sleep(self.chance.uniform(1, 15))

    async def storm(self) -> None:
        """Have many requests fail."""
        async with AsyncExitStack() as stack:
            stack.callback(self._set_weather, FAIR)
            self._set_weather(STORM)
            await asyncio.sleep(self.chance.uniform(2, 6))

    async def hold_watches(self) -> None:
        """Let operators see nothing new, of events or of runs or of both, for a while."""
        of = self.chance.choice((EVENTS.plural, RUNS.plural, ""))
        async with AsyncExitStack() as stack:
            for proxy in self.proxies:
                stack.callback(proxy.release_watches)
                proxy.hold_watches(of)
            await asyncio.sleep(self.chance.uniform(1, LONGEST_LAG))

    async def kill_the_api_server(self) -> None:
        """Kill a part of it with -9, and start it again."""
        part = self.chance.choice(self.parts)
        async with part.turn:
            down = asyncio.create_task(self._take_down(part))
            try:
                await asyncio.shield(down)
            except asyncio.CancelledError:
                await down  # never leave it down
                raise

    async def _take_down(self, part: Part) -> None:
        await part.down()
        await asyncio.sleep(self.chance.uniform(0, LONGEST_DOWN))
        await part.up()

    async def _kill(self, process: Process, seconds: float) -> None:
        async with AsyncExitStack() as stack:
            self._dead.add(process)
            stack.callback(self._dead.discard, process)
            process.kill()
            await asyncio.sleep(seconds)

    async def _pause(self, process: Process, seconds: float) -> None:
        async with AsyncExitStack() as stack:
            stack.callback(process.signal, signal.SIGCONT)
            process.signal(signal.SIGSTOP)
            await asyncio.sleep(seconds)

    async def _keep_alive(self) -> None:
        while True:
            for process in (*self.operators, *self.workers):
                if not process.running and process not in self._dead:
                    self.counts[f"{process.name} started again"] += 1
                    process.start()
            await asyncio.sleep(REVIVAL)

    def _set_weather(self, weather: Weather) -> None:
        for proxy in self.proxies:
            proxy.weather = weather


Deed = Callable[[Demons], Awaitable[None]]

DEEDS: tuple[Deed, ...] = (
    Demons.kill,
    Demons.kill,
    Demons.kill_all_operators,
    Demons.pause_an_operator,
    Demons.pause_a_worker,
    Demons.cut_workers_off,
    Demons.freeze_connections,
    Demons.storm,
    Demons.storm,
    Demons.hold_watches,
    Demons.hold_watches,
    Demons.hold_watches,
    Demons.kill_the_api_server,
)

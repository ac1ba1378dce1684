"""What is done to processes and connections while events are sent, drawn from a seed.

1. Several faults happen at once: each of `PARALLEL_FAULTS` tasks injects one after another.
2. Each fault undoes itself, also when it is interrupted: after `stop` everything works again.
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
from tests.lab.api_proxy import ApiProxy
from tests.lab.faults import FEW_FAULTS, MANY_FAULTS, NO_FAULTS, FaultOdds
from tests.lab.processes import Process
from tests.lab.relay import Relay
from tests.torture.api_server_parts import ApiServerPart

PARALLEL_FAULTS = 3
RESTART_CHECK_S = 0.2  # between looks at which process has ended
LEASE_S = 10.0  # of the operators
LONGEST_API_OUTAGE_S = 3.0
LONGEST_WATCH_LAG_S = 10.0


@dataclass
class FaultInjector:
    """Breaks what it is given. Use it as an async context manager.

    Args:
        operators: The processes of the operators.
        workers: The processes of the workers.
        proxies: Between operators and API server, and between senders and API server.
        relays: Between workers and operators.
        parts: What of the API server can be killed.
        chance: The source of everything that is drawn.
    """

    operators: Sequence[Process]
    workers: Sequence[Process]
    proxies: Sequence[ApiProxy]
    relays: Sequence[Relay]
    parts: Sequence[ApiServerPart]
    chance: random.Random
    counts: "Counter[str]" = field(default_factory=Counter)
    """How often each fault was injected, and how often each process was started again."""
    _kept_dead: set[Process] = field(default_factory=set)
    _tasks: "list[asyncio.Task[None]]" = field(default_factory=list)
    _restarts: "asyncio.Task[None] | None" = None

    async def __aenter__(self) -> Self:
        """Start processes again when they end; inject no fault yet."""
        self._restarts = asyncio.create_task(self._restart_processes())
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Stop."""
        await self.stop()
        if self._restarts is not None:
            self._restarts.cancel()
            await asyncio.gather(self._restarts, return_exceptions=True)

    def begin(self) -> None:
        """Inject faults from now on."""
        self._set_odds(FEW_FAULTS)
        self._tasks = [asyncio.create_task(self._inject()) for _ in range(PARALLEL_FAULTS)]

    async def stop(self) -> None:
        """Inject no more faults, and undo those that last.

        Raises:
            Exception: an injection failed by it.
        """
        for task in self._tasks:
            task.cancel()
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        self._set_odds(NO_FAULTS)
        for error in ended:
            if isinstance(error, Exception):
                raise error

    async def _inject(self) -> None:
        while True:
            inject = self.chance.choice(INJECTIONS)
            if inject is FaultInjector.kill_the_api_server and not self.parts:
                continue
            self.counts[inject.__name__] += 1
            await inject(self)
            await asyncio.sleep(self.chance.uniform(0, 2))

    async def kill_a_process(self) -> None:
        """Kill an operator or a worker by SIGKILL; it is started at once, or later."""
        process = self.chance.choice([*self.operators, *self.workers])
        await self._kill(process, self.chance.choice((0.0, 1.0, 5.0)))

    async def kill_all_operators(self) -> None:
        """Kill both operators; one of them begins alone."""
        down = [self._kill(each, self.chance.uniform(0, 3)) for each in self.operators]
        await asyncio.gather(*down)

    async def pause_an_operator(self) -> None:
        """Stop an operator for longer than its Lease; it comes back beside another leader."""
        await self._pause(self.chance.choice(self.operators), LEASE_S + self.chance.uniform(1, 4))

    async def pause_a_worker(self) -> None:
        """Stop a worker while it executes, for less or for more than its grace period."""
        await self._pause(self.chance.choice(self.workers), self.chance.uniform(1, 15))

    async def cut_workers_off(self) -> None:
        """Part workers from an operator, for less or for more than their grace period."""
        relay = self.chance.choice(self.relays)
        async with AsyncExitStack() as stack:
            stack.callback(relay.mend)
            relay.cut()
            await asyncio.sleep(self.chance.uniform(0.1, 4))

    async def freeze_connections(self) -> None:
        """Stop some connections of workers; what was sent meanwhile arrives late."""
        relay = self.chance.choice(self.relays)
        async with AsyncExitStack() as stack:
            stack.callback(relay.mend)
            relay.freeze(self.chance)
            await asyncio.sleep(self.chance.uniform(1, 15))

    async def break_many_requests(self) -> None:
        """Make many requests to the API server fail, for a while."""
        async with AsyncExitStack() as stack:
            stack.callback(self._set_odds, FEW_FAULTS)
            self._set_odds(MANY_FAULTS)
            await asyncio.sleep(self.chance.uniform(2, 6))

    async def hold_watches(self) -> None:
        """Hide what is new from operators, of events or of runs or of both, for a while."""
        plural = self.chance.choice((EVENTS.plural, RUNS.plural, ""))
        async with AsyncExitStack() as stack:
            for proxy in self.proxies:
                stack.callback(proxy.release_watches)
                proxy.hold_watches(plural)
            await asyncio.sleep(self.chance.uniform(1, LONGEST_WATCH_LAG_S))

    async def kill_the_api_server(self) -> None:
        """Kill a part of the API server by SIGKILL, and start it again."""
        part = self.chance.choice(self.parts)
        async with part.turn:
            outage = asyncio.create_task(self._take_down(part))
            try:
                await asyncio.shield(outage)
            except asyncio.CancelledError:
                await outage  # it must not stay down
                raise

    async def _take_down(self, part: ApiServerPart) -> None:
        await part.down()
        await asyncio.sleep(self.chance.uniform(0, LONGEST_API_OUTAGE_S))
        await part.up()

    async def _kill(self, process: Process, seconds: float) -> None:
        async with AsyncExitStack() as stack:
            self._kept_dead.add(process)
            stack.callback(self._kept_dead.discard, process)
            process.kill()
            await asyncio.sleep(seconds)

    async def _pause(self, process: Process, seconds: float) -> None:
        async with AsyncExitStack() as stack:
            stack.callback(process.signal, signal.SIGCONT)
            process.signal(signal.SIGSTOP)
            await asyncio.sleep(seconds)

    async def _restart_processes(self) -> None:
        while True:
            for process in (*self.operators, *self.workers):
                if not process.is_running and process not in self._kept_dead:
                    self.counts[f"{process.name} started again"] += 1
                    process.start()
            await asyncio.sleep(RESTART_CHECK_S)

    def _set_odds(self, odds: FaultOdds) -> None:
        for proxy in self.proxies:
            proxy.odds = odds


Injection = Callable[[FaultInjector], Awaitable[None]]

INJECTIONS: tuple[Injection, ...] = (
    FaultInjector.kill_a_process,
    FaultInjector.kill_a_process,
    FaultInjector.kill_all_operators,
    FaultInjector.pause_an_operator,
    FaultInjector.pause_a_worker,
    FaultInjector.cut_workers_off,
    FaultInjector.freeze_connections,
    FaultInjector.break_many_requests,
    FaultInjector.break_many_requests,
    FaultInjector.hold_watches,
    FaultInjector.hold_watches,
    FaultInjector.hold_watches,
    FaultInjector.kill_the_api_server,
)

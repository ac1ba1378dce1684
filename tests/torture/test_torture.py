"""Everything at once: no fault loses an event, commits it twice or changes the order.

$TORTURE_EVENTS events are sent in waves; no wave begins after $TORTURE_SECONDS. In each wave faults
are injected until all events are sent and nearly all are handled. Then the faults stop, all events
are settled, and the history of the wave is checked. $TORTURE_SEED repeats what was drawn: the kinds
of faults, not their moments, which depend on the machine.
"""

import asyncio
import contextlib
import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from grctl.client import Client
from grctl.kube import RUNS
from grctl.models import RunPhase
from tests.history.calls import CALLS_FILE
from tests.history.checks import violations
from tests.history.executions import EXECUTIONS_FILE
from tests.history.ledger import Ledger
from tests.history.recorded import durable_before
from tests.history.recording_client import RecordingClient
from tests.lab.api_proxy import ApiProxy
from tests.lab.api_server import ApiServer, api_server, kubeconfig_from
from tests.lab.evidence import with_evidence
from tests.lab.lab import Lab, new_lab
from tests.lab.relay import Relay
from tests.lab.reporting import Report
from tests.torture.api_server_parts import parts_of
from tests.torture.fault_injector import FaultInjector
from tests.torture.senders import Wave
from tests.torture.workflows import CHOOSING, TASK_CALLS, WORKFLOWS

TOTAL_EVENTS = int(os.environ.get("TORTURE_EVENTS", "400"))
LATEST_WAVE_S = float(os.environ.get("TORTURE_SECONDS", "60"))
EVENTS_PER_WAVE = 4_000
SETTLING_PATIENCE_S = 240.0  # for all events, after the faults, on a busy machine
CLOCK_ERROR = timedelta(minutes=5)  # of each operator, in either direction


async def test_no_fault_loses_or_doubles_or_reorders_an_event(
    tmp_path: Path, report: Report
) -> None:
    seed = os.environ.get("TORTURE_SEED") or str(random.randrange(10**6))  # noqa: S311
    report("seed", seed)
    print(f"TORTURE_SEED={seed}")  # noqa: T201  also where it fails
    async with (
        api_server(tmp_path, kubeconfig_from("TORTURE_KUBECONFIG")) as server,
        tortured(server, tmp_path, seed) as torture,
    ):
        began, sent, number = time.monotonic(), 0, 0
        while sent < TOTAL_EVENTS and (not sent or time.monotonic() - began < LATEST_WAVE_S):
            sent += await torture.run_wave(number, min(EVENTS_PER_WAVE, TOTAL_EVENTS - sent))
            number += 1
    report("events", sent)
    report("seconds", round(time.monotonic() - began))
    report("became", dict(torture.became))
    report("faults", dict(torture.faults))
    assert torture.became["Processed"] > sent / 2, torture.became


class Torture:
    """All parts of the torture."""

    def __init__(
        self, lab: Lab, injector: FaultInjector, clients: tuple[Client, ...], chance: random.Random
    ) -> None:
        self.became: Counter[str] = Counter()
        """How many events and runs ended in each phase."""
        self._lab = lab
        self._injector = injector
        self._clients = clients
        self._chance = chance

    @property
    def faults(self) -> Counter[str]:
        """How often each fault happened."""
        return sum((proxy.counts for proxy in self._injector.proxies), self._injector.counts)

    async def run_wave(self, number: int, events: int) -> int:
        """Run a wave, check its history, and return how many events were sent."""
        lab, recorder = self._lab, self._lab.recorder
        await recorder.begin_anew()
        for name in (EXECUTIONS_FILE, CALLS_FILE):
            (lab.directory / name).unlink(missing_ok=True)
        wave = Wave(number, events, self._clients, lab.api, recorder, self._chance)
        person = asyncio.create_task(wave.retry_held_runs())
        self._injector.begin()
        try:
            await wave.send_all()
        finally:
            await self._injector.stop()
        await recorder.until_settled(SETTLING_PATIENCE_S)
        await _end(person)
        await recorder.catch_up()
        self._check(wave)
        await self._remove_runs(wave)
        return wave.sent

    def _check(self, wave: Wave) -> None:
        history = replace(self._lab.history(), tasks=TASK_CALLS, choosing=CHOOSING)
        found = violations(history)
        if found:
            text = "\n".join([f"Wave {wave.number}: {len(found)}", *found])
            raise AssertionError(with_evidence(text, self._lab))
        last = {each.uid: each for each in history.events}
        self.became.update(each.phase.value for each in last.values() if each.exists)
        self.became.update({"withdrawn": sum(not each.exists for each in last.values())})
        runs = {each.uid: each for each in history.runs}
        self.became["run Failed"] += sum(each.phase is RunPhase.FAILED for each in runs.values())
        self.became.update(f"run held: {reason}" for reason in wave.retried.values())
        self.became["task called"] += sum(call.result is None for call in history.calls)
        self.became["task kept for a further attempt"] += len(durable_before(Ledger(history)))
        self.became["history with gaps"] += not history.complete

    async def _remove_runs(self, wave: Wave) -> None:
        """Delete the runs of a wave, and with them their events."""
        for run in (*wave.runs, *wave.waits, wave.turns):
            await self._lab.api.delete(RUNS.path(self._lab.namespace, run))
        for run in (*wave.runs, *wave.waits, wave.turns):
            await self._lab.until_gone(RUNS, run, SETTLING_PATIENCE_S)


async def _end(task: asyncio.Task[None]) -> None:
    """End a task that runs until it is cancelled.

    Raises:
        Exception: it has failed before.
    """
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@asynccontextmanager
async def tortured(server: ApiServer, directory: Path, seed: str) -> AsyncIterator[Torture]:
    """Start two operators with wrong clocks, two workers, and the proxies and relays between."""
    async with AsyncExitStack() as stack:
        lab = await stack.enter_async_context(
            new_lab(server.kubeconfig, directory, server.processes, WORKFLOWS)
        )
        proxies, relays, operators, workers = [], [], [], []
        for name, ahead in (("a", CLOCK_ERROR), ("b", -CLOCK_ERROR), ("senders", timedelta(0))):
            kubeconfig = directory / f"kubeconfig-{name}"
            chance = _chance(seed, name)
            proxy = ApiProxy(server.kubeconfig, kubeconfig, chance=chance, ahead=ahead)
            proxies.append(await stack.enter_async_context(proxy))
        for name, proxy in zip("ab", proxies, strict=False):
            relay = await stack.enter_async_context(Relay())
            relays.append(relay)
            url = f"http://127.0.0.1:{relay.port}"
            operators.append(
                lab.operator("--advertise-url", url, name=name, kubeconfig=proxy.kubeconfig)
            )
            relay.target = lab.ports[name]
            lab.ports[f"relay-{name}"] = relay.port
            workers.append(lab.worker(name=f"worker-{name}", operator=f"relay-{name}"))
        for process in (*operators, *workers):
            process.start()
        for operator in operators:
            await operator.until_logged("operator ready")
        faulty = RecordingClient(lab.recorder, lab.namespace, proxies[-1].kubeconfig)
        clients = (lab.client, await stack.enter_async_context(faulty))
        injector = FaultInjector(
            operators, workers, proxies, relays, parts_of(server), _chance(seed, "injector")
        )
        await stack.enter_async_context(injector)
        yield Torture(lab, injector, clients, _chance(seed, "senders"))


def _chance(seed: str, what: str) -> random.Random:
    return random.Random(f"{seed} {what}")  # noqa: S311

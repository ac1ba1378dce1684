"""A load of numbered events for several runs, sent in order for each run.

A send without an answer is repeated under the same name, as a careful sender does: the name is the
idempotency key.
"""

import asyncio
import itertools
from types import TracebackType
from typing import Self

from grctl.kube import ApiError, UnreachableError
from tests.lab.lab import Lab
from tests.lab.waiting import PATIENCE_S, eventually

SENDING_PATIENCE_S = 3 * PATIENCE_S
RETRY_PAUSE_S = 0.1


class Load:
    """Events for runs that keep them. Use it as an async context manager: it starts the runs.

    Args:
        lab: Where the runs are.
        runs: How many runs.
    """

    def __init__(self, lab: Lab, runs: int) -> None:
        self.sent: dict[str, list[int]] = {f"run-{number}": [] for number in range(runs)}
        """The numbers that the API server has accepted for each run, in that order."""
        self._wanted = dict.fromkeys(self.sent, 0)
        """How many events are to be sent to each run."""
        self._lab = lab
        self._numbers = itertools.count()
        self._queues: dict[str, asyncio.Queue[int]] = {name: asyncio.Queue() for name in self.sent}
        self._senders: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """Start the runs, and a sender for each."""
        for name in self.sent:
            await self._lab.client.start_workflow(workflow_type="Append", workflow_id=name)
        self._senders = [asyncio.create_task(self._send_all(name)) for name in self.sent]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Send no more."""
        for sender in self._senders:
            sender.cancel()
        await asyncio.gather(*self._senders, return_exceptions=True)

    def send(self, count: int) -> None:
        """Send so many events in the background, spread over the runs, in order for each run."""
        names = list(self.sent)
        for number in (next(self._numbers) for _ in range(count)):
            name = names[number % len(names)]
            self._wanted[name] += 1
            self._queues[name].put_nowait(number)

    async def until_kept(self) -> None:
        """Wait until all events are sent and committed."""
        await eventually(self._all_sent, "all is sent", patience=SENDING_PATIENCE_S)
        for name, sent in self.sent.items():
            await self._until_committed(name, len(sent))

    async def payloads(self) -> dict[str, list[object]]:
        """Return the payloads that each run has kept."""
        runs = {name: await self._lab.run(name) for name in self.sent}
        return {name: run.status.store.get("payloads", []) for name, run in runs.items()}

    def _all_sent(self) -> bool:
        for sender in self._senders:
            if sender.done():
                sender.result()  # raises what ended it
        return all(len(self.sent[name]) == count for name, count in self._wanted.items())

    async def _until_committed(self, run: str, count: int) -> None:
        await self._lab.until_run(run, lambda seen: seen.status.events.total >= count)

    async def _send_all(self, run: str) -> None:
        while True:
            number = await self._queues[run].get()
            await self._send_patiently(run, number)
            self.sent[run].append(number)

    async def _send_patiently(self, run: str, number: int) -> None:
        while True:
            try:
                await self._lab.client.send(
                    workflow_id=run, event_name="append", payload=number, name=f"{run}-{number}"
                )
            except (ApiError, UnreachableError):
                await asyncio.sleep(RETRY_PAUSE_S)
            else:
                return

"""What really happens to an event: each version of run and event, and each message of a worker.

A relay between worker and operator passes every message on and keeps a copy. Two watches keep each
version of the run and of the event that the API server stored.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from grctl.kube import Api
from grctl.models.wire import CONNECT_PATH, split_messages

Json = dict[str, Any]

DEADLINE_S = 60.0  # for what mostly takes some milliseconds


@dataclass
class Recording:
    """Everything that crossed a border, in order."""

    runs: list[Json] = field(default_factory=list)
    events: list[Json] = field(default_factory=list)
    messages: list[Json] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _outcomes_pass: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        """Pass everything, at first."""
        self.pass_outcomes()

    def hold_outcomes(self) -> None:
        """Keep outcomes in the relay: the operator does not know them yet."""
        self._outcomes_pass.clear()

    def pass_outcomes(self) -> None:
        """Pass outcomes to the operator, also those that were held."""
        self._outcomes_pass.set()

    def has_run(self, phase: str) -> bool:
        """Whether a run had this phase."""
        return any(run["status"]["phase"] == phase for run in self.runs)

    def has_event(self, phase: str) -> bool:
        """Whether an event had this phase."""
        return any(event["status"]["phase"] == phase for event in self.events)

    def has_message(self, kind: str, handler: str) -> bool:
        """Whether a message of this kind was sent about an execution of the handler."""
        return any(self._is_about(message, kind, handler) for message in self.messages)

    def message(self, kind: str, handler: str) -> Json:
        """Return the one message of this kind about the handler."""
        [found] = [each for each in self.messages if self._is_about(each, kind, handler)]
        return found

    @staticmethod
    def _is_about(message: Json, kind: str, handler: str) -> bool:
        return message["kind"] == kind and bool(message["execution"]["handlerName"] == handler)

    def add(self, to: list[Json], item: Json) -> None:
        """Keep an object or a message."""
        to.append(item)
        self._changed.set()

    async def until(self, holds: Callable[["Recording"], bool]) -> None:
        """Wait until what was recorded fulfils a condition."""
        async with asyncio.timeout(DEADLINE_S):
            while not holds(self):
                self._changed.clear()
                await self._changed.wait()

    @asynccontextmanager
    async def watching(self, api: Api, path: str, to: list[Json]) -> AsyncIterator[None]:
        """Record each version of the objects of a collection, from now on."""
        version = (await api.get(path))["metadata"]["resourceVersion"]
        watching = asyncio.create_task(self._watch(api, path, version, to))
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def _watch(self, api: Api, path: str, version: str, to: list[Json]) -> None:
        async for change in api.watch(path, {"resourceVersion": version}):
            self.add(to, change["object"])

    @asynccontextmanager
    async def relaying(self, port: int) -> AsyncIterator[int]:
        """Pass on what a worker and the operator at a port send. Yield the port for the worker."""
        relay = _Relay(port, self._record)
        runner = web.AppRunner(relay.app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            yield runner.addresses[0][1]
        finally:
            await runner.cleanup()

    async def _record(self, message: Json) -> None:
        self.add(self.messages, message)
        if message["kind"] == "outcome":
            await self._outcomes_pass.wait()


class _Relay:
    def __init__(self, port: int, record: Callable[[Json], Awaitable[None]]) -> None:
        self._operator = f"http://127.0.0.1:{port}"
        self._record = record
        self.app = web.Application()
        self.app.router.add_get(CONNECT_PATH, self._connect)

    async def _connect(self, request: web.Request) -> web.WebSocketResponse:
        worker = web.WebSocketResponse()
        await worker.prepare(request)
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{self._operator}{CONNECT_PATH}") as operator,
        ):
            ways = [
                asyncio.create_task(self._pass_on(worker, operator)),
                asyncio.create_task(self._pass_on(operator, worker)),
            ]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        with contextlib.suppress(ConnectionError):
            await worker.close()
        return worker

    async def _pass_on(
        self,
        source: web.WebSocketResponse | aiohttp.ClientWebSocketResponse,
        target: web.WebSocketResponse | aiohttp.ClientWebSocketResponse,
    ) -> None:
        async for frame in source:
            for line in split_messages(frame.data):
                await self._record(json.loads(line))
            await target.send_str(frame.data)

"""A worker as the operator sees one: it speaks the wire and runs nothing."""

import secrets
import ssl
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import aiohttp
import pytest

from grctl.models.base import Model
from grctl.models.directive import Complete, NextStep, WaitForEvent
from grctl.models.phases import HandlerKind
from grctl.models.protocol import SPOKEN
from grctl.models.run import RunError
from grctl.models.wire import (
    CONNECT_PATH,
    Catalogue,
    Drain,
    Execute,
    Execution,
    Failed,
    Goodbye,
    Hello,
    OfferedHandler,
    Outcome,
    RecordOperations,
    Refused,
    ReleaseExecution,
    Succeeded,
    Welcome,
    encode,
    from_operator,
    split_messages,
)

PATIENCE = 60.0  # s: for one message; the operator needs milliseconds

Message = TypeVar("Message", bound=Model)


def catalogue(workflow_type: str, *events: str, steps: tuple[str, ...] = ()) -> Catalogue:
    handlers = [OfferedHandler(kind=HandlerKind.START, name="start")]
    handlers += [OfferedHandler(kind=HandlerKind.STEP, name=name) for name in steps]
    handlers += [OfferedHandler(kind=HandlerKind.EVENT, name=name) for name in events]
    return Catalogue(type=workflow_type, handlers=tuple(handlers))


def hello(
    *catalogues: Catalogue,
    namespace: str = "shop",
    worker: str = "worker-1",
    instance: str | None = None,
    capacity: int = 10,
    held: tuple[Execution, ...] = (),
    protocol: int = SPOKEN.lowest,
    protocol_highest: int | None = SPOKEN.highest,
) -> Hello:
    return Hello(
        protocol=protocol,
        protocol_highest=protocol_highest,
        worker=worker,
        instance=instance or secrets.token_hex(4),
        namespace=namespace,
        capacity=capacity,
        catalogues=catalogues,
        held=held,
    )


class PlayedWorker:
    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self._came: deque[str] = deque()
        self.releases: list[ReleaseExecution] = []

    async def say(self, message: Model) -> None:
        await self.socket.send_str(encode(message))

    async def hear(self, kind: type[Message]) -> Message:
        """Return the next message of a kind, and keep the releases that come before it."""
        while True:
            if not self._came:
                self._came += split_messages(await self.socket.receive_str(timeout=PATIENCE))
            message = from_operator.validate_json(self._came.popleft())
            if isinstance(message, ReleaseExecution):
                self.releases.append(message)
            if isinstance(message, kind):
                return message
            if isinstance(message, Goodbye):
                pytest.fail(message.message)

    async def executes(self) -> Execute:
        return await self.hear(Execute)

    async def succeeds(
        self, execute: Execute, directive: Complete | NextStep | WaitForEvent, **put: Any
    ) -> None:
        result = Succeeded(directive=directive, put=put)
        await self.say(Outcome(execution=execute.execution, result=result))

    async def refuses(self, execute: Execute, message: str) -> None:
        await self.say(Outcome(execution=execute.execution, result=Refused(message=message)))

    async def fails(self, execute: Execute, message: str) -> None:
        error = RunError(type="ValueError", message=message)
        result = Failed(reason="HandlerFailed", error=error)
        await self.say(Outcome(execution=execute.execution, result=result))

    async def records(
        self, execute: Execute, *, awaited: bool = False, **entries: dict[str, Any]
    ) -> None:
        message = RecordOperations(execution=execute.execution, entries=entries, awaited=awaited)
        await self.say(message)

    async def drains(self) -> None:
        await self.say(Drain())


@asynccontextmanager
async def connected(
    port: int,
    greeting: Hello,
    tls: ssl.SSLContext | None = None,
    token: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> AsyncIterator[PlayedWorker]:
    """Connect a worker; leaving the block closes the socket as a killed process does."""
    async with aiohttp.ClientSession() as session:
        url = f"{'https' if tls else 'http'}://127.0.0.1:{port}{CONNECT_PATH}"
        credential = {"Authorization": f"Bearer {token}"} if token else {}
        sent = {**(headers or {}), **credential}
        async with session.ws_connect(url, ssl=tls or True, headers=sent) as socket:
            worker = PlayedWorker(socket)
            await worker.say(greeting)
            await worker.hear(Welcome)
            yield worker

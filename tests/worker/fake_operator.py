"""An operator in a test: it speaks the wire's messages over a WebSocket on loopback."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer

from grctl.models.base import Model
from grctl.models.wire import (
    CONNECT_PATH,
    Declined,
    Drain,
    Execute,
    Hello,
    Outcome,
    RecordOperations,
    ReleaseExecution,
    Welcome,
    encode,
    from_worker,
)

M = TypeVar("M", Hello, Outcome, RecordOperations, Declined, Drain)
PATIENCE_S = 60.0  # a test that waits longer has failed


class Conversation:
    """One connection of a worker."""

    def __init__(self, socket: web.WebSocketResponse, headers: dict[str, str]) -> None:
        self.headers = headers
        self._socket = socket
        self._came: asyncio.Queue[Model] = asyncio.Queue()
        self.closed = asyncio.Event()

    async def listen(self) -> None:
        async for frame in self._socket:
            if frame.type is WSMsgType.TEXT:
                self._came.put_nowait(from_worker.validate_json(frame.data))
        self.closed.set()

    async def next(self, kind: type[M]) -> M:
        """Return the next message, which must be of this kind."""
        async with asyncio.timeout(PATIENCE_S):
            message = await self._came.get()
        assert isinstance(message, kind), f"{kind.__name__} expected, came: {message}"
        return message

    async def say(self, message: Model | str) -> None:
        text = message if isinstance(message, str) else encode(message)
        await self._socket.send_str(text)

    async def execute(self, execute: Execute) -> None:
        await self.say(execute)

    async def release(self, execution: str, *, committed: bool = True) -> None:
        await self.say(
            ReleaseExecution(execution=execution, committed=committed, message="because")
        )

    async def end(self) -> None:
        await self._socket.close()

    @property
    def nothing_more_came(self) -> bool:
        return self._came.empty()


class FakeOperator:
    """Accepts workers; the test answers for it."""

    def __init__(self) -> None:
        self.url = ""
        self.refuse_with: int | None = None
        self.refused = asyncio.Event()
        self.protocol = 4
        self.requests = 0
        self._conversations: asyncio.Queue[Conversation] = asyncio.Queue()

    async def connected(self) -> Conversation:
        """Return the next connection that a worker makes."""
        async with asyncio.timeout(PATIENCE_S):
            return await self._conversations.get()

    async def welcomed(self) -> tuple[Conversation, Hello]:
        """Welcome the next worker that connects."""
        conversation = await self.connected()
        hello = await conversation.next(Hello)
        await conversation.say(Welcome(operator="operator-1", protocol=self.protocol))
        return conversation, hello

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        if self.refuse_with is not None:
            self.refused.set()
            return web.Response(status=self.refuse_with)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        conversation = Conversation(socket, dict(request.headers))
        self._conversations.put_nowait(conversation)
        await conversation.listen()
        return socket


@asynccontextmanager
async def fake_operator(tls: ssl.SSLContext | None = None) -> AsyncIterator[FakeOperator]:
    operator = FakeOperator()
    app = web.Application()
    app.router.add_get(CONNECT_PATH, operator.handle)
    server = TestServer(app)
    await server.start_server(ssl=tls)
    try:
        operator.url = str(server.make_url("")).rstrip("/")
        yield operator
    finally:
        await server.close()

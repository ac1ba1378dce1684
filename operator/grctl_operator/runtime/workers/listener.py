"""Listener: the socket for workers. A connection that makes no request is closed.

aiohttp waits for the first request of a connection for ever. So a connection must make a request
within FIRST_REQUEST_S, not counting the TLS handshake. There are at most MAX_SILENT_CONNECTIONS
that have not made one yet: one more closes the oldest.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable

from aiohttp import web

FIRST_REQUEST_S = 5.0  # a worker makes its request at once
TLS_HANDSHAKE_S = 5.0
MAX_SILENT_CONNECTIONS = 1_000
KEEP_ALIVE_S = 5.0  # workers make no second request

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Listener:
    """The HTTP server of one application."""

    def __init__(self, app: web.Application) -> None:
        self.port = 0
        app.middlewares.append(self._note_request)
        self._runner = web.AppRunner(
            app, handle_signals=False, shutdown_timeout=1.0, keepalive_timeout=KEEP_ALIVE_S
        )
        self._server: asyncio.Server | None = None
        self._silent: dict[asyncio.Protocol, asyncio.TimerHandle] = {}

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        """Listen. `port` 0 takes a free one; `self.port` says which."""
        await self._runner.setup()
        self._server = await asyncio.get_running_loop().create_server(
            self._accept,
            host,
            port,
            ssl=tls,
            ssl_handshake_timeout=TLS_HANDSHAKE_S if tls else None,
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening, and close all connections."""
        if self._server is not None:
            self._server.close()
        await self._runner.cleanup()
        for timer in self._silent.values():
            timer.cancel()

    def _accept(self) -> asyncio.Protocol:
        server = self._runner.server
        if server is None:
            raise RuntimeError("The listener is not set up")
        connection: web.RequestHandler = server()
        if len(self._silent) >= MAX_SILENT_CONNECTIONS:
            self._close(next(iter(self._silent)))
        loop = asyncio.get_running_loop()
        self._silent[connection] = loop.call_later(FIRST_REQUEST_S, self._close, connection)
        return connection

    def _close(self, connection: asyncio.Protocol) -> None:
        self._silent.pop(connection).cancel()
        if isinstance(connection, web.RequestHandler):
            connection.force_close()

    @web.middleware
    async def _note_request(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        timer = self._silent.pop(request.protocol, None)
        if timer is not None:
            timer.cancel()
        return await handler(request)

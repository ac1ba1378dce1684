"""Intermediary: stands before an API server, on loopback; what it makes of it, a subclass says.

1. Who goes through it needs no credentials: it asks as the kubeconfig of the API server says.
2. It knows nothing of what is asked. What a subclass does not change goes through as it is.
"""

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import yaml
from aiohttp import hdrs, web
from yarl import URL

from grctl.kube import Connection

OF_ONE_CONNECTION = frozenset(
    {
        hdrs.ACCEPT_ENCODING,
        hdrs.AUTHORIZATION,
        hdrs.CONNECTION,
        hdrs.CONTENT_LENGTH,
        hdrs.HOST,
        hdrs.KEEP_ALIVE,
        hdrs.TRANSFER_ENCODING,
    }
)
"""Headers that are about the connection to us, or that we say ourselves."""
OF_THE_CLIENT = (hdrs.CONTENT_TYPE, hdrs.ACCEPT, hdrs.ACCEPT_ENCODING, hdrs.USER_AGENT)
"""Headers that are not added where the client did not say them."""
LARGEST = 64 * 1024 * 1024  # bytes: it is the API server that says what is too large
SHUTDOWN = 0.1  # s: for answers under way; 0 would be for ever


class Intermediary:
    """Use it as an async context manager; `kubeconfig` is for the clients that go through it.

    Args:
        upstream: Kubeconfig of the API server.
        kubeconfig: The file that will lead a client here.
    """

    def __init__(self, upstream: Path, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig
        self._upstream = upstream
        self._exits = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Listen, and write the kubeconfig."""
        self._connection = await Connection.find(self._upstream)
        self._session = await self._exits.enter_async_context(
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, ssl=self._connection.tls or True),
                timeout=aiohttp.ClientTimeout(total=None),
            )
        )
        server = web.Server(
            self.answer, request_factory=_request, handler_cancellation=True, access_log=None
        )
        runner = web.ServerRunner(server, shutdown_timeout=SHUTDOWN)
        await runner.setup()
        self._exits.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self._write_kubeconfig(runner.addresses[0][1])
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Break all connections."""
        await self._exits.aclose()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request, by what `ask` gives or otherwise."""
        raise NotImplementedError

    @contextlib.asynccontextmanager
    async def ask(
        self, request: web.BaseRequest, body: bytes
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Pass a request on, with this body; leaving the block ends the connection."""
        response = await self._session.request(
            request.method,
            URL(self._connection.server + request.raw_path, encoded=True),
            headers={**passing(request.headers), **dict(await self._connection.authorization())},
            data=io.BytesIO(body) if body else None,
            skip_auto_headers=OF_THE_CLIENT,
        )
        try:
            yield response
        finally:
            if response.connection and response.connection.transport:
                response.connection.transport.abort()
            response.release()

    def _write_kubeconfig(self, port: int) -> None:
        context = {"cluster": "proxy", "user": "anybody", "namespace": self._connection.namespace}
        cluster = {"server": f"http://127.0.0.1:{port}"}
        config: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "proxy", "cluster": cluster}],
            "users": [{"name": "anybody", "user": {}}],
            "contexts": [{"name": "proxy", "context": context}],
            "current-context": "proxy",
        }
        self.kubeconfig.write_text(yaml.safe_dump(config), encoding="utf-8")


def _request(
    message: Any, payload: Any, protocol: Any, writer: Any, task: asyncio.Task[None]
) -> web.BaseRequest:
    parts = message, payload, protocol, writer, task, task.get_loop()
    return web.BaseRequest(*parts, client_max_size=LARGEST)


def passing(headers: Mapping[str, str]) -> dict[str, str]:
    """Give the headers that go through."""
    ours = {name.lower() for name in OF_ONE_CONNECTION}
    return {name: text for name, text in headers.items() if name.lower() not in ours}


def broken_off(
    request: web.BaseRequest, begun: web.StreamResponse | None = None
) -> web.StreamResponse:
    """End the connection at once, with nothing more said."""
    if request.transport is not None:
        request.transport.abort()
    return begun or web.Response()

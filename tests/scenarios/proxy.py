"""A proxy before the API server that is slow, refuses, or breaks off, as it is told.

1. A fault is for the requests that it matches, and for so many of them; the first one acts.
2. What no fault is for goes through unchanged: path, headers (the server's `Date` too), body.
3. A delayed answer comes as it came, piece by piece, each piece so much later.
4. A request that is cut off has been made: whether it was is what the client cannot know.
"""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import yaml
from aiohttp import hdrs, web

from grctl.kube import Connection

OF_ONE_CONNECTION = frozenset(
    {hdrs.HOST, hdrs.CONNECTION, hdrs.TRANSFER_ENCODING, hdrs.KEEP_ALIVE, hdrs.AUTHORIZATION}
)
"""Headers that are of the connection to us, not of the request."""
SHUTDOWN = 0.1  # s: for answers under way; 0 would be for ever
LARGEST_BODY = 64 * 1024 * 1024  # bytes
REASONS = {409: "Conflict", 429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, as a fault is asked about it."""

    method: str
    path: str
    watch: bool

    def is_watch_of(self, resource: str) -> bool:
        """Say whether it watches a resource, named in the plural."""
        return self.watch and self.path.endswith(f"/{resource}")


@dataclass
class Fault:
    """What goes wrong, and with which requests."""

    matches: Callable[[Asked], bool]
    status: int | None = None
    """Answer this, and do not ask the API server."""
    delay: float = 0.0
    """Each piece of the answer comes so many seconds later."""
    cut_after: int | None = None
    """Break the connection after so many bytes of the answer's body; 0: without any answer."""
    times: float = math.inf
    """How many requests it is for."""
    met: int = 0
    """How many requests it has met."""

    def takes(self, asked: Asked) -> bool:
        """Say whether it is for this request, and count that it is."""
        if self.met >= self.times or not self.matches(asked):
            return False
        self.met += 1
        return True


NO_FAULT = Fault(lambda _: True)


class Proxy:
    """Use it as an async context manager; `kubeconfig` is for the processes that go through it.

    Args:
        upstream: Kubeconfig of the API server.
        directory: Where the proxy's own kubeconfig is written.
        faults: What goes wrong from the beginning.
    """

    def __init__(self, upstream: Path, directory: Path, *faults: Fault) -> None:
        self.kubeconfig = directory / "proxy-kubeconfig"
        self.faults = list(faults)
        self._upstream = upstream
        self._exits = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Listen."""
        self._connection = await Connection.find(self._upstream)
        self._session = await self._exits.enter_async_context(
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, ssl=self._connection.tls or True),
                timeout=aiohttp.ClientTimeout(total=None),
                auto_decompress=False,
            )
        )
        app = web.Application(client_max_size=LARGEST_BODY)
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=SHUTDOWN)
        await runner.setup()
        self._exits.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self._write_kubeconfig(f"http://127.0.0.1:{runner.addresses[0][1]}")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Break all connections."""
        await self._exits.aclose()

    def _write_kubeconfig(self, server: str) -> None:
        """Name no credentials: those of the upstream's kubeconfig are added to each request."""
        config: dict[str, Any] = yaml.safe_load(self._upstream.read_text(encoding="utf-8"))
        config["clusters"] = [
            {"name": each["name"], "cluster": {"server": server}} for each in config["clusters"]
        ]
        config["users"] = [{"name": each["name"], "user": {}} for each in config["users"]]
        self.kubeconfig.write_text(yaml.safe_dump(config), encoding="utf-8")

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        asked = Asked(request.method, request.path, request.query.get("watch") == "true")
        fault = next((each for each in self.faults if each.takes(asked)), NO_FAULT)
        if fault.status is not None:
            return _refusal(fault.status)
        async with self._ask(request) as answer:
            if fault.cut_after == 0:
                return _broken_off(request)
            return await _pass_on(request, answer, fault)

    @contextlib.asynccontextmanager
    async def _ask(self, request: web.Request) -> AsyncIterator[aiohttp.ClientResponse]:
        headers = {
            name: value for name, value in request.headers.items() if name not in OF_ONE_CONNECTION
        }
        response = await self._session.request(
            request.method,
            self._connection.server + request.raw_path,
            headers={**headers, **await self._connection.authorization()},
            data=await request.read() or None,
            skip_auto_headers=(hdrs.CONTENT_TYPE, hdrs.ACCEPT, hdrs.USER_AGENT),
        )
        try:
            yield response
        finally:
            if response.connection and response.connection.transport:
                response.connection.transport.abort()
            response.release()


async def _pass_on(
    request: web.Request, answer: aiohttp.ClientResponse, fault: Fault
) -> web.StreamResponse:
    headers = {name: text for name, text in answer.headers.items() if name not in OF_ONE_CONNECTION}
    passed = web.StreamResponse(status=answer.status, headers=headers)
    await passed.prepare(request)
    left = math.inf if fault.cut_after is None else fault.cut_after
    async for piece in _later(answer.content, fault.delay):
        if len(piece) >= left:
            await passed.write(piece[: int(left)])
            return _broken_off(request, passed)
        left -= len(piece)
        await passed.write(piece)
    await passed.write_eof()
    return passed


async def _later(content: aiohttp.StreamReader, delay: float) -> AsyncIterator[bytes]:
    """Give the pieces, each so much later than it came; those that come meanwhile do not wait."""
    loop = asyncio.get_running_loop()
    pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def read() -> None:
        async for piece in content.iter_any():
            pieces.put_nowait((loop.time() + delay, piece))
        pieces.put_nowait((loop.time() + delay, b""))

    reading = asyncio.create_task(read())
    try:
        while (due := await pieces.get())[1]:
            await asyncio.sleep(due[0] - loop.time())
            yield due[1]
        await reading
    finally:
        reading.cancel()


def _broken_off(
    request: web.Request, begun: web.StreamResponse | None = None
) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return begun or web.Response()


def _refusal(status: int) -> web.Response:
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": status,
        "reason": REASONS.get(status, "Unknown"),
        "message": f"the proxy answers {status}",
    }
    headers = {hdrs.RETRY_AFTER: "1"} if status == 429 else None
    return web.json_response(body, status=status, headers=headers)

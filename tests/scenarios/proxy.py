"""A proxy before the API server that is slow, refuses, or breaks off, as it is told.

1. A fault is for the requests that it matches, and for so many of them; the first one acts.
2. What no fault is for goes through unchanged: path, headers (the server's `Date` too), body.
3. A delayed answer comes as it came, piece by piece, each piece so much later.
4. A request that is cut off has been made: whether it was is what the client cannot know.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from aiohttp import hdrs, web

from tests.lab.api_proxy import Intermediary, broken_off, passing

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


class Proxy(Intermediary):
    """Use it as an async context manager.

    Args:
        upstream: Kubeconfig of the API server.
        directory: Where the proxy's own kubeconfig is written.
        faults: What goes wrong from the beginning.
    """

    def __init__(self, upstream: Path, directory: Path, *faults: Fault) -> None:
        super().__init__(upstream, directory / "proxy-kubeconfig")
        self.faults = list(faults)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer as the first fault that takes it says."""
        asked = Asked(request.method, request.path, request.query.get("watch") == "true")
        fault = next((each for each in self.faults if each.takes(asked)), NO_FAULT)
        if fault.status is not None:
            return _refusal(fault.status)
        async with self.ask(request, await request.read()) as answer:
            if fault.cut_after == 0:
                return broken_off(request)
            return await _pass_on(request, answer, fault)


async def _pass_on(
    request: web.BaseRequest, answer: aiohttp.ClientResponse, fault: Fault
) -> web.StreamResponse:
    passed = web.StreamResponse(status=answer.status, headers=passing(answer.headers))
    await passed.prepare(request)
    left = math.inf if fault.cut_after is None else fault.cut_after
    async for piece in _later(answer.content, fault.delay):
        if len(piece) >= left:
            await passed.write(piece[: int(left)])
            return broken_off(request, passed)
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

"""A proxy before an API server, on loopback, that breaks what it is told to and nothing else.

1. A client that goes through it needs no credentials: the proxy asks as the API server's own
   kubeconfig says.
2. A request without a fault goes through as it is: path, headers, body.
3. The first rule that takes a request decides on its fault; without one, the odds do. Rules and
   odds may change at any moment.
4. Watches can be held, of one kind of object or of all: their lines come later, in order.
5. The API server's clock can seem to be ahead (see `clock_shift`).
6. Each fault is counted, so that a test can tell what it went through.
"""

import asyncio
import contextlib
import io
import math
import random
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import orjson
import yaml
from aiohttp import hdrs, web
from yarl import URL

from grctl.kube import Connection
from tests.lab.clock_shift import shift_date, shift_times
from tests.lab.faults import EXPIRED, NO_FAULTS, NOTHING, ApiRequest, Fault, FaultRule, Refusal

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
"""Headers about the connection to the proxy, and those that it sets itself."""
OF_THE_CLIENT = (hdrs.CONTENT_TYPE, hdrs.ACCEPT, hdrs.ACCEPT_ENCODING, hdrs.USER_AGENT)
"""Headers that are not added if the client did not set them."""
MAX_BODY_BYTES = 64 * 1024 * 1024  # the API server decides what is too large, not the proxy
SHUTDOWN_S = 0.1  # for answers under way; 0 would mean for ever


class BrokenOffError(Exception):
    """The connection to the client is to end in the middle of the answer."""


class ApiProxy:
    """Use it as an async context manager; `kubeconfig` is for the clients that go through it.

    Args:
        upstream: Kubeconfig of the API server.
        kubeconfig: The file that will lead a client here.
        rules: Faults that are scripted from the beginning.
        chance: The source of what is drawn.
        ahead: By how much the API server's clock seems to be ahead.
    """

    def __init__(
        self,
        upstream: Path,
        kubeconfig: Path,
        *rules: FaultRule,
        chance: random.Random | None = None,
        ahead: timedelta = timedelta(0),
    ) -> None:
        self.kubeconfig = kubeconfig
        self.rules = list(rules)
        self.odds = NO_FAULTS
        self.counts: Counter[str] = Counter()
        """How often each kind of fault has happened."""
        self._upstream = upstream
        self._chance = chance or random.Random(0)  # noqa: S311
        self._ahead = ahead
        self._held_plural = ""
        """What the paths of held watches end with."""
        self._released = asyncio.Event()
        self._released.set()
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
            self._answer, request_factory=_request, handler_cancellation=True, access_log=None
        )
        runner = web.ServerRunner(server, shutdown_timeout=SHUTDOWN_S)
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

    def hold_watches(self, plural: str = "") -> None:
        """Hold the lines of all watches, or of those of one plural, until `release_watches`."""
        self._held_plural = plural
        self._released.clear()

    def release_watches(self) -> None:
        """Pass lines on again, the held ones first."""
        self._released.set()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        asked = _description_of(request)
        fault = self._fault_of(asked)
        if not fault.is_passed_on:
            return _failure(request, fault)
        try:
            return await self._pass_on(request, fault, is_watch=asked.is_watch)
        except aiohttp.ClientError:
            self.counts["unreachable"] += 1
            return _break_off(request)

    def _fault_of(self, request: ApiRequest) -> Fault:
        rule = next((each for each in self.rules if each.takes(request)), None)
        fault = rule.fault if rule else self.odds.draw(request, self._chance)
        if fault is not NOTHING:
            self.counts[fault.kind] += 1
        return fault

    async def _pass_on(
        self, request: web.BaseRequest, fault: Fault, *, is_watch: bool
    ) -> web.StreamResponse:
        body = shift_times(await request.read(), -self._ahead)
        async with self._ask(request, body) as answer:
            if fault.refusal or fault.cut_after == 0:
                return _failure(request, fault)
            is_stream = is_watch and answer.status == 200
            pieces = self._watch_lines(request, answer) if is_stream else self._read(answer)
            response = web.StreamResponse(status=answer.status, headers=self._headers(answer))
            return await _send(request, response, _delay(pieces, fault.delay_s), fault.cut_after)

    @contextlib.asynccontextmanager
    async def _ask(
        self, request: web.BaseRequest, body: bytes
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Pass a request on, with this body; leaving the block ends the connection."""
        response = await self._session.request(
            request.method,
            URL(self._connection.server + request.raw_path, encoded=True),
            headers={
                **_headers_to_pass(request.headers),
                **dict(await self._connection.authorization()),
            },
            data=io.BytesIO(body) if body else None,
            skip_auto_headers=OF_THE_CLIENT,
        )
        try:
            yield response
        finally:
            if response.connection and response.connection.transport:
                response.connection.transport.abort()
            response.release()

    async def _read(self, answer: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
        yield shift_times(await answer.read(), self._ahead)

    async def _watch_lines(
        self, request: web.BaseRequest, answer: aiohttp.ClientResponse
    ) -> AsyncGenerator[bytes, None]:
        """Yield the lines of a watch; the odds decide whether it breaks off or ends."""
        async for line in _lines(answer):
            if request.path.endswith(self._held_plural):
                await self._released.wait()
            if self._is_drawn(self.odds.torn, "torn"):
                yield line[: self._chance.randrange(len(line))]
                raise BrokenOffError
            if self._is_drawn(self.odds.expired, "expired"):
                yield orjson.dumps({"type": "ERROR", "object": EXPIRED.body}) + b"\n"
                return
            yield shift_times(line, self._ahead)

    def _is_drawn(self, odds: float, kind: str) -> bool:
        drawn = self._chance.random() < odds
        self.counts[kind] += drawn
        return drawn

    def _headers(self, answer: aiohttp.ClientResponse) -> dict[str, str]:
        headers = _headers_to_pass(answer.headers)
        if hdrs.DATE in headers:
            headers[hdrs.DATE] = shift_date(headers[hdrs.DATE], self._ahead)
        return headers

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
    return web.BaseRequest(*parts, client_max_size=MAX_BODY_BYTES)


def _description_of(request: web.BaseRequest) -> ApiRequest:
    query = request.query
    names_revision = bool(query.get("resourceVersion") or query.get("continue"))
    return ApiRequest(request.method, request.path, query.get("watch") == "true", names_revision)


def _headers_to_pass(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that go through."""
    ours = {name.lower() for name in OF_ONE_CONNECTION}
    return {name: text for name, text in headers.items() if name.lower() not in ours}


def _failure(request: web.BaseRequest, fault: Fault) -> web.StreamResponse:
    """Return the fault's error, or end the connection if it has none."""
    return _refusal_response(fault.refusal) if fault.refusal else _break_off(request)


def _refusal_response(refusal: Refusal) -> web.Response:
    return web.Response(
        body=orjson.dumps(refusal.body),
        status=refusal.status,
        headers={hdrs.CONTENT_TYPE: "application/json", **refusal.headers},
    )


def _break_off(
    request: web.BaseRequest, begun: web.StreamResponse | None = None
) -> web.StreamResponse:
    """End the connection at once, and send nothing more."""
    if request.transport is not None:
        request.transport.abort()
    return begun or web.Response()


async def _send(
    request: web.BaseRequest,
    response: web.StreamResponse,
    pieces: AsyncGenerator[bytes, None],
    cut_after: int | None,
) -> web.StreamResponse:
    """Send an answer piece by piece; end the connection after so many bytes."""
    await response.prepare(request)
    left = math.inf if cut_after is None else cut_after
    async with contextlib.aclosing(pieces):
        try:
            async for piece in pieces:
                if len(piece) >= left:
                    await response.write(piece[: int(left)])
                    return _break_off(request, response)
                left -= len(piece)
                await response.write(piece)
        except BrokenOffError:
            return _break_off(request, response)
    await response.write_eof()
    return response


async def _lines(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    kept = b""
    async for chunk in answer.content.iter_any():
        *lines, kept = (kept + chunk).split(b"\n")
        for line in lines:
            yield line + b"\n"


def _delay(pieces: AsyncGenerator[bytes, None], delay_s: float) -> AsyncGenerator[bytes, None]:
    return _delay_pieces(pieces, delay_s) if delay_s else pieces


async def _delay_pieces(
    pieces: AsyncGenerator[bytes, None], delay_s: float
) -> AsyncGenerator[bytes, None]:
    """Yield each piece so much later than it came; pieces that come meanwhile are not held up."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[tuple[float, bytes | None]] = asyncio.Queue()

    async def read() -> None:
        try:
            async for piece in pieces:
                queue.put_nowait((loop.time() + delay_s, piece))
        finally:
            queue.put_nowait((loop.time() + delay_s, None))

    reading = asyncio.create_task(read())
    try:
        while True:
            due, piece = await queue.get()
            if piece is None:
                break
            await asyncio.sleep(due - loop.time())
            yield piece
        await reading
    finally:
        reading.cancel()

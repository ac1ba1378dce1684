"""FaultyProxy: stands between one client and the API server, and does what networks and servers do.

1. It speaks HTTP on loopback and knows nothing of what is asked: bytes go through as they are, but
   for times (see `times`).
2. What goes wrong is drawn for each request by the weather, which may change at any moment.
3. Watches can be held up, of one kind of object or of all: their lines come later, in order.
4. What happened is counted, so that a test can say what it went through.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
import orjson
import yaml
from aiohttp import web

from grctl.kube import Connection
from tests.torture.times import translated, translated_date
from tests.torture.weather import (
    CALM,
    CONFLICT,
    EXPIRED,
    REFUSALS,
    TIMED_OUT,
    Fate,
    Refusal,
)

HOP = frozenset({"host", "connection", "transfer-encoding", "content-length", "authorization"})
"""Headers that are about one connection, or that the proxy says itself."""


class FaultyProxy:
    """Use it as an async context manager.

    Args:
        connection: Of the API server, and who asks it.
        kubeconfig: The file that will lead a client here.
        chance: What is drawn from.
        ahead: By how much the API server's clock seems to be ahead.
    """

    def __init__(
        self,
        connection: Connection,
        kubeconfig: Path,
        chance: random.Random,
        *,
        ahead: timedelta = timedelta(0),
    ) -> None:
        self.kubeconfig = kubeconfig
        self.weather = CALM
        self.counts: Counter[str] = Counter()
        """How often what happened."""
        self._connection = connection
        self._chance = chance
        self._ahead = ahead
        self._held = ""
        """What the paths of watches that are held up end with."""
        self._released = asyncio.Event()
        self._released.set()

    async def __aenter__(self) -> Self:
        """Listen, and write the kubeconfig."""
        connector = aiohttp.TCPConnector(ssl=self._connection.tls or True, limit=0)
        self._session = aiohttp.ClientSession(
            base_url=self._connection.server + "/",
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=None),
        )
        server = web.Server(self._serve, handler_cancellation=True, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        port = self._runner.addresses[0][1]
        self.kubeconfig.write_text(_kubeconfig(port, self._connection.namespace), encoding="utf-8")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        await self._runner.cleanup()
        await self._session.close()

    def hold_watches(self, of: str = "") -> None:
        """Let no line through of watches of one plural, or of any, until `release_watches`."""
        self._held = of
        self._released.clear()

    def release_watches(self) -> None:
        """Let lines through, those that were held up first."""
        self._released.set()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        fate = self.weather.fate(self._chance)
        if fate is not Fate.PASSED_ON:
            self.counts[fate.name.lower()] += 1
        if fate is Fate.CUT:
            return _cut(request)
        if fate is Fate.REFUSED:
            return _refused(self._refusal(request))
        if _names_a_revision(request) and self._drawn(self.weather.expired, "expired"):
            return _refused(EXPIRED)
        try:
            return await self._pass_on(request, fate)
        except aiohttp.ClientError:
            self.counts["unreachable"] += 1
            return _cut(request)

    async def _pass_on(self, request: web.BaseRequest, fate: Fate) -> web.StreamResponse:
        headers = {key: value for key, value in request.headers.items() if key.lower() not in HOP}
        async with self._session.request(
            request.method,
            request.rel_url,
            data=translated(await request.read(), -self._ahead) or None,
            headers=headers | await self._connection.authorization(),
            skip_auto_headers=("Content-Type", "Accept", "User-Agent"),
        ) as answer:
            if request.query.get("watch") == "true" and answer.status == 200:
                return await self._stream(request, answer)
            body = translated(await answer.read(), self._ahead)
        if fate is Fate.LOST:
            return _cut(request)
        if fate is Fate.BELIED:
            return _refused(TIMED_OUT)
        return web.Response(body=body, status=answer.status, headers=self._headers(answer))

    async def _stream(
        self, request: web.BaseRequest, answer: aiohttp.ClientResponse
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers=self._headers(answer))
        await response.prepare(request)
        async for line in _lines(answer):
            if request.path.endswith(self._held):
                await self._released.wait()
            if self._drawn(self.weather.torn, "torn"):
                await response.write(line[: self._chance.randrange(len(line))])
                return _cut(request)
            if self._drawn(self.weather.expired, "expired"):
                await response.write(_error_line(EXPIRED))
                return response
            await response.write(translated(line, self._ahead))
        return response

    def _refusal(self, request: web.BaseRequest) -> Refusal:
        """Draw an error; only a write over a version can meet a conflict."""
        conflicts = (CONFLICT,) * 2 if request.method == "PUT" else ()
        refusals: tuple[Refusal, ...] = (*REFUSALS, *conflicts)
        return self._chance.choice(refusals)

    def _drawn(self, odds: float, what: str) -> bool:
        drawn = self._chance.random() < odds
        self.counts[what] += drawn
        return drawn

    def _headers(self, answer: aiohttp.ClientResponse) -> dict[str, str]:
        kept = {key: answer.headers[key] for key in ("Content-Type", "Retry-After", "Date")
                if key in answer.headers}  # fmt: skip
        if "Date" in kept:
            kept["Date"] = translated_date(kept["Date"], self._ahead)
        return kept


def _names_a_revision(request: web.BaseRequest) -> bool:
    """Say whether a request is for what was at a time: a watch, or a list that goes on."""
    return bool(request.query.get("resourceVersion") or request.query.get("continue"))


def _cut(request: web.BaseRequest) -> web.Response:
    """End the connection at once, with nothing said."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _refused(refusal: Refusal) -> web.Response:
    return web.Response(
        body=orjson.dumps(refusal.body),
        status=refusal.status,
        headers={"Content-Type": "application/json", **refusal.headers},
    )


def _error_line(refusal: Refusal) -> bytes:
    return orjson.dumps({"type": "ERROR", "object": refusal.body}) + b"\n"


async def _lines(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    kept = b""
    async for chunk in answer.content.iter_any():
        *lines, kept = (kept + chunk).split(b"\n")
        for line in lines:
            yield line + b"\n"


def _kubeconfig(port: int, namespace: str) -> str:
    """Lead a client here; it needs no credentials, as the proxy has them."""
    clusters = [{"name": "proxy", "cluster": {"server": f"http://127.0.0.1:{port}"}}]
    users = [{"name": "anybody", "user": {}}]
    context = {"cluster": "proxy", "user": "anybody", "namespace": namespace}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": clusters,
            "users": users,
            "contexts": [{"name": "proxy", "context": context}],
            "current-context": "proxy",
        }
    )

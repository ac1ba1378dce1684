"""FaultyProxy: stands between one client and the API server, and does what networks and servers do.

1. Bytes go through as they are, but for times (see `times`).
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

import aiohttp
import orjson
from aiohttp import web

from tests.lab.api_proxy import Intermediary, broken_off
from tests.lab.clock_shift import translated, translated_date
from tests.torture.weather import (
    CALM,
    CONFLICT,
    EXPIRED,
    REFUSALS,
    TIMED_OUT,
    Fate,
    Refusal,
)


class FaultyProxy(Intermediary):
    """Use it as an async context manager.

    Args:
        upstream: Kubeconfig of the API server.
        kubeconfig: The file that will lead a client here.
        chance: What is drawn from.
        ahead: By how much the API server's clock seems to be ahead.
    """

    def __init__(
        self,
        upstream: Path,
        kubeconfig: Path,
        chance: random.Random,
        *,
        ahead: timedelta = timedelta(0),
    ) -> None:
        super().__init__(upstream, kubeconfig)
        self.weather = CALM
        self.counts: Counter[str] = Counter()
        """How often what happened."""
        self._chance = chance
        self._ahead = ahead
        self._held = ""
        """What the paths of watches that are held up end with."""
        self._released = asyncio.Event()
        self._released.set()

    def hold_watches(self, of: str = "") -> None:
        """Let no line through of watches of one plural, or of any, until `release_watches`."""
        self._held = of
        self._released.clear()

    def release_watches(self) -> None:
        """Let lines through, those that were held up first."""
        self._released.set()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer as the weather has it."""
        fate = self.weather.fate(self._chance)
        if fate is not Fate.PASSED_ON:
            self.counts[fate.name.lower()] += 1
        if fate is Fate.CUT:
            return broken_off(request)
        if fate is Fate.REFUSED:
            return _refused(self._refusal(request))
        if _names_a_revision(request) and self._drawn(self.weather.expired, "expired"):
            return _refused(EXPIRED)
        try:
            return await self._pass_on(request, fate)
        except aiohttp.ClientError:
            self.counts["unreachable"] += 1
            return broken_off(request)

    async def _pass_on(self, request: web.BaseRequest, fate: Fate) -> web.StreamResponse:
        body = translated(await request.read(), -self._ahead)
        async with self.ask(request, body) as answer:
            if request.query.get("watch") == "true" and answer.status == 200:
                return await self._stream(request, answer)
            body = translated(await answer.read(), self._ahead)
        if fate is Fate.LOST:
            return broken_off(request)
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
                return broken_off(request)
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

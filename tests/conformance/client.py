"""A small client that shows the answers of an API server: status, headers, body and stream."""

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import aiohttp
import orjson

from tests.conformance.kubeconfig import Access

TIMEOUT_S = 45.0  # a real cluster collects the garbage of a new kind after half a minute
POLL_INTERVAL_S = 0.05

Json = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """The answer to one request."""

    status: int
    headers: Mapping[str, str]
    body: Any

    def expect(self, status: int) -> Json:
        """Return the body of an answer that must have this status."""
        assert self.status == status, f"{self.status}, not {status}: {self.body}"
        body: Json = self.body
        return body


class Api:
    """A client of one API server. Use it as an async context manager."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(ssl=self.access.tls or True)
        headers = {"Authorization": f"Bearer {self.access.token}"} if self.access.token else {}
        self._session = aiohttp.ClientSession(connector=connector, headers=headers)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session:
            await self._session.close()

    async def get(self, path: str, *, accept: str | None = None, **params: str) -> Answer:
        headers = {"Accept": accept} if accept else {}
        return await self.request("GET", path, headers=headers, params=params)

    async def post(self, path: str, body: object, **params: str) -> Answer:
        return await self.request("POST", path, body=body, params=params)

    async def put(self, path: str, body: object, **params: str) -> Answer:
        return await self.request("PUT", path, body=body, params=params)

    async def patch(
        self, path: str, body: object, kind: str = "merge-patch+json", **params: str
    ) -> Answer:
        headers = {"Content-Type": f"application/{kind}"}
        return await self.request("PATCH", path, body=body, headers=headers, params=params)

    async def delete(self, path: str, body: object = None, **params: str) -> Answer:
        return await self.request("DELETE", path, body=body, params=params)

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request. `body` is sent as JSON unless it is bytes. A header of "" is not sent."""
        text = body if body is None or isinstance(body, bytes) else orjson.dumps(body)
        data = None if text is None else io.BytesIO(text)
        wanted = {"Content-Type": "application/json", **(headers or {})}
        sent = {name: value for name, value in wanted.items() if value}
        left_out = [name for name, value in wanted.items() if not value]
        url = self.access.server + path
        assert self._session
        async with self._session.request(
            method, url, data=data, headers=sent, params=params, skip_auto_headers=left_out
        ) as response:
            return Answer(response.status, response.headers, _decode(await response.read()))

    async def until_gone(self, path: str) -> None:
        """Wait until an object does not exist."""
        await self.until_status(path, 404)

    async def until_marked_as_deleted(self, path: str) -> None:
        """Wait until an object is marked as being deleted."""

        async def marked() -> bool:
            return "deletionTimestamp" in (await self.get(path)).expect(200)["metadata"]

        await eventually(marked)

    async def until_status(self, path: str, status: int) -> None:
        """Wait until a path answers with this status."""

        async def answers() -> bool:
            return (await self.get(path)).status == status

        await eventually(answers)

    @asynccontextmanager
    async def watch(
        self, path: str, *, accept: str | None = None, **params: str
    ) -> AsyncIterator["Watch"]:
        """Open a watch. It ends with the block."""
        assert self._session
        async with self._session.get(
            self.access.server + path,
            params={"watch": "true", **params},
            headers={"Accept": accept} if accept else {},
        ) as response:
            try:
                yield Watch(response)
            finally:
                await _hang_up(response)


class Watch:
    """A stream of watch events."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.status = response.status
        self._response = response

    async def next(self, within_s: float = TIMEOUT_S) -> Json:
        """Return the next event. One must come."""
        async with asyncio.timeout(within_s):
            line = await self._response.content.readline()
        assert line, "the stream has ended"
        event: Json = orjson.loads(line)
        return event

    async def take(self, count: int) -> list[tuple[str, str]]:
        """Return the type and the object's name of the next events."""
        events = [await self.next() for _ in range(count)]
        return [(event["type"], event["object"]["metadata"]["name"]) for event in events]

    async def has_ended(self) -> bool:
        """Return whether the server ends the stream without another event."""
        async with asyncio.timeout(TIMEOUT_S):
            return await self._response.content.readline() == b""


async def _hang_up(response: aiohttp.ClientResponse) -> None:
    # An orderly end of TLS would wait for the server, which only writes to the stream.
    if response.connection and response.connection.transport:
        response.connection.transport.abort()
        await asyncio.sleep(0)  # the socket is closed in the loop's next round


async def eventually(check: Callable[[], Awaitable[bool]]) -> None:
    """Wait until a check is true."""
    async with asyncio.timeout(TIMEOUT_S):
        while not await check():  # noqa: ASYNC110  # a server cannot set our events
            await asyncio.sleep(POLL_INTERVAL_S)


def _decode(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text.decode()

"""Requests to the API server, and nothing about what they mean.

1. An answer that is no success is an exception of `grctl.kube.errors`.
2. No answer is `UnreachableError`: whether the write happened is then unknown, so only the
   caller, who knows what it meant, may repeat it.
3. Each answer's `Date` goes to `on_answer` with how long it took: deadlines are the API
   server's, not this machine's.
4. Each request goes to `on_request`, once, with the status of its answer: it is counted.
5. Where there is a fence, it is asked directly before each write is sent, and what it leaves of
   time limits the write: what is not sent by then never is. Reads go on.
"""

import asyncio
import io
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from types import TracebackType
from typing import Any, Protocol, Self

import aiohttp

from grctl.json.raw_json import dumps
from grctl.json.reading import UnreadableJsonError, read_json
from grctl.kube.connection import Connection, ConnectionConfigError
from grctl.kube.connector import Connector
from grctl.kube.credentials import Headers
from grctl.kube.errors import (
    FencedError,
    LargeAnswerError,
    UnreachableError,
    UnreadableAnswerError,
    UntrustedServerError,
    api_error,
)
from grctl.kube.requests import Request, request_of

REQUEST_TIMEOUT = 30.0  # s: longer than the API server's own waits for etcd
CONNECT_TIMEOUT = 5.0  # s
AT_ONCE = 2**20  # bytes of a body: of more than this in one piece aiohttp warns
POOL = 100  # connections for requests: more than a busy operator has under way
UNLIMITED = 0  # connections for watches: each is held for minutes, and must not keep a write back
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"

Json = dict[str, Any]
Params = Mapping[str, str]
OnAnswer = Callable[[float, datetime], None]
"""Gets how many seconds the answer took, and its Date."""
OnRequest = Callable[[Request, int], None]
"""Gets what was asked and the HTTP status of the answer; 0 where none came."""


class Fence(Protocol):
    """Whether this process may write: one of several may, and it knows until when."""

    def remaining(self) -> float:
        """Give the seconds for which writes may still be sent; 0 or less: none may."""


class Api:
    """Connections to one API server: a pool for requests, and others for watches.

    Use it as an async context manager.

    Args:
        connection: Which API server, and as whom.
        user_agent: What this program calls itself.
        request_timeout: Seconds in which each request but a watch must be answered; None: for ever.
        pool: How many requests may be under way, beside watches; UNLIMITED: the caller bounds them;
            None: POOL.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        user_agent: str = "grctl",
        request_timeout: float | None = REQUEST_TIMEOUT,
        pool: int | None = None,
    ) -> None:
        self.connection = connection
        self.request_timeout = request_timeout
        self.on_answer: OnAnswer | None = None
        self.on_request: OnRequest | None = None
        self.fence: Fence | None = None
        self._user_agent = user_agent
        self._limit = POOL if pool is None else pool
        self._session: aiohttp.ClientSession | None = None
        self._watching: aiohttp.ClientSession | None = None

    @property
    def namespace(self) -> str:
        """The namespace of the kubeconfig's context or of the pod."""
        return self.connection.namespace

    async def __aenter__(self) -> Self:
        """Open the pools; no request is made."""
        self._session, self._watching = self._open_pool(self._limit), self._open_pool(UNLIMITED)
        return self

    def _open_pool(self, limit: int) -> aiohttp.ClientSession:
        connector = Connector(limit=limit, ssl=self.connection.tls or True)
        return aiohttp.ClientSession(
            connector=connector,
            proxy=self.connection.proxy,
            headers={"User-Agent": self._user_agent, "Accept": "application/json"},
            timeout=aiohttp.ClientTimeout(total=self.request_timeout, sock_connect=CONNECT_TIMEOUT),
        )

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the pools."""
        for session in (self._session, self._watching):
            if session is not None:
                await session.close()

    async def get(
        self, path: str, params: Params | None = None, *, at_most: int | None = None
    ) -> Json:
        """Read an object or a list.

        Raises:
            LargeAnswerError: the answer has more than `at_most` bytes.
        """
        return await self._request("GET", path, params=params, at_most=at_most)

    async def table(self, path: str, params: Params | None = None) -> list[Json]:
        """Read the printer columns of a collection: cells by the names of their columns."""
        wanted = {"includeObject": "None", **(params or {})}
        answer = await self._request("GET", path, params=wanted, headers={"Accept": TABLE})
        names = [column["name"] for column in answer["columnDefinitions"]]
        rows = answer.get("rows") or []
        return [dict(zip(names, row["cells"], strict=True)) for row in rows]

    async def create(self, path: str, body: Json, params: Params | None = None) -> Json:
        """Create an object in the collection at `path`."""
        return await self._request("POST", path, body=body, params=params)

    async def replace(self, path: str, body: Json, params: Params | None = None) -> Json:
        """Put an object; with `metadata.resourceVersion` only over the version it names."""
        return await self._request("PUT", path, body=body, params=params)

    async def merge(self, path: str, patch: Json, params: Params | None = None) -> Json:
        """Apply a JSON merge patch."""
        headers = {"Content-Type": "application/merge-patch+json"}
        return await self._request("PATCH", path, body=patch, params=params, headers=headers)

    async def apply(self, path: str, body: Json, manager: str) -> Json:
        """Apply an object server-side, taking over conflicting fields."""
        headers = {"Content-Type": "application/apply-patch+yaml"}
        params = {"fieldManager": manager, "force": "true"}
        return await self._request("PATCH", path, body=body, params=params, headers=headers)

    async def delete(
        self, path: str, params: Params | None = None, preconditions: Json | None = None
    ) -> Json:
        """Delete an object."""
        options: Json = {"kind": "DeleteOptions", "apiVersion": "v1"}
        if preconditions:
            options["preconditions"] = preconditions
        return await self._request("DELETE", path, body=options, params=params)

    async def delete_all(self, path: str, params: Params) -> None:
        """Delete the objects of a collection that selectors in `params` name.

        The answer holds all of them, whatever their size: it is received and not kept.
        """
        options: Json = {"kind": "DeleteOptions", "apiVersion": "v1"}
        await self._request("DELETE", path, body=options, params=params, kept=False)

    async def watch(self, path: str, params: Params) -> AsyncIterator[Json]:
        """Yield the watch events of a collection until the server ends the stream.

        Yields:
            `{"type": ..., "object": ...}`. One of type ERROR is raised instead.

        Raises:
            ExpiredError: the revision asked for is no longer kept.
            UnreachableError: the stream broke, or something else than watch events came.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT)
        try:
            async with self._open(
                "GET", path, self._watching, params={**params, "watch": "true"}, timeout=timeout
            ) as response:
                await _raise_for_refusal(response)
                async for line in _lines(response.content):
                    event = _watch_event(line)
                    if event["type"] == "ERROR":
                        raise api_error(500, event["object"])
                    yield event
        except UnreadableJsonError as error:
            raise self._unreadable("GET", path, error) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._unreachable("GET", path, error) from error

    async def _request(
        self,
        method: str,
        path: str,
        *,
        body: Json | None = None,
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
        at_most: int | None = None,
        kept: bool = True,
    ) -> Json:
        began = time.monotonic()
        left = self._time_left(method, path)
        if body is not None:
            headers = {"Content-Type": "application/json", **(headers or {})}
        data = None if body is None else _written(body)
        try:
            async with (
                asyncio.timeout(left),
                self._open(
                    method, path, self._session, params=params, data=data, headers=headers
                ) as response,
            ):
                await _raise_for_refusal(response)
                answer = _object(await _body(response, at_most)) if kept else await _drop(response)
                self._note_date(response, began)
                return answer
        except UnreadableJsonError as error:
            raise self._unreadable(method, path, error) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._unreachable(method, path, error) from error

    @asynccontextmanager
    async def _open(
        self,
        method: str,
        path: str,
        session: aiohttp.ClientSession | None,
        headers: Mapping[str, str] | None = None,
        **arguments: Any,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Ask; the header that says who asks may need I/O itself."""
        if session is None:
            raise RuntimeError("The Api is not open: use it as `async with Api(...) as api:`")
        who = await self._authorization(method, path)
        said = [*(headers or {}).items(), *who]
        url = self.connection.server + path
        name = self.connection.tls_server_name
        self._time_left(method, path)  # again: finding out who asks may have taken its time
        response = None
        try:
            response = await session.request(
                method, url, headers=said, server_hostname=name, **arguments
            )
            self._count(method, path, arguments, response.status)
            yield response
        finally:
            if response is None:
                self._count(method, path, arguments, 0)
            else:
                _hang_up(response)
                response.release()

    async def _authorization(self, method: str, path: str) -> Headers:
        try:
            return await self.connection.authorization()
        except ConnectionConfigError as error:
            raise UnreachableError(f"{method} {path}: not sent. {error}") from error

    def _count(self, method: str, path: str, arguments: Mapping[str, Any], status: int) -> None:
        if self.on_request is not None:
            watch = (arguments.get("params") or {}).get("watch") == "true"
            self.on_request(request_of(method, path, watch=watch), status)

    def _time_left(self, method: str, path: str) -> float | None:
        """Give in how many seconds a write must be done; None: whenever it is.

        Raises:
            FencedError: it must not be sent.
        """
        if self.fence is None or method == "GET":
            return None
        left = self.fence.remaining()
        if left <= 0:
            raise FencedError(f"{method} {path}: not sent, as this process may not write now")
        return left

    def _note_date(self, response: aiohttp.ClientResponse, began: float) -> None:
        date = response.headers.get("Date")
        if date and self.on_answer:
            self.on_answer(time.monotonic() - began, _parse_date(date))

    def _unreachable(self, method: str, path: str, error: Exception) -> UnreachableError:
        what = str(error) or type(error).__name__
        if type(error) is TimeoutError and self.request_timeout:
            what = f"no answer within {self.request_timeout:g} s"
        untrusted = isinstance(error, aiohttp.ClientConnectorCertificateError)
        kind = UntrustedServerError if untrusted else UnreachableError
        return kind(f"{method} {self.connection.server}{path}: {what}")

    def _unreadable(self, method: str, path: str, error: Exception) -> UnreadableAnswerError:
        asked = f"{method} {self.connection.server}{path}"
        return UnreadableAnswerError(f"{asked}: the answer cannot be read: {error}")


def _written(body: Json) -> bytes | io.BytesIO:
    """Write a body, a large one so that it is sent in pieces."""
    written = dumps(body)
    return written if len(written) <= AT_ONCE else io.BytesIO(written)


async def _body(response: aiohttp.ClientResponse, at_most: int | None) -> bytes:
    """Read a whole answer, unless it is too large."""
    if at_most is None:
        return await response.read()
    parts: list[bytes] = []
    left = at_most
    async for chunk in response.content.iter_any():
        parts.append(chunk)
        left -= len(chunk)
        if left < 0:
            raise LargeAnswerError(f"{response.url.path}: over {at_most} bytes")
    return b"".join(parts)


async def _drop(response: aiohttp.ClientResponse) -> Json:
    """Receive an answer to its end, so that the connection can be used again."""
    async for _ in response.content.iter_any():
        pass
    return {}


def _object(data: bytes) -> Json:
    """Read a JSON object.

    Raises:
        UnreadableJsonError: it is not one.
    """
    answer = read_json(data)
    if not isinstance(answer, dict):
        raise UnreadableJsonError(f"it is not an object but {type(answer).__name__}")
    return answer


def _watch_event(line: bytes) -> Json:
    """Read a line of a watch: a type, and the object that it is about; empty if it is not one.

    Raises:
        UnreadableJsonError: it is not such a line.
    """
    event = _object(line)
    if not isinstance(event.get("type"), str):
        raise UnreadableJsonError("it is not a watch event")
    if not isinstance(event.get("object"), dict):
        event["object"] = {}
    return event


@lru_cache(maxsize=1)
def _parse_date(date: str) -> datetime:
    """Read a date as HTTP writes it: all answers of one second have the same."""
    return parsedate_to_datetime(date)


def _hang_up(response: aiohttp.ClientResponse) -> None:
    """End a stream that is left early: a polite end of TLS waits for a server that only streams."""
    connection = response.connection  # none once the body has come to its end
    if connection is not None and connection.transport is not None:
        connection.transport.abort()


async def _raise_for_refusal(response: aiohttp.ClientResponse) -> None:
    if response.status < 400:
        return
    text = await response.read()
    try:
        body = read_json(text)
    except UnreadableJsonError:
        body = text.decode(errors="replace")
    raise api_error(response.status, body)


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Split at newlines, without the length limit that `readline` has."""
    kept: list[bytes] = []
    async for chunk in content.iter_any():
        *complete, rest = chunk.split(b"\n")
        for line in complete:
            kept.append(line)
            yield b"".join(kept)
            kept.clear()
        if rest:
            kept.append(rest)

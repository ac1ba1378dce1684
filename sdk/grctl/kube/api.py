"""Requests to the API server, and nothing about what they mean.

1. An answer with an error status is raised as an exception of `grctl.kube.errors`.
2. A request without an answer raises `UnreachableError`. Whether a write happened is then unknown,
   so only the caller may repeat it: the caller knows what the write means.
3. The `Date` of each answer goes to `on_answer`, with the time that the answer took: deadlines are
   of the API server's clock, not of this machine's.
4. Each request goes to `on_request` once, with the status of its answer, so that it is counted.
5. If there is a fence, it is asked directly before each write is sent. The time that it leaves
   limits the write: a write that was not sent by then is never sent. Reads are not fenced.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from types import TracebackType
from typing import Any, Protocol, Self

import aiohttp

from grctl.json.reading import UnreadableJsonError
from grctl.kube.bodies import (
    Json,
    discard_body,
    lines,
    raise_for_refusal,
    read_body,
    read_watch_event,
    write_body,
)
from grctl.kube.connection import Connection, ConnectionConfigError
from grctl.kube.connector import Connector
from grctl.kube.credentials import Headers
from grctl.kube.errors import (
    FencedError,
    UnreachableError,
    UnreadableAnswerError,
    UntrustedServerError,
    api_error,
)
from grctl.kube.requests import Request, request_of

API_REQUEST_TIMEOUT_S = 30.0  # longer than the API server's own waits for etcd
API_CONNECT_TIMEOUT_S = 5.0
REQUEST_POOL_SIZE = 100  # connections: more than a busy operator has requests under way
UNLIMITED_POOL_SIZE = 0  # for watches, which hold connections for minutes
TABLE_MEDIA_TYPE = "application/json;as=Table;v=v1;g=meta.k8s.io"

Params = Mapping[str, str]
OnAnswer = Callable[[float, datetime], None]
"""Receives the seconds that the answer took, and its Date."""
OnRequest = Callable[[Request, int], None]
"""Receives the request and the HTTP status of its answer; 0 if no answer came."""


class Fence(Protocol):
    """Whether this process may write. Of several processes one may, until a time that it knows."""

    def remaining(self) -> float:
        """Return the seconds for which writes may still be sent; 0 or less if none may be."""


class Api:
    """Connections to one API server: a pool for requests, and others for watches.

    Use it as an async context manager.

    Args:
        connection: The API server, and the credentials for it.
        user_agent: Name of this program, as the API server sees it.
        request_timeout: Seconds in which each request but a watch must be answered. None: for ever.
        pool: How many requests may be under way, beside watches. UNLIMITED_POOL_SIZE: the caller
            bounds them. None: REQUEST_POOL_SIZE.
        on_answer: Is told how many seconds an answer took, and its `Date`.
        on_request: Is told of each request, with the status of its answer; 0: no answer came.
        fence: Is asked before each write is sent.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        user_agent: str = "grctl",
        request_timeout: float | None = API_REQUEST_TIMEOUT_S,
        pool: int | None = None,
        on_answer: OnAnswer | None = None,
        on_request: OnRequest | None = None,
        fence: Fence | None = None,
    ) -> None:
        self.connection = connection
        self.request_timeout = request_timeout
        self._on_answer = on_answer
        self._on_request = on_request
        self._fence = fence
        self._user_agent = user_agent
        self._limit = REQUEST_POOL_SIZE if pool is None else pool
        self._session: aiohttp.ClientSession | None = None
        self._watching: aiohttp.ClientSession | None = None

    @property
    def namespace(self) -> str:
        """The namespace of the kubeconfig's context or of the pod."""
        return self.connection.namespace

    async def __aenter__(self) -> Self:
        """Open the pools; no request is made."""
        self._session = self._open_pool(self._limit)
        self._watching = self._open_pool(UNLIMITED_POOL_SIZE)
        return self

    def _open_pool(self, limit: int) -> aiohttp.ClientSession:
        connector = Connector(limit=limit, ssl=self.connection.tls or True)
        return aiohttp.ClientSession(
            connector=connector,
            proxy=self.connection.proxy,
            headers={"User-Agent": self._user_agent, "Accept": "application/json"},
            timeout=aiohttp.ClientTimeout(
                total=self.request_timeout, sock_connect=API_CONNECT_TIMEOUT_S
            ),
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
        answer = await self._request(
            "GET", path, params=wanted, headers={"Accept": TABLE_MEDIA_TYPE}
        )
        names = [column["name"] for column in answer["columnDefinitions"]]
        rows = answer.get("rows") or []
        return [dict(zip(names, row["cells"], strict=True)) for row in rows]

    async def create(self, path: str, body: Json, params: Params | None = None) -> Json:
        """Create an object in the collection at `path`."""
        return await self._request("POST", path, body=body, params=params)

    async def replace(self, path: str, body: Json, params: Params | None = None) -> Json:
        """Replace an object. A `metadata.resourceVersion` names the only version to be replaced."""
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
        """Delete the objects of a collection that the selectors in `params` select.

        The answer holds all deleted objects, so it may be large: it is received and not kept.
        """
        options: Json = {"kind": "DeleteOptions", "apiVersion": "v1"}
        await self._request("DELETE", path, body=options, params=params, kept=False)

    async def watch(self, path: str, params: Params) -> AsyncIterator[Json]:
        """Yield the watch events of a collection until the server ends the stream.

        Yields:
            `{"type": ..., "object": ...}`. One of type ERROR is raised instead.

        Raises:
            ExpiredError: the revision asked for is no longer kept.
            UnreachableError: the stream broke, or something other than watch events came.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=API_CONNECT_TIMEOUT_S)
        try:
            async with self._open(
                "GET", path, self._watching, params={**params, "watch": "true"}, timeout=timeout
            ) as response:
                await raise_for_refusal(response)
                async for line in lines(response.content):
                    event = read_watch_event(line)
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
        data = None if body is None else write_body(body)
        try:
            async with (
                asyncio.timeout(left),
                self._open(
                    method, path, self._session, params=params, data=data, headers=headers
                ) as response,
            ):
                await raise_for_refusal(response)
                answer = await (read_body(response, at_most) if kept else discard_body(response))
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
        """Send a request. The credentials are made before, which may need I/O itself."""
        if session is None:
            raise RuntimeError("The Api is not open: use it as `async with Api(...) as api:`")
        credentials = await self._authorization(method, path)
        sent_headers = [*(headers or {}).items(), *credentials]
        url = self.connection.server + path
        name = self.connection.tls_server_name
        self._time_left(method, path)  # again: making the credentials may have taken time
        response = None
        try:
            response = await session.request(
                method, url, headers=sent_headers, server_hostname=name, **arguments
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
        if self._on_request is not None:
            watch = (arguments.get("params") or {}).get("watch") == "true"
            self._on_request(request_of(method, path, watch=watch), status)

    def _time_left(self, method: str, path: str) -> float | None:
        """Return the seconds in which a write must be done; None if it may take any time.

        Raises:
            FencedError: the write must not be sent.
        """
        if self._fence is None or method == "GET":
            return None
        left = self._fence.remaining()
        if left <= 0:
            raise FencedError(f"{method} {path}: not sent, as this process may not write now")
        return left

    def _note_date(self, response: aiohttp.ClientResponse, began: float) -> None:
        date = response.headers.get("Date")
        if date and self._on_answer:
            self._on_answer(time.monotonic() - began, _parse_date(date))

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


@lru_cache(maxsize=1)
def _parse_date(date: str) -> datetime:
    """Read a date as HTTP writes it. All answers of one second have the same one."""
    return parsedate_to_datetime(date)


def _hang_up(response: aiohttp.ClientResponse) -> None:
    """Abort a stream that is left early.

    A regular end of TLS would wait for the server, and a server that only streams never answers it.
    """
    connection = response.connection  # None once the whole body was received
    if connection is not None and connection.transport is not None:
        connection.transport.abort()

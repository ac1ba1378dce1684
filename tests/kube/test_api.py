"""The client against servers with fixed answers."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Any, cast

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from grctl.kube import EVENTS, RUNS, Api, ApiError, Connection, Request, UnreachableError

Counted = list[tuple[Request, int]]


class NoCredentials:
    """Credentials of a client that sends none."""

    async def headers(self) -> list[tuple[str, str]]:
        return []


@asynccontextmanager
async def counting_client_of(status: int, text: str = "{}") -> AsyncIterator[tuple[Api, Counted]]:
    """Yield a client of a server with one answer, and the requests that the client counts."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=status, text=text)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with (
        TestServer(app) as server,
        counting_client(str(server.make_url(""))) as (api, counted),
    ):
        yield api, counted


@asynccontextmanager
async def silent_server() -> AsyncIterator[str]:
    """Yield the URL of a server that accepts connections and never answers."""
    ended = asyncio.Event()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await ended.wait()
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    ended.set()
    server.close()


@asynccontextmanager
async def counting_client(url: str) -> AsyncIterator[tuple[Api, Counted]]:
    counted: Counted = []
    connection = Connection(url.rstrip("/"), "shop", tls=None, credentials=NoCredentials())
    async with Api(
        connection, on_request=lambda request, status: counted.append((request, status))
    ) as api:
        yield api, counted


async def test_each_request_is_counted_once_with_its_answer() -> None:
    async with counting_client_of(200) as (api, counted):
        await api.get(RUNS.path("shop", "order-1"))
        await api.replace(RUNS.path("shop", "order-1", "status"), {})
    assert counted == [
        (Request("get", "workflowruns"), 200),
        (Request("update", "workflowruns/status"), 200),
    ]


async def test_a_refused_request_is_counted_with_its_status() -> None:
    async with counting_client_of(409) as (api, counted):
        with pytest.raises(ApiError):
            await api.replace(EVENTS.path("shop", "e", "status"), {})
    assert counted == [(Request("update", "workflowevents/status"), 409)]


async def test_a_watch_is_counted_once_whatever_the_number_of_its_events() -> None:
    lines = '{"type": "ADDED", "object": {}}\n' * 3
    async with counting_client_of(200, lines) as (api, counted):
        assert len([each async for each in api.watch(EVENTS.path(), {})]) == 3
    assert counted == [(Request("watch", "workflowevents"), 200)]


async def test_a_request_without_an_answer_is_counted_with_status_0() -> None:
    async with counting_client(f"http://127.0.0.1:{unused_port()}") as (api, counted):
        with pytest.raises(UnreachableError):
            await api.get(RUNS.path())
    assert counted == [(Request("list", "workflowruns"), 0)]


async def test_a_request_that_is_never_answered_fails_after_its_timeout() -> None:
    async with silent_server() as url:
        connection = Connection(url, "shop", tls=None, credentials=NoCredentials())
        async with Api(connection, request_timeout=0.01) as api:
            with pytest.raises(UnreachableError, match=r"GET http://.*: no answer within 0.01 s$"):
                await api.get(RUNS.path())


async def test_watches_leave_the_connections_to_requests(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("grctl.kube.api.REQUEST_POOL_SIZE", 1)

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b'{"type": "ADDED", "object": {}}\n')
        if request.query.get("watch"):
            await asyncio.Event().wait()
        return response

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with (
        TestServer(app) as server,
        counting_client(str(server.make_url(""))) as (api, _),
        AsyncExitStack() as watches,
    ):
        for _ in range(3):
            stream = cast("AsyncGenerator[Any, None]", api.watch(RUNS.path(), {}))
            await anext(await watches.enter_async_context(aclosing(stream)))

        assert await api.get(RUNS.path("shop", "order-1"))

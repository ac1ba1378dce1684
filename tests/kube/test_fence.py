"""The fence of the API client: which writes are sent, and which are not."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from grctl.kube import Api, Connection, FencedError, UnreachableError


class FixedFence:
    """A fence with given answers, of which the last one is repeated."""

    def __init__(self, *answers: float) -> None:
        self.answers = list(answers)

    def remaining(self) -> float:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


Connect = Callable[..., Awaitable[Api]]
"""Connects to the server, with a fence or without one."""


class NoCredentials:
    """Credentials of a client that sends none."""

    async def headers(self) -> list[tuple[str, str]]:
        return []


class RecordingServer:
    """Records the methods of requests, and answers while `answers` is set."""

    def __init__(self) -> None:
        self.methods: list[str] = []
        self.answers = asyncio.Event()
        self.answers.set()

    async def handle(self, request: web.Request) -> web.Response:
        self.methods.append(request.method)
        await self.answers.wait()
        return web.json_response({})


@pytest.fixture
async def server() -> AsyncIterator[tuple[RecordingServer, Connect]]:
    recording = RecordingServer()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", recording.handle)
    async with TestServer(app) as listening:
        url = str(listening.make_url("")).rstrip("/")
        async with AsyncExitStack() as stack:

            async def connect(fence: FixedFence | None = None) -> Api:
                connection = Connection(url, "default", None, NoCredentials())
                return await stack.enter_async_context(Api(connection, fence=fence))

            yield recording, connect
        recording.answers.set()


async def test_a_client_without_a_fence_sends_writes(
    server: tuple[RecordingServer, Connect],
) -> None:
    recording, connect = server
    api = await connect()
    await api.create("/things", {})
    assert recording.methods == ["POST"]


async def test_an_open_fence_lets_writes_pass(server: tuple[RecordingServer, Connect]) -> None:
    recording, connect = server
    api = await connect(FixedFence(60.0))
    await api.replace("/things/a", {})
    assert recording.methods == ["PUT"]


async def test_a_closed_fence_lets_only_reads_pass(server: tuple[RecordingServer, Connect]) -> None:
    recording, connect = server
    api = await connect(FixedFence(0.0))
    for writing in (
        api.create("/things", {}),
        api.replace("/things/a", {}),
        api.merge("/things/a", {}),
        api.apply("/things/a", {}, "me"),
        api.delete("/things/a"),
    ):
        with pytest.raises(FencedError, match="not sent"):
            await writing
    await api.get("/things")
    assert recording.methods == ["GET"]


async def test_a_fence_that_closes_while_the_token_is_made_stops_the_write(
    server: tuple[RecordingServer, Connect],
) -> None:
    recording, connect = server
    api = await connect(FixedFence(60.0, -1.0))
    with pytest.raises(FencedError):
        await api.replace("/things/a", {})
    assert recording.methods == []


async def test_a_write_without_an_answer_fails_when_the_fence_closes(
    server: tuple[RecordingServer, Connect],
) -> None:
    recording, connect = server
    recording.answers.clear()
    api = await connect(FixedFence(0.05))
    with pytest.raises(UnreachableError):
        await api.replace("/things/a", {})

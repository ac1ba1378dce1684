"""The fence of the API client: what is sent, and what is not."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from grctl.kube import Api, Connection, FencedError, UnreachableError


class Fence:
    def __init__(self, *answers: float) -> None:
        self.answers = list(answers)

    def remaining(self) -> float:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Configuration:
    """Of somebody who needs no token."""

    async def headers(self) -> list[tuple[str, str]]:
        return []


class Server:
    def __init__(self) -> None:
        self.came: list[str] = []
        self.answers = asyncio.Event()
        self.answers.set()

    async def handle(self, request: web.Request) -> web.Response:
        self.came.append(request.method)
        await self.answers.wait()
        return web.json_response({})


@pytest.fixture
async def server() -> AsyncIterator[tuple[Server, Api]]:
    made = Server()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", made.handle)
    async with TestServer(app) as listening:
        url = str(listening.make_url("")).rstrip("/")
        async with Api(Connection(url, "default", None, Configuration())) as api:
            yield made, api
        made.answers.set()


async def test_without_a_fence_everything_is_sent(server: tuple[Server, Api]) -> None:
    made, api = server
    await api.create("/things", {})
    assert made.came == ["POST"]


async def test_while_the_fence_is_open_writes_are_sent(server: tuple[Server, Api]) -> None:
    made, api = server
    api.fence = Fence(60.0)
    await api.replace("/things/a", {})
    assert made.came == ["PUT"]


async def test_behind_a_closed_fence_only_reads_are_sent(server: tuple[Server, Api]) -> None:
    made, api = server
    api.fence = Fence(0.0)
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
    assert made.came == ["GET"]


async def test_a_fence_that_closes_while_the_token_is_made_stops_the_write(
    server: tuple[Server, Api],
) -> None:
    made, api = server
    api.fence = Fence(60.0, -1.0)
    with pytest.raises(FencedError):
        await api.replace("/things/a", {})
    assert made.came == []


async def test_a_write_without_an_answer_is_given_up_when_the_fence_closes(
    server: tuple[Server, Api],
) -> None:
    made, api = server
    made.answers.clear()
    api.fence = Fence(0.05)
    with pytest.raises(UnreachableError):
        await api.replace("/things/a", {})

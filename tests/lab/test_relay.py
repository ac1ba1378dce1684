"""The relay parts both sides when it is cut, and passes on later what it held when frozen."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.lab.relay import Relay

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
ENDED = (ConnectionError, asyncio.IncompleteReadError)


class Always(random.Random):
    """A source in which every chance comes true."""

    def random(self) -> float:
        return 0.0


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(100):
        writer.write(data)
    writer.close()


@asynccontextmanager
async def connected(relay: Relay) -> AsyncIterator[Streams]:
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


@asynccontextmanager
async def relayed() -> AsyncIterator[tuple[Relay, *Streams]]:
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with (
        server,
        Relay(server.sockets[0].getsockname()[1]) as relay,
        connected(relay) as (reader, writer),
    ):
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        yield relay, reader, writer


async def test_a_cut_relay_ends_connections_and_refuses_new_ones_until_it_is_mended() -> None:
    async with relayed() as (relay, reader, _):
        relay.cut()
        with pytest.raises(ENDED):
            await reader.readexactly(1)
        async with connected(relay) as (other, _):
            with pytest.raises(ENDED):
                await other.readexactly(1)
        relay.mend()
        async with connected(relay) as (other, writer):
            writer.write(b"again")
            assert await other.readexactly(5) == b"again"


async def test_a_frozen_connection_passes_on_later_what_was_sent() -> None:
    async with relayed() as (relay, reader, writer):
        relay.freeze(Always())
        writer.write(b"late")
        saying = asyncio.create_task(reader.readexactly(4))
        await asyncio.sleep(0)
        assert relay.connections == 1
        assert not saying.done()
        relay.mend()
        assert await saying == b"late"


async def test_a_relay_as_http_proxy_notes_each_connect_and_leads_to_its_target() -> None:
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    target = server.sockets[0].getsockname()[1]
    async with (
        server,
        Relay(target, is_http_proxy=True) as relay,
        connected(relay) as (reader, writer),
    ):
        writer.write(b"CONNECT api.internal:443 HTTP/1.1\r\nProxy-Authorization: Basic x\r\n\r\n")
        answer = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert relay.connects == ["CONNECT api.internal:443 Proxy-Authorization: Basic x"]

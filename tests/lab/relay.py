"""A relay of TCP connections: stands between workers and an operator, and can part them.

It passes bytes on without looking at them. When it is cut, connections end, and new ones are
refused. A frozen connection stays open and passes nothing, as if a switch had lost its route.

As an HTTP proxy it takes a CONNECT first, notes it, and leads to its target whatever was asked for.
"""

import asyncio
import contextlib
import random
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

CHUNK_BYTES = 65536


@dataclass(eq=False)
class _Link:
    """One connection: from a worker to the relay, and from the relay to the operator."""

    ends: tuple[asyncio.StreamWriter, asyncio.StreamWriter]
    is_flowing: asyncio.Event = field(default_factory=asyncio.Event)

    def cut(self) -> None:
        for end in self.ends:
            end.transport.abort()


class Relay:
    """Use it as an async context manager; `port` is where workers connect.

    Args:
        target: The port of the operator.
        is_http_proxy: Whether each connection begins with a CONNECT.
    """

    def __init__(self, target: int = 0, *, is_http_proxy: bool = False) -> None:
        self.target = target
        self.port = 0
        self.connects: list[str] = []
        """What each CONNECT asked for, with its credentials."""
        self._is_http_proxy = is_http_proxy
        self._links: set[_Link] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._cut = False

    async def __aenter__(self) -> Self:
        """Listen."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End all connections."""
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._links)

    def cut(self) -> None:
        """End all connections, and refuse new ones."""
        self._cut = True
        for link in tuple(self._links):
            link.cut()

    def freeze(self, chance: random.Random) -> None:
        """Stop about half of the present connections; `mend` passes on what they held."""
        for link in self._links:
            if chance.random() < 0.5:
                link.is_flowing.clear()

    def mend(self) -> None:
        """Pass everything on again, and accept connections."""
        self._cut = False
        for link in self._links:
            link.is_flowing.set()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._cut:
            writer.transport.abort()
            return
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        if self._is_http_proxy:
            self.connects.append(_connect_of(await reader.readuntil(b"\r\n\r\n")))
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        link = _Link((writer, back))
        link.is_flowing.set()
        self._links.add(link)
        try:
            await _until_one_ends(_pump(reader, back, link), _pump(there, writer, link))
        finally:
            self._links.discard(link)
            link.cut()


def _connect_of(head: bytes) -> str:
    """Return the method and address of a CONNECT, and its header with credentials."""
    request, *headers = head.decode().split("\r\n")
    credentials = [line for line in headers if line.lower().startswith("proxy-authorization")]
    return " ".join([request.rsplit(" ", 1)[0], *credentials])


async def _until_one_ends(*pumps: "asyncio._CoroutineLike[None]") -> None:
    """Run both until one of them ends."""
    tasks = [asyncio.create_task(pump) for pump in pumps]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, link: _Link) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await source.read(CHUNK_BYTES):
            await link.is_flowing.wait()
            sink.write(data)
            await sink.drain()

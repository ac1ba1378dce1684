"""WorkerSession: one worker's connection, from Hello to its end.

1. Nothing is read before the host admits the worker, or says where it belongs. Then the worker says
   Hello, and both use the highest version of the protocol that both speak. A worker without a
   common version gets a Goodbye that names both ranges, and which side to upgrade.
2. Messages go out in the order of `send`, which never waits: the dispatcher decides synchronously.
   Messages of one moment share a frame. A message that nobody waits for shares the next frame, or
   goes by itself after RELEASE_LINGER_S.
3. It reports to its host and keeps nothing: the registry holds what outlives a connection.
4. A message that cannot be encoded is left out, and the host is told how its execution ends.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Protocol

from aiohttp import WSCloseCode, WSMessage, WSMsgType, web
from pydantic import ValidationError

from grctl.models.base import Model
from grctl.models.protocol import RECORDING_PROTOCOL_VERSION, SPOKEN, disagreement
from grctl.models.wire import (
    MAX_HELLO_BYTES,
    UNREACHABLE,
    Declined,
    Drain,
    Goodbye,
    Greeting,
    Hello,
    Outcome,
    RecordOperations,
    Welcome,
    encode,
    join_messages,
    split_messages,
)
from grctl.models.wire_reading import UnreadableMessageError, read_from_worker, stand_in
from grctl_operator.runtime.workers.leader_gate import NotHereError
from grctl_operator.views.team import Ending

HELLO_TIMEOUT_S = 5.0  # a live worker says Hello at once
GOODBYE_ONLY_BYTES = 1024  # nothing is expected from a worker that is not admitted
RELEASE_LINGER_S = 0.05  # how long a message that nobody waits for waits for another one
MAX_FRAME_CHARS = 1024 * 1024  # a frame has a limit: a larger message goes alone

FromWorkerMessage = Outcome | RecordOperations | Declined | Drain
"""A message of a worker that is accepted."""

logger = logging.getLogger(__name__)


class ProtocolError(Exception):
    """A worker sent something that is not valid here. The text goes back to it."""


Open = Callable[[int], Awaitable[web.WebSocketResponse]]
"""Opens the socket for messages of so many bytes at most."""


class SessionHost(Protocol):
    """The owner of a session: the dispatcher."""

    async def admit(self, session: "WorkerSession") -> int:
        """Wait until a worker may say Hello. Nothing that it sends is read before.

        Returns:
            The size that its messages may have, in bytes.

        Raises:
            ProtocolError: the worker is refused.
            NotHereError: the worker is not accepted here, or not now.
        """

    async def authorize(self, session: "WorkerSession", hello: Hello) -> None:
        """Return if a worker may execute what it offers.

        Raises:
            ProtocolError: it may not.
            NotHereError: the API server did not answer.
        """

    def on_refusal(self, session: "WorkerSession", why: str) -> None:
        """Note that a worker was refused."""

    def accept(self, session: "WorkerSession", hello: Hello) -> None:
        """Accept a worker."""

    def on_message(self, session: "WorkerSession", message: FromWorkerMessage) -> None:
        """Take a message of a worker."""


class WorkerSession:
    """The connection of one worker."""

    def __init__(
        self, open_socket: Open, host: SessionHost, operator: str, headers: Mapping[str, str]
    ) -> None:
        self.credential = headers.get("Authorization")
        """The header by which the worker proves whose it is."""
        self.unreachable = headers.get(UNREACHABLE)
        """The address at which the worker found nobody a moment ago."""
        self.hello: Hello | None = None
        self.protocol = SPOKEN.lowest
        """The version that both sides use, once there is a Hello."""
        self._open = open_socket
        self._socket: web.WebSocketResponse | None = None
        """None: nothing is read yet."""
        self._host = host
        self._operator = operator
        self._outgoing: deque[Model] = deque()
        self._has_outgoing = asyncio.Event()
        self._lingering: asyncio.TimerHandle | None = None
        self._writer: asyncio.Task[None] | None = None
        self._left = False
        """Whether this side ended the connection."""

    @property
    def is_silent(self) -> bool:
        """Whether the connection ended because heartbeats were not answered."""
        return self._socket is not None and isinstance(self._socket.exception(), TimeoutError)

    @property
    def ending(self) -> Ending:
        """How the connection ended."""
        code = self._socket.close_code if self._socket else None
        if self._left or code != WSCloseCode.ABNORMAL_CLOSURE:
            return Ending.AGREED
        return Ending.SILENT if self.is_silent else Ending.CUT_OFF

    async def run(self) -> web.StreamResponse:
        """Serve the connection to its end."""
        try:
            largest = await self._host.admit(self)
            self._socket = await self._open(largest)
            await self._serve(self._socket)
        except ProtocolError as error:
            logger.warning("worker refused", extra=self._fields() | {"error": str(error)})
            self._host.on_refusal(self, str(error))
            await self._turn_away(str(error), refused=True)
        except NotHereError as error:
            logger.debug("worker sent elsewhere", extra=self._fields() | {"url": error.url})
            await self._turn_away(str(error), error.url, refused=error.refused)
        finally:
            if self._writer is not None:
                self._writer.cancel()
        return self._socket or web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE)

    async def _serve(self, socket: web.WebSocketResponse) -> None:
        self._writer = asyncio.create_task(self._write(socket))
        if await self._greet(socket):
            async for message in socket:
                self._receive(message)

    async def _turn_away(
        self, message: str, redirect: str | None = None, *, refused: bool = False
    ) -> None:
        if self._socket is None and not self._left:
            self._socket = await self._open(GOODBYE_ONLY_BYTES)
        await self.leave(message, redirect, refused=refused)

    def send(self, message: Model) -> None:
        """Send a message, after those before it. Returns at once."""
        self._outgoing.append(message)
        self._has_outgoing.set()

    def send_with_next(self, message: Model) -> None:
        """Send a message that nobody waits for: with the next one, or a moment later."""
        self._outgoing.append(message)
        if self._lingering is None:
            self._lingering = asyncio.get_running_loop().call_later(
                RELEASE_LINGER_S, self._end_lingering
            )

    def flush(self) -> None:
        """Send now what lingers: the worker waits for it."""
        self._has_outgoing.set()

    async def leave(
        self, message: str, redirect: str | None = None, *, refused: bool = False
    ) -> None:
        """Send Goodbye and close."""
        self._left = True
        if self._writer is not None:
            self._writer.cancel()
        if self._socket is None:
            return
        if not self._socket.closed:
            goodbye = Goodbye(message=message, redirect=redirect, refused=refused)
            try:
                await self._socket.send_str(encode(goodbye))
            except ConnectionError:
                logger.debug("worker did not hear Goodbye", extra=self._fields())
        await self._socket.close()

    async def _greet(self, socket: web.WebSocketResponse) -> bool:
        """Read the Hello. Return whether the worker is accepted; if not, the connection ended."""
        first = await _first(socket)
        if first is None:
            return False
        self.protocol = _agree(first)
        hello = _parse(first)
        if not isinstance(hello, Hello):
            raise ProtocolError(f"The first message must be Hello, not {hello.kind!r}")
        self.hello = hello
        await self._host.authorize(self, hello)
        self.send(Welcome(operator=self._operator, protocol=self.protocol))
        self._host.accept(self, hello)
        return True

    def _receive(self, message: WSMessage) -> None:
        if message.type is not WSMsgType.TEXT:
            return
        for line in split_messages(message.data):
            parsed = _parse(line)
            if isinstance(parsed, Hello):
                raise ProtocolError("A second Hello on one connection")
            if isinstance(parsed, RecordOperations) and self.protocol < RECORDING_PROTOCOL_VERSION:
                raise ProtocolError(
                    f"RecordOperations needs protocol {RECORDING_PROTOCOL_VERSION}, and this"
                    f" connection agreed upon {self.protocol}"
                )
            self._host.on_message(self, parsed)

    def _end_lingering(self) -> None:
        self._lingering = None
        self._has_outgoing.set()

    async def _write(self, socket: web.WebSocketResponse) -> None:
        while True:
            await self._has_outgoing.wait()
            self._has_outgoing.clear()
            while self._outgoing:
                frame = self._next_frame()
                if not frame:
                    continue
                try:
                    await socket.send_str(frame)
                except ConnectionError:
                    return  # the reader ends too, and the worker comes back

    def _next_frame(self) -> str:
        """Return as many messages as go into one frame."""
        taken: list[str] = []
        while self._outgoing and sum(map(len, taken)) < MAX_FRAME_CHARS:
            taken += self._encoded(self._outgoing.popleft())
        return join_messages(taken)

    def _encoded(self, message: Model) -> tuple[str, ...]:
        """Return a message encoded, or nothing if it cannot be: then its execution ends."""
        try:
            return (encode(message),)
        except Exception as error:  # noqa: BLE001  whatever it is: note 4
            kind, why = type(message).__name__, type(error).__name__
            fields = self._fields() | {"kind": kind, "error": why}
            logger.error("message not written", extra=fields)  # noqa: TRY400
            instead = stand_in(message, error)
            if instead is not None:
                self._host.on_message(self, instead)
            return ()

    def _fields(self) -> dict[str, str | None]:
        return {"worker": self.hello.worker if self.hello else "unknown"}


async def _first(socket: web.WebSocketResponse) -> str | None:
    """Return the first message. None: the connection ended before.

    Raises:
        ProtocolError: the message does not come in time, or cannot be a Hello.
    """
    try:
        async with asyncio.timeout(HELLO_TIMEOUT_S):  # of all frames: pings do not prolong it
            frame = await socket.receive()
    except TimeoutError:
        raise ProtocolError(f"No Hello came within {HELLO_TIMEOUT_S:g} s") from None
    if frame.type is WSMsgType.BINARY:
        raise ProtocolError("The first message must be Hello, not binary data")
    if frame.type is not WSMsgType.TEXT:
        return None
    if len(frame.data) > MAX_HELLO_BYTES:
        raise ProtocolError(
            f"A Hello has at most {MAX_HELLO_BYTES} bytes, not {len(frame.data)}: have several"
            " workers share the workflow types"
        )
    text: str = frame.data
    return text


def _agree(first: str) -> int:
    """Return the protocol that both sides use. The rest of a Hello may be of another version.

    Raises:
        ProtocolError: there is no common version.
    """
    try:
        theirs = Greeting.model_validate_json(first).spoken
    except ValidationError:
        return SPOKEN.lowest  # not a Hello, or a bad one: reading the whole says why
    agreed = SPOKEN.agree(theirs)
    if agreed is None:
        raise ProtocolError(disagreement(worker=theirs, operator=SPOKEN))
    return agreed


def _parse(line: str) -> Hello | FromWorkerMessage:
    try:
        return read_from_worker(line)
    except UnreadableMessageError as error:
        raise ProtocolError(f"The operator does not understand the message: {error}") from error

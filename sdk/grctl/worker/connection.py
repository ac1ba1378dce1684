"""The WebSocket to the operator. It connects again by itself whenever the connection is lost.

1. A worker is connected again within two seconds after its operator is back: the operator relies on
   that. A worker that was refused tries again within ten seconds.
2. A message that is sent without a connection is lost. `executions` holds the outcomes, and they
   are sent again.
3. Only Welcome and Goodbye are understood here, because they are about the connection itself.
4. A worker that is redirected connects to the new address at once. If nobody answers there, it
   tells the first operator so (header UNREACHABLE). That one keeps the worker waiting until there
   is a leader, so that a takeover costs the worker no back-off.
5. A pause is counted from the beginning of the try before it. So a worker that an operator kept
   waiting does not wait a second time.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import aiohttp

from grctl.backoff import Backoff, Uniform
from grctl.logs.loggers import get_logger
from grctl.models.base import Model
from grctl.models.protocol import SPOKEN, Spoken, disagreement
from grctl.models.wire import (
    CONNECT_PATH,
    UNREACHABLE,
    Execute,
    Goodbye,
    Hello,
    Outcome,
    RecordedOperations,
    ReleaseExecution,
    Welcome,
    encode,
    split_messages,
)
from grctl.models.wire_reading import UnreadableMessageError, read_from_operator, stand_in
from grctl.worker.blocked import Destination
from grctl.worker.older_operators import as_understood
from grctl.worker.trouble import Trouble, describe_failure
from grctl.worker.trust import TrustError, authorization, check_redirect, verification

logger = get_logger(__name__)

FIRST_RECONNECT_S = 0.05  # at most; the first try after a loss is made at once
LONGEST_RECONNECT_IF_REFUSED_S = 10.0  # a person must act first
LONGEST_RECONNECT_S = 1.0  # and some milliseconds for the try: well within two seconds
DIAL_TIMEOUT_S = 1.0  # an address that swallows packets must not cost the two seconds
WELCOME_TIMEOUT_S = 5.0  # for the handshake, and again for the Welcome
WORKER_HEARTBEAT_S = 5.0  # a peer that does not answer a ping within half of that is gone
WORKER_CLOSE_TIMEOUT_S = 2.0  # for the peer to confirm that the connection ends
MAX_WIRE_MESSAGE_BYTES = 16 * 1024 * 1024  # a payload and a store, with much to spare

Message = Welcome | Execute | RecordedOperations | ReleaseExecution | Goodbye
Sleep = Callable[[float], Awaitable[None]]
Socket = aiohttp.ClientWebSocketResponse


class OperatorConnection:
    """A worker's connection to its operator.

    Args:
        url: Address of the operator, such as `http://127.0.0.1:8700`.
        hello: Returns the Hello of a new connection.
        receive: Is called with each message in turn, also with the Welcome.
        uniform: Source of jitter.
        sleep: Waits for a number of seconds.
        now: A monotonic clock, in seconds.
    """

    def __init__(
        self,
        url: str,
        hello: Callable[[], Hello],
        receive: Callable[[Message], Awaitable[None]],
        *,
        uniform: Uniform = random.uniform,
        sleep: Sleep = asyncio.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._host = urlsplit(url).hostname if url.startswith("https:") else None
        """The host that the certificate of each operator must name, after a redirect too."""
        self._hello = hello
        self._receive = receive
        self._sleep = sleep
        self._now = now
        self._backoff = Backoff(FIRST_RECONNECT_S, LONGEST_RECONNECT_S, uniform)
        self._refusals = Backoff(LONGEST_RECONNECT_S, LONGEST_RECONNECT_IF_REFUSED_S, uniform)
        self._refused = False
        self._socket: Socket | None = None
        self._redirect: str | None = None
        self._unreachable: str | None = None
        """The address of the last try, if nobody answered there."""
        self._since = now()
        """When the last try began; after a connection was lost, when that was."""
        self.protocol = SPOKEN.lowest
        """The version that both sides use, since the last Welcome."""
        self._trouble = Trouble(now)
        self.welcomed_by: Destination | None = None
        """The operator that welcomed this worker last; it stays after the connection is lost."""

    @property
    def trouble(self) -> str:
        """Why there is no connection; empty while there is one."""
        return self._trouble.cause

    @property
    def is_welcomed(self) -> bool:
        """Whether an operator has accepted this worker, and the connection lasts."""
        return self._socket is not None

    async def run(self) -> None:
        """Connect, and connect again whenever the connection ends, until cancelled."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=DIAL_TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                await self._sleep(self._pause())
                self._since = self._now()
                await self._try(session)
                if self._redirect is not None:
                    await self._try(session)

    async def send(self, message: Model) -> None:
        """Send a message, or drop it if no operator has welcomed this worker."""
        if self._socket is None:
            return
        if isinstance(message, Outcome):
            message = as_understood(message, self.protocol)
        text = _encode_or_replace(message)
        try:
            await self._socket.send_str(text)
        except (aiohttp.ClientError, ConnectionError) as error:
            logger.debug("message not sent", extra={"error": str(error)})

    def _pause(self) -> float:
        """Return the seconds until the next try, and advance the back-off."""
        backoff = self._refusals if self._refused else self._backoff
        return max(0.0, self._since + backoff.next() - self._now())

    async def _try(self, session: aiohttp.ClientSession) -> None:
        url, self._redirect, self._refused = self._redirect or self._url, None, False
        nobody_at, self._unreachable = self._unreachable, None
        try:
            async with asyncio.timeout(WELCOME_TIMEOUT_S):
                socket = await self._open(session, url, nobody_at)
            async with socket:
                await socket.send_str(encode(self._hello()))
                await self._read(socket, url)
        except (aiohttp.ClientError, OSError, TimeoutError, TrustError) as error:
            self._note_trouble(url, describe_failure(error))
            self._unreachable = url
        finally:
            if self.is_welcomed:
                self._since = self._now()
            self._socket = None

    async def _open(
        self, session: aiohttp.ClientSession, url: str, nobody_at: str | None
    ) -> Socket:
        headers = {UNREACHABLE: nobody_at} if nobody_at else {}
        return await session.ws_connect(
            url + CONNECT_PATH,
            headers=headers | authorization(url),
            ssl=verification(),
            server_hostname=self._host if url != self._url else None,
            heartbeat=WORKER_HEARTBEAT_S,
            max_msg_size=MAX_WIRE_MESSAGE_BYTES,
            timeout=aiohttp.ClientWSTimeout(ws_close=WORKER_CLOSE_TIMEOUT_S),
        )

    async def _read(self, socket: Socket, url: str) -> None:
        """Pass on messages until the connection ends."""
        while True:
            frame = await socket.receive(WELCOME_TIMEOUT_S if self._socket is None else None)
            if frame.type is not aiohttp.WSMsgType.TEXT:
                self._note_trouble(url, f"the connection ended ({socket.close_code})")
                return
            for line in split_messages(frame.data):
                message = _decode(line)
                if isinstance(message, Outcome):
                    await self.send(message)
                    continue
                if isinstance(message, Goodbye):
                    self._note_goodbye(url, message)
                    return
                if isinstance(message, Welcome) and not self._note_welcome(socket, url, message):
                    return
                if message is not None:
                    await self._receive(message)

    def _note_welcome(self, socket: Socket, url: str, welcome: Welcome) -> bool:
        """Record that the operator accepts this worker. Return whether both speak one protocol."""
        if not SPOKEN.lowest <= welcome.protocol <= SPOKEN.highest:
            operator = Spoken(welcome.protocol, welcome.protocol)
            self._refused = True
            self._note_trouble(url, disagreement(worker=SPOKEN, operator=operator))
            return False
        self._socket, self.protocol = socket, welcome.protocol
        self.welcomed_by = Destination(url, self._host if url != self._url else None)
        self._backoff.reset()
        self._refusals.reset()
        self._trouble.on_connected()
        logger.info("connected", extra={"operator": welcome.operator, "url": url})
        return True

    def _note_goodbye(self, url: str, goodbye: Goodbye) -> None:
        self._refused = goodbye.refused
        if goodbye.redirect is None:
            says = "refuses this worker" if goodbye.refused else "says goodbye"
            self._note_trouble(url, f"the operator {says}: {goodbye.message}")
            return
        check_redirect(goodbye.redirect, self._url)
        self._redirect = goodbye.redirect.rstrip("/")
        logger.debug("sent elsewhere", extra={"url": self._redirect, "why": goodbye.message})

    def _note_trouble(self, url: str, trouble: str) -> None:
        """Record and log why there is no connection."""
        level = logging.WARNING if self._trouble.note_cause(trouble) else logging.DEBUG
        logger.log(level, "not connected, trying again", extra={"url": url, "why": trouble})


def _decode(line: str) -> Message | Outcome | None:
    """Return the message of a line; None if it cannot be read.

    An Execute that cannot be read is returned as the Outcome that answers it.
    """
    try:
        message = read_from_operator(line)
    except UnreadableMessageError as error:
        # Perhaps of a newer operator. The message is not logged: it may hold a payload.
        logger.warning("message not understood", extra={"why": str(error)})
        return None
    if isinstance(message, Outcome):
        extra = {"run": message.execution.workflow_id, "execution": message.execution.id}
        logger.error("execution cannot be read, and is answered", extra=extra)
    return message


def _encode_or_replace(message: Model) -> str:
    """Write a message; if that fails, write the outcome that ends its execution."""
    try:
        return encode(message)
    except Exception as error:
        logger.error("message not written", extra={"error": type(error).__name__})  # noqa: TRY400
        instead = stand_in(message, error)
        if instead is None:
            raise
        return encode(instead)

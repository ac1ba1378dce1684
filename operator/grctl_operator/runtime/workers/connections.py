"""WorkerConnections: from a new connection to an accepted worker.

The steps: this operator leads, the token is valid, the account may execute what the worker offers.

1. A connection without a token is told so before it waits for anything.
2. Nothing from a worker is read before its token is reviewed, and little before it is accepted: a
   Hello has at most MAX_HELLO_BYTES, and so has every message of a connection whose account was
   new here. (On its next connection the account is known and may send larger messages. A worker
   whose outcome was too large for this connection comes back by itself.)
3. What a connection may cost before it is accepted is bounded by ConnectionLimits.
4. A connection outlives its token and its permissions: both are reviewed again every
   REVIEW_AGAIN_S, and when the token expires.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from grctl.models.wire import MAX_HELLO_BYTES, Hello
from grctl_operator.runtime.workers.connection_limits import ConnectionLimits
from grctl_operator.runtime.workers.leader_gate import LeaderGate, NotHereError
from grctl_operator.runtime.workers.worker_auth import Identity, RefusedError, WorkerAuth
from grctl_operator.runtime.workers.worker_session import ProtocolError, WorkerSession

MAX_WORKER_MESSAGE_BYTES = 16 * 1024 * 1024  # an outcome's store and result, and some room
REVIEW_AGAIN_S = 300.0  # how long a worker may go on that lost its permission
SHORTEST_REVIEW_PAUSE_S = 10.0  # also the time until the next try if the API server did not answer

logger = logging.getLogger(__name__)


class WorkerConnections:
    """All connections, and whose they are.

    Args:
        auth: Reviews tokens and permissions.
        namespaces: The namespaces served; none: all.
        now: The API server's clock.
    """

    def __init__(
        self, auth: WorkerAuth, namespaces: Sequence[str], now: Callable[[], datetime]
    ) -> None:
        self.gate = LeaderGate()
        self._auth = auth
        self._namespaces = namespaces
        self._now = now
        self._limits = ConnectionLimits()
        self._identities: dict[WorkerSession, Identity | None] = {}
        """Of all connections. None: the token is not reviewed yet."""
        self._addresses: dict[WorkerSession, str] = {}
        """Where connections come from that are not accepted yet."""
        self._greeting: dict[WorkerSession, str] = {}
        """The accounts of connections whose turn it is to say Hello."""
        self._reviews: dict[WorkerSession, asyncio.Task[None]] = {}

    @property
    def sessions(self) -> tuple[WorkerSession, ...]:
        """All connections."""
        return tuple(self._identities)

    def get_identity(self, session: WorkerSession) -> Identity:
        """Return whose connection it is. Its token must have been reviewed."""
        identity = self._identities[session]
        if identity is None:
            raise RuntimeError("The token of this connection was not reviewed")
        return identity

    def on_connect(self, session: WorkerSession, address: str) -> None:
        """Note a new connection.

        Raises:
            TooManyConnectionsError: there are too many that are not accepted.
        """
        self._limits.add(address)
        self._addresses[session] = address
        self._identities[session] = None

    async def admit(self, session: WorkerSession) -> int:
        """Wait until this operator leads, and review the token. Return how much may be sent.

        Raises:
            ProtocolError: the worker is refused.
            NotHereError: the worker is not accepted here, or not now.
        """
        self._auth.check_header(session.credential)
        await self.gate.wait(session.unreachable)
        self._limits.check(self._addresses[session])
        identity = self._identities[session] = await self._auth.identify(session.credential)
        if self._limits.is_known(identity.name):
            return MAX_WORKER_MESSAGE_BYTES
        self._limits.check(identity.name)
        await self._limits.begin_greeting(identity.name)
        self._greeting[session] = identity.name
        return MAX_HELLO_BYTES

    async def authorize(self, session: WorkerSession, hello: Hello) -> None:
        """Return if a worker may execute what it offers.

        Raises:
            ProtocolError: it may not.
            NotHereError: the API server did not answer.
        """
        if self._namespaces and hello.namespace not in self._namespaces:
            served = ", ".join(self._namespaces)
            raise ProtocolError(f"This operator serves only {served}, not {hello.namespace}")
        await self._auth.authorize(self.get_identity(session), hello)

    def on_accept(self, session: WorkerSession, hello: Hello) -> None:
        """Note that a worker is accepted, and review it again from time to time."""
        self._limits.on_accept(self.get_identity(session).name)
        self._leave_limits(session)
        self._reviews[session] = asyncio.create_task(self._keep_reviewing(session, hello))

    def on_refusal(self, session: WorkerSession, why: str) -> None:
        """Note that a worker was refused: by account, or by address if that is not known."""
        identity, address = self._identities.get(session), self._addresses.get(session)
        name = identity.name if identity else address
        if name is not None:
            self._limits.on_refusal(name, why)

    def on_disconnect(self, session: WorkerSession) -> None:
        """Note that a connection ended."""
        self._leave_limits(session)
        review = self._reviews.pop(session, None)
        if review is not None:
            review.cancel()
        del self._identities[session]

    def _leave_limits(self, session: WorkerSession) -> None:
        address, account = self._addresses.pop(session, None), self._greeting.pop(session, None)
        if address is not None:
            self._limits.remove(address)
        if account is not None:
            self._limits.end_greeting(account)

    async def _keep_reviewing(self, session: WorkerSession, hello: Hello) -> None:
        """Review token and permissions again, for as long as a worker is connected."""
        while True:
            await asyncio.sleep(self._next_review_in(self.get_identity(session)))
            try:
                await self._review_again(session, hello)
            except NotHereError:
                continue  # the API server is away: nothing happens to any run either
            except RefusedError as error:
                fields = {"worker": hello.worker, "error": str(error)}
                logger.info("worker must prove itself again", extra=fields)
                await session.leave(str(error))
                return

    async def _review_again(self, session: WorkerSession, hello: Hello) -> None:
        identity = await self._auth.identify(session.credential)
        await self._auth.authorize(identity, hello)
        self._identities[session] = identity
        self._limits.on_accept(identity.name)

    def _next_review_in(self, identity: Identity) -> float:
        if identity.expires is None:
            return REVIEW_AGAIN_S
        left = (identity.expires - self._now()).total_seconds()
        return min(REVIEW_AGAIN_S, max(left, SHORTEST_REVIEW_PAUSE_S))

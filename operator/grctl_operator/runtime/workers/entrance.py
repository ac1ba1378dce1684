"""Entrance: from a connection to a worker that is let in: who leads, who comes, what it may do.

1. A connection without a token is told so before it waits for anything.
2. Nothing that a worker says is read before its token is known, and little before it is let in:
   a Hello has at most MAX_HELLO_BYTES, and so has every message of an account that is new here.
   (An account that is known may send larger ones on its next connection, and a worker whose
   outcome was too large for this one comes back by itself.)
3. What who is not let in may cost is bounded: see `vestibule`.
"""

from collections.abc import Sequence

from grctl.models.wire import MAX_HELLO_BYTES, Hello
from grctl_operator.runtime.workers.admission import Admission
from grctl_operator.runtime.workers.doorkeeper import Doorkeeper, Identity
from grctl_operator.runtime.workers.vestibule import Vestibule
from grctl_operator.runtime.workers.worker_session import ProtocolError, WorkerSession

LARGEST_MESSAGE = 16 * 1024 * 1024  # bytes: an outcome's store and result, and room


class Entrance:
    """All connections, and who they are."""

    def __init__(self, door: Doorkeeper, namespaces: Sequence[str]) -> None:
        self.admission = Admission()
        self._door = door
        self._namespaces = namespaces
        self._vestibule = Vestibule()
        self._identities: dict[WorkerSession, Identity | None] = {}
        """Of all connections; None: not known yet."""
        self._addresses: dict[WorkerSession, str] = {}
        """Where connections come from that are not let in yet."""
        self._greeting: dict[WorkerSession, str] = {}
        """Accounts of those whose turn it is to say Hello."""

    @property
    def sessions(self) -> tuple[WorkerSession, ...]:
        """All connections."""
        return tuple(self._identities)

    def identity(self, session: WorkerSession) -> Identity:
        """Return who a worker is."""
        identity = self._identities[session]
        if identity is None:
            raise RuntimeError("Nobody was admitted")
        return identity

    def enter(self, session: WorkerSession, address: str) -> None:
        """Note a new connection.

        Raises:
            FullError: there are too many that are not let in.
        """
        self._vestibule.enter(address)
        self._addresses[session] = address
        self._identities[session] = None

    async def admit(self, session: WorkerSession) -> int:
        """Wait until this operator leads, and learn who comes. Return how much it may send.

        Raises:
            ProtocolError: it may not come in.
            NotHereError: it may not come in here, or not now.
        """
        self._door.look(session.credential)
        await self.admission.wait(session.unreachable)
        self._vestibule.check(self._addresses[session])
        identity = self._identities[session] = await self._door.identify(session.credential)
        if self._vestibule.knows(identity.name):
            return LARGEST_MESSAGE
        self._vestibule.check(identity.name)
        await self._vestibule.begin_greeting(identity.name)
        self._greeting[session] = identity.name
        return MAX_HELLO_BYTES

    async def permit(self, session: WorkerSession, hello: Hello) -> None:
        """Return if a worker may do what it offers.

        Raises:
            ProtocolError: it may not.
            NotHereError: nobody can tell at present.
        """
        if self._namespaces and hello.namespace not in self._namespaces:
            served = ", ".join(self._namespaces)
            raise ProtocolError(f"This operator serves only {served}, not {hello.namespace}")
        await self._door.permit(self.identity(session), hello)

    async def look_again(self, session: WorkerSession, hello: Hello) -> None:
        """Ask again who a worker is and whether it may.

        Raises:
            ProtocolError: it may not any more.
            NotHereError: nobody can tell at present.
        """
        identity = await self._door.identify(session.credential)
        await self._door.permit(identity, hello)
        self._identities[session] = identity
        self._vestibule.let_in(identity.name)

    def let_in(self, session: WorkerSession) -> None:
        """Note that a worker is let in."""
        self._vestibule.let_in(self.identity(session).name)
        self._leave_vestibule(session)

    def refuse(self, session: WorkerSession, why: str) -> None:
        """Note that a worker was refused: by account, or by address if that is not known."""
        identity, address = self._identities.get(session), self._addresses.get(session)
        name = identity.name if identity else address
        if name is not None:
            self._vestibule.refuse(name, why)

    def leave(self, session: WorkerSession) -> None:
        """Note that a connection ended."""
        self._leave_vestibule(session)
        del self._identities[session]

    def _leave_vestibule(self, session: WorkerSession) -> None:
        address, account = self._addresses.pop(session, None), self._greeting.pop(session, None)
        if address is not None:
            self._vestibule.leave(address)
        if account is not None:
            self._vestibule.end_greeting(account)

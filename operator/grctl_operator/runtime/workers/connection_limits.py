"""ConnectionLimits: bounds what a connection may cost the operator before it is accepted.

1. The number of connections that are not accepted yet is bounded, in all and for each address.
2. An account of which no worker was accepted lately may have MAX_GREETINGS_PER_ACCOUNT connections
   that say Hello at the same time, which bounds what they may send. The others wait their turn.
3. A connection that was refused may be tried again a few times, and then once in a while. Between
   these tries nothing is read from it. Refusals count by address until the token is known, and by
   account after that. An account of which a worker was accepted lately may always try: one bad
   Deployment must not keep out the others.
4. The tries of one account or address cost no other account its turn.
"""

import asyncio
import time
from collections import Counter, OrderedDict
from collections.abc import Callable

from grctl.json.serialization import cut
from grctl.models.limits import MAX_MESSAGE_BYTES
from grctl_operator.runtime.workers.leader_gate import NotHereError

MAX_UNACCEPTED_CONNECTIONS = 5_000  # some 20 KB each
MAX_UNACCEPTED_PER_ADDRESS = 1_000
MAX_GREETINGS_PER_ACCOUNT = 8  # of an account that is not known: each may be a Hello of 1 MiB
GREETING_TIMEOUT_S = 3.0  # less than a worker waits for the handshake
MAX_REFUSALS_AT_ONCE = 20  # tries: those of a Deployment whose permission is missing
REFUSAL_REFILL_S = 0.2  # until one more try is allowed
ACCOUNT_KNOWN_S = 600.0  # twice the time until a connected worker is reviewed again
MAX_NAMES_REMEMBERED = 10_000  # accounts and addresses


class TooManyConnectionsError(Exception):
    """There are too many connections that are not accepted yet."""


class TokenBucket:
    """A rate limit for each name: some at once, and then one in each period.

    Args:
        at_once: How many may be spent at once.
        refill: The seconds until one more may be spent.
        monotonic: A clock for durations, in seconds.
    """

    def __init__(self, at_once: int, refill: float, monotonic: Callable[[], float]) -> None:
        self._credit = (at_once - 0.5) * refill  # between two numbers: sums of floats are not exact
        self._refill = refill
        self._monotonic = monotonic
        self._spent: OrderedDict[str, tuple[float, str]] = OrderedDict()
        """When the bucket of each name is full again, and why it was spent from last."""

    def spend(self, name: str, why: str) -> None:
        """Spend one from the bucket of a name, and remember why."""
        now = self._monotonic()
        full_at, _ = self._spent.get(name, (now, ""))
        self._spent[name] = max(now, full_at) + self._refill, why
        self._spent.move_to_end(name)
        if len(self._spent) > MAX_NAMES_REMEMBERED:
            self._spent.popitem(last=False)

    def why_empty(self, name: str) -> str | None:
        """Return why the last one was spent, if the bucket is empty at present."""
        now = self._monotonic()
        full_at, why = self._spent.get(name, (now, ""))
        return why if full_at - now > self._credit else None


class ConnectionLimits:
    """Counts connections that are not accepted yet, and refusals."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._unaccepted: Counter[str] = Counter()
        """Connections by address."""
        self._greeting: dict[str, tuple[asyncio.Semaphore, int]] = {}
        """Turns of the accounts that greet now, and how many connections use or want one."""
        self._known: OrderedDict[str, float] = OrderedDict()
        """When a worker of each account was accepted last."""
        self._monotonic = monotonic
        self._refused = TokenBucket(MAX_REFUSALS_AT_ONCE, REFUSAL_REFILL_S, monotonic)

    def add(self, address: str) -> None:
        """Count a connection.

        Raises:
            TooManyConnectionsError: there are too many.
        """
        if (
            self._unaccepted[address] >= MAX_UNACCEPTED_PER_ADDRESS
            or self._unaccepted.total() >= MAX_UNACCEPTED_CONNECTIONS
        ):
            raise TooManyConnectionsError
        self._unaccepted[address] += 1

    def remove(self, address: str) -> None:
        """Stop counting a connection: it is accepted, or over."""
        self._unaccepted[address] -= 1
        if not self._unaccepted[address]:
            del self._unaccepted[address]

    def is_known(self, account: str) -> bool:
        """Return whether a worker of an account was accepted lately."""
        accepted = self._known.get(account)
        return accepted is not None and self._monotonic() - accepted < ACCOUNT_KNOWN_S

    def on_accept(self, account: str) -> None:
        """Note that a worker of an account was accepted."""
        self._known[account] = self._monotonic()
        self._known.move_to_end(account)
        if len(self._known) > MAX_NAMES_REMEMBERED:
            self._known.popitem(last=False)

    def on_refusal(self, name: str, why: str) -> None:
        """Note that an account, or an address, was refused."""
        self._refused.spend(name, cut(why, MAX_MESSAGE_BYTES))

    def check(self, name: str) -> None:
        """Return if an account, or an address, may try.

        Raises:
            NotHereError: it was refused too often of late. The message is that of the last refusal.
        """
        why = self._refused.why_empty(name)
        if why is not None:
            raise NotHereError(why, refused=True)

    async def begin_greeting(self, account: str) -> None:
        """Wait for a turn to say Hello.

        Raises:
            NotHereError: too many workers of the account come at once.
        """
        turns, users = self._greeting.get(
            account, (asyncio.Semaphore(MAX_GREETINGS_PER_ACCOUNT), 0)
        )
        self._greeting[account] = turns, users + 1
        try:
            await asyncio.wait_for(turns.acquire(), GREETING_TIMEOUT_S)
        except BaseException as error:
            self._forget_turn(account)
            if isinstance(error, TimeoutError):
                text = f"Too many workers of {account} come at once; try again"
                raise NotHereError(text) from None
            raise

    def end_greeting(self, account: str) -> None:
        """Free a turn."""
        self._greeting[account][0].release()
        self._forget_turn(account)

    def _forget_turn(self, account: str) -> None:
        turns, users = self._greeting.pop(account)
        if users > 1:
            self._greeting[account] = turns, users - 1

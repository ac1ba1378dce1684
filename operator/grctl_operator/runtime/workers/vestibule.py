"""Vestibule: what somebody may cost the operator before it is let in as a worker.

1. Connections that are not let in yet are bounded, all together and for each address.
2. Of an account that was not let in lately GREETING_AT_ONCE may say Hello at the same time, so that
   what they may send is bounded; the others wait for their turn.
3. Who was refused, by address before its token was known and by account after that, may try again
   some times, and then once in a while. Until then nothing that it sends is read. An account of
   which a worker was let in lately may always try: one bad Deployment must not keep out the others.
4. One account's or address's tries cost no other account its turn.
"""

import asyncio
import time
from collections import Counter, OrderedDict
from collections.abc import Callable

from grctl.json.serialization import cut
from grctl.models.limits import MAX_MESSAGE_BYTES
from grctl_operator.runtime.workers.admission import NotHereError

MOST_WAITING = 5_000  # connections: some 20 KB each
MOST_OF_ADDRESS = 1_000
GREETING_AT_ONCE = 8  # of one account that is not known: each may bring a Hello of 1 MiB
GREETING_PATIENCE = 3.0  # s: less than a worker waits for the handshake
REFUSALS_AT_ONCE = 20  # tries: those of a Deployment whose permission is missing
REFUSAL_EVERY = 0.2  # s: and then one in that time
KNOWN_FOR = 600.0  # s: twice as long as until a connected worker is looked at again
REMEMBERED = 10_000  # accounts and addresses


class FullError(Exception):
    """There are too many connections that are not let in yet."""


class Budget:
    """So many at once for each name, and then one every so often."""

    def __init__(self, at_once: int, every: float, monotonic: Callable[[], float]) -> None:
        self._credit = (at_once - 0.5) * every  # between two numbers: sums of floats are not exact
        self._every = every
        self._monotonic = monotonic
        self._spent: OrderedDict[str, tuple[float, str]] = OrderedDict()
        """When each name has its whole budget again, and for what it spent it last."""

    def spend(self, name: str, why: str) -> None:
        """Note that one was used, and for what."""
        now = self._monotonic()
        until, _ = self._spent.get(name, (now, ""))
        self._spent[name] = max(now, until) + self._every, why
        self._spent.move_to_end(name)
        if len(self._spent) > REMEMBERED:
            self._spent.popitem(last=False)

    def spent(self, name: str) -> str | None:
        """Return for what the last one was used, if there is none left at present."""
        now = self._monotonic()
        until, why = self._spent.get(name, (now, ""))
        return why if until - now > self._credit else None


class Vestibule:
    """Who has connected and is not let in yet."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._waiting: Counter[str] = Counter()
        self._greeting: dict[str, tuple[asyncio.Semaphore, int]] = {}
        """Turns of the accounts that greet now, and how many of them use or want one."""
        self._known: OrderedDict[str, float] = OrderedDict()
        """When each account was let in last."""
        self._monotonic = monotonic
        self._refused = Budget(REFUSALS_AT_ONCE, REFUSAL_EVERY, monotonic)

    def enter(self, address: str) -> None:
        """Count a connection.

        Raises:
            FullError: there are too many.
        """
        if self._waiting[address] >= MOST_OF_ADDRESS or self._waiting.total() >= MOST_WAITING:
            raise FullError
        self._waiting[address] += 1

    def leave(self, address: str) -> None:
        """Count a connection no longer: it is let in, or over."""
        self._waiting[address] -= 1
        if not self._waiting[address]:
            del self._waiting[address]

    def knows(self, account: str) -> bool:
        """Return whether an account was let in lately."""
        let_in = self._known.get(account)
        return let_in is not None and self._monotonic() - let_in < KNOWN_FOR

    def let_in(self, account: str) -> None:
        """Note that an account may do what its worker offers."""
        self._known[account] = self._monotonic()
        self._known.move_to_end(account)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    def refuse(self, name: str, why: str) -> None:
        """Note that an account, or an address, was refused."""
        self._refused.spend(name, cut(why, MAX_MESSAGE_BYTES))

    def check(self, name: str) -> None:
        """Return if an account, or an address, may try.

        Raises:
            NotHereError: it was refused too often of late; says why.
        """
        why = self._refused.spent(name)
        if why is not None:
            raise NotHereError(why, refused=True)

    async def begin_greeting(self, account: str) -> None:
        """Wait for a turn to say Hello.

        Raises:
            NotHereError: too many of the same account come at once.
        """
        turns, users = self._greeting.get(account, (asyncio.Semaphore(GREETING_AT_ONCE), 0))
        self._greeting[account] = turns, users + 1
        try:
            await asyncio.wait_for(turns.acquire(), GREETING_PATIENCE)
        except BaseException as error:
            self._forget_turn(account)
            if isinstance(error, TimeoutError):
                text = f"Too many workers of {account} come at once; try again"
                raise NotHereError(text) from None
            raise

    def end_greeting(self, account: str) -> None:
        """Return a turn."""
        self._greeting[account][0].release()
        self._forget_turn(account)

    def _forget_turn(self, account: str) -> None:
        turns, users = self._greeting.pop(account)
        if users > 1:
            self._greeting[account] = turns, users - 1

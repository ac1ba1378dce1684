"""The recorder: sends what a handler records to the operator, and knows what is durable.

1. A record is sent in the next turn of the loop. A handler that returns in the same turn sends
   none: its outcome carries it.
2. The barrier: `wait_until_durable` returns once everything that was recorded before is durable.
3. A record is kept until it is answered. After a reconnect, all that were not are sent again.
4. If the execution was handed over ahead, a handler that waits for the commit of its base tells
   the operator so, once. Otherwise that commit might be batched, and its release might linger.
5. Nothing is sent after the end of the handler. What was not answered by then goes with the
   outcome.
"""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from grctl.models.journal import Entries, Entry
from grctl.models.wire import Execution, RecordOperations

SendRecords = Callable[[RecordOperations], Awaitable[None]]
"""Sends a message to the operator. It may be lost: the records are kept."""


@dataclass(slots=True)
class _Unanswered:
    entry: Entry
    durable: asyncio.Future[None]
    sent: bool = False


class Recorder:
    """The records of one execution.

    Args:
        execution: The execution that records.
        send: Sends a message to the operator.
    """

    def __init__(self, execution: Execution, send: SendRecords) -> None:
        self._execution = execution
        self._send = send
        self._unanswered: dict[str, _Unanswered] = {}
        self._waiting = 0
        """How many parts of the handler wait at the barrier."""
        self._told = False
        """Whether the operator was told that the handler waits for all that is unanswered."""
        self._urgent = False
        self._commit_awaited = False
        """Whether the handler waits for the outcome that its execution is built on."""
        self._scheduled = False
        self._closed = False
        self._given_up = False
        self._sending: set[asyncio.Task[None]] = set()

    @property
    def unanswered(self) -> Entries:
        """The entries that are not known to be durable, by their keys."""
        return {key: each.entry for key, each in self._unanswered.items()}

    def record(self, key: str, entry: Entry, *, urgent: bool = False) -> None:
        """Send an entry, and keep it until it is answered.

        Args:
            key: The key of the call.
            entry: What is recorded about it; it takes the place of an earlier one.
            urgent: Whether the handler waits for it soon, so that it is to be written at once.
        """
        if self._closed or self._given_up:
            return
        known = self._unanswered.get(key)
        durable = known.durable if known else asyncio.get_running_loop().create_future()
        self._unanswered[key] = _Unanswered(entry, durable)
        self._urgent |= urgent
        self._told = False
        self._schedule()

    async def wait_until_durable(self) -> None:
        """Wait until all that was recorded before this call is durable."""
        waits = [each.durable for each in self._unanswered.values()]
        if not waits:
            return
        self._waiting += 1
        try:
            self._schedule()
            await asyncio.wait(waits)
        finally:
            self._waiting -= 1

    async def wait_for_base(self, committed: asyncio.Event) -> None:
        """Wait until the outcome that the execution is built on is committed.

        The operator is told that the handler waits, so that it does not delay that commit.
        """
        if committed.is_set():
            return
        self._waiting += 1
        self._commit_awaited = True
        try:
            self._schedule()
            await committed.wait()
        finally:
            self._waiting -= 1
            self._commit_awaited = False

    def answer(self, keys: Iterable[str]) -> None:
        """Note that entries are durable, or that another attempt's entry counts instead."""
        for key in keys:
            answered = self._unanswered.pop(key, None)
            if answered is not None and not answered.durable.done():
                answered.durable.set_result(None)

    def give_up(self) -> None:
        """Keep no records any more: the operator does not answer them."""
        self._given_up = True
        self.answer(list(self._unanswered))

    def repeat(self) -> RecordOperations | None:
        """Return the message that repeats all unanswered records; None if there are none."""
        if self._closed or not (self._unanswered or self._commit_awaited):
            return None
        return self._message(self._unanswered)

    def reopen(self) -> "Recorder":
        """Return a recorder for another run of the handler, which sends what is not answered."""
        made = Recorder(self._execution, self._send)
        for key, entry in self.unanswered.items():
            made.record(key, entry)
        return made

    def close(self) -> None:
        """Send nothing any more, and end all waits at the barrier."""
        self._closed = True
        for each in self._unanswered.values():
            if not each.durable.done():
                each.durable.set_result(None)

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            # In a context of its own: what sends is not a part of the handler.
            context = contextvars.Context()
            asyncio.get_running_loop().call_soon(self._flush, context=context)

    def _flush(self) -> None:
        self._scheduled = False
        awaited = self._waiting > 0 or self._urgent
        unsent = {key: each for key, each in self._unanswered.items() if not each.sent}
        is_new = bool(unsent) or (awaited and not self._told)
        if self._closed or not is_new or not (self._unanswered or self._commit_awaited):
            return
        message = self._message(self._unanswered if awaited else unsent)
        self._told, self._urgent = awaited, False
        sending = asyncio.create_task(self._send_open(message))
        self._sending.add(sending)
        sending.add_done_callback(self._sending.discard)

    async def _send_open(self, message: RecordOperations) -> None:
        """Send a message, unless the handler has ended since it was made."""
        if not self._closed:
            await self._send(message)

    def _message(self, records: dict[str, _Unanswered]) -> RecordOperations:
        for each in records.values():
            each.sent = True
        awaited = self._waiting > 0 or self._urgent
        entries = {key: each.entry for key, each in records.items()}
        return RecordOperations(execution=self._execution, entries=entries, awaited=awaited)

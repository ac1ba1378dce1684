"""The journal of an execution: what the handler recorded, in this attempt and in earlier ones.

1. An operation (a task, `ctx.now`, `ctx.sleep`) that is in the journal is not done again.
2. The barrier: a new operation, and the next attempt at one, begins only when all that was recorded
   before is durable. Executions that were handed over ahead wait for the commit of their base too.
3. An entry is unused until this attempt has asked for it. An operation that is not in the journal,
   while entries are unused, comes from other code. But it waits first, as long as other asyncio
   tasks of the handler may ask for them (see `claiming`).
4. The operator's entry counts. If another attempt recorded a call first, its entry is the result
   here too. If the handler has seen another result already, it runs again from the start.
5. After its end, a handler records nothing and calls nothing.
"""

import asyncio
import dataclasses
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import Context, ContextVar
from dataclasses import dataclass, field
from typing import Any

from grctl.json.equality import same_json
from grctl.json.serialization import TooLargeError, in_kib, size_of
from grctl.models.journal import FINAL_FIELDS, Entry, is_final, which_counts
from grctl.models.limits import MAX_JOURNAL_BYTES, MAX_JOURNAL_ENTRIES
from grctl.models.wire import Execution, RecordedOperations, RecordOperations
from grctl.worker.call_identity import name_of, number_call
from grctl.worker.execution_clock import ExecutionClock
from grctl.worker.open_ends import OpenEnds
from grctl.worker.recording import Recorder
from grctl.worker.task_errors import (
    HandlerEndedError,
    NonDeterministicError,
    WrongLoopError,
)

Sleep = Callable[[float], Awaitable[None]]

RESERVED_BYTES = 512
"""The room in the journal that each call is sure to have: for an error that says that its result
does not fit."""
ROOM_HINT = (
    "Define tasks whose results need not be kept with @task(record=False), or do a part of the work"
    " in each of several steps: a step that returns ctx.next.step(...) of itself."
)

_journal: ContextVar["HandlerJournal | None"] = ContextVar("grctl_journal", default=None)
"""The journal of the handler that runs, also in the asyncio tasks that it starts."""


def current_journal() -> "HandlerJournal | None":
    """Return the journal of the handler that runs here; None outside of handlers."""
    return _journal.get()


def journal_in(context: Context) -> "HandlerJournal | None":
    """Return the journal of the handler that a context belongs to; None if it is of none."""
    return context.get(_journal)


def set_current_journal(journal: "HandlerJournal") -> None:
    """Make a journal the one of the asyncio task that runs, and of those that it starts."""
    _journal.set(journal)


@dataclass
class JournalSetup:
    """What a journal needs beside its entries.

    Attributes:
        clock: Tells the time.
        recorder: Sends the records; None if the operator keeps none.
        base_committed: Is set when the outcome that the execution is built on is committed; None if
            it was not handed over ahead, or nothing is recorded.
        sleep: Waits for a number of seconds.
        counts: Counts the calls by their results, and the attempts.
        on_unrecorded: Is called with each call that is not recorded because there is no recorder.
    """

    clock: ExecutionClock = field(default_factory=lambda: ExecutionClock(None))
    recorder: Recorder | None = None
    base_committed: asyncio.Event | None = None
    sleep: Sleep = asyncio.sleep
    counts: Counter[str] = field(default_factory=Counter)
    on_unrecorded: Callable[[], None] | None = None


class HandlerJournal:
    """The journal of one execution.

    Args:
        execution: The execution.
        entries: What earlier attempts recorded, by the keys of the calls.
        setup: See `JournalSetup`.
    """

    def __init__(
        self, execution: Execution, entries: Mapping[str, Entry], setup: JournalSetup
    ) -> None:
        self.execution = execution
        self.clock = setup.clock
        self.sleep = setup.sleep
        self.counts = setup.counts
        self.calls: dict[str, int] = {}
        """Attempts at each call of a task that has ended, by its key, in the order of the ends."""
        self.running_count = 0
        """How many functions of tasks run now."""
        self.error: NonDeterministicError | None = None
        """Why this attempt cannot go on: it runs other code than earlier ones."""
        self.contradicted = False
        """Whether the handler saw a result that does not count."""
        self.open_ends = OpenEnds()
        self._setup = setup
        self._recorder = setup.recorder
        self._entries: dict[str, Entry] = dict(entries)
        self._sizes = {key: _size(key, entry) for key, entry in self._entries.items()}
        self._unused = set(self._entries)
        self._used: set[str] = set()
        """The keys that this attempt has asked for."""
        self._seen: set[str] = set()
        """The keys of the calls whose ends the handler has seen."""
        self._numbers: Counter[str] = Counter()
        self._functions: dict[str, str] = {}
        """The function of each name of a task that this attempt has called."""
        self._open = 0
        self._runner: asyncio.Task[Any] | None = None
        self._handler: asyncio.Task[Any] | None = None
        self._ended = False

    @property
    def has_recorder(self) -> bool:
        """Whether the operator keeps what is recorded."""
        return self._recorder is not None

    @property
    def is_ending(self) -> bool:
        """Whether the handler has ended, or the worker cancelled it."""
        return self._ended or (self._runner is not None and self._runner.cancelling() > 0)

    @property
    def unused(self) -> Mapping[str, Entry]:
        """The entries that this attempt has not asked for.

        Calls that the handler itself cancelled are left out: a race may end before it begins them.
        """
        return {
            key: entry for key in self._unused if "cancelled" not in (entry := self._entries[key])
        }

    @property
    def unanswered(self) -> dict[str, Entry] | None:
        """The entries that are not known to be durable; None if all are."""
        return dict(self._recorder.unanswered) or None if self._recorder else None

    def begin(self, runner: asyncio.Task[Any] | None, handler: asyncio.Task[Any]) -> None:
        """Note the asyncio tasks of the execution and of its handler."""
        self._runner, self._handler = runner, handler
        self.open_ends.handler = handler

    def end(self) -> None:
        """Record nothing any more: the handler has ended."""
        self._ended = True
        if self._recorder is not None:
            self._recorder.close()

    def run_again(self) -> "HandlerJournal":
        """Return the journal for another run of the handler within the same execution."""
        recorder = self._recorder.reopen() if self._recorder else None
        setup = dataclasses.replace(self._setup, recorder=recorder)
        return HandlerJournal(self.execution, self._entries, setup)

    def number(self, name: str, fingerprint: str) -> str:
        """Return the key of the next call of a task with such arguments."""
        return number_call(self._numbers, name, fingerprint)

    def check_name(self, name: str, function: str) -> None:
        """Note which function a task's name stands for in this handler.

        Calls of two functions would have the same keys. If a further attempt called them in another
        order, one would return the result of the other.

        Raises:
            ValueError: the handler has called another function as a task of that name.
        """
        known = self._functions.setdefault(name, function)
        if known != function:
            raise ValueError(
                f"One handler calls two tasks that are named {name!r}: {known} and {function}. What"
                " they return is recorded under their names, so rename one of the functions, or"
                " define one with @task(record=False)."
            )

    def note_unrecorded(self) -> None:
        """Note that a call that should be recorded is not."""
        if self._setup.on_unrecorded is not None:
            self._setup.on_unrecorded()

    def get(self, key: str) -> Entry | None:
        """Return the entry of a call that counts now; None if there is none."""
        return self._entries.get(key)

    def use(self, key: str) -> None:
        """Note that this attempt asks for an entry."""
        self._used.add(key)
        self._unused.discard(key)
        self.open_ends.on_call()

    def on_seen(self, key: str, attempts: int | None = None) -> None:
        """Note that the handler sees the end of an operation; of a task, after so many attempts."""
        self._seen.add(key)
        if attempts is not None:
            self.calls[key] = attempts

    def check(self) -> None:
        """Check that the handler may go on.

        Raises:
            HandlerEndedError: it has ended.
            NonDeterministicError: it runs other code than earlier attempts.
            WrongLoopError: the caller runs in a thread, in an event loop of its own.
        """
        self._check_loop()
        if self._ended:
            raise HandlerEndedError(
                f"Handler {self.execution.handler_name} has ended, so nothing is called for it any"
                " more. Await each task before the handler returns."
            )
        if self.error is not None:
            raise self.error

    def fail(self, error: NonDeterministicError) -> NonDeterministicError:
        """Note that this attempt cannot go on. Return the error to raise."""
        self.error = error
        return error

    @contextmanager
    def room_for(self, name: str) -> Iterator[None]:
        """Keep room in the journal for a call that begins.

        Raises:
            TooLargeError: there is none.
        """
        full = len(self._entries) + self._open >= MAX_JOURNAL_ENTRIES
        if full or self._free(self._open + 1) < 0:
            most = f"{MAX_JOURNAL_ENTRIES} entries and {in_kib(MAX_JOURNAL_BYTES)}"
            raise TooLargeError(
                f"{name} was not called: handler {self.execution.handler_name} has recorded as much"
                f" as one handler may, {most}. {ROOM_HINT}"
            )
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1

    def check_fits(self, key: str, entry: Entry) -> None:
        """Check that the journal has room for the result of a call.

        Raises:
            TooLargeError: it does not.
        """
        size = _size(key, entry)
        if size > RESERVED_BYTES and size > self._free(self._open - 1):
            raise TooLargeError(
                f"the result of task {name_of(key)} is {in_kib(size)} of JSON, and the results that"
                f" handler {self.execution.handler_name} has recorded leave no room for it: at most"
                f" {in_kib(MAX_JOURNAL_BYTES)} are kept. {ROOM_HINT}"
            )

    async def wait_at_barrier(self) -> None:
        """Wait until the next operation may begin."""
        self.check()
        if self._recorder is not None:
            if self._setup.base_committed is not None:
                await self._recorder.wait_for_base(self._setup.base_committed)
            await self._recorder.wait_until_durable()
        self.check()

    def record(self, key: str, entry: Entry, *, urgent: bool = False) -> Entry:
        """Record what became of a call, unless another entry counts. Return the one that counts.

        Args:
            key: The key of the call.
            entry: Its entry.
            urgent: Whether the handler waits at the barrier next.
        """
        if self._ended:
            return entry
        counts = which_counts(self._entries.get(key), entry)
        if counts is entry:
            self._keep(key, entry)
            if self._recorder is not None:
                self._recorder.record(key, entry, urgent=urgent)
        return counts

    def on_recorded(self, message: RecordedOperations) -> None:
        """Take over what the operator says is durable."""
        if self._recorder is None:
            return
        replaced = [key for key, entry in message.entries.items() if self._adopt(key, entry)]
        self._recorder.answer([*message.keys, *replaced])
        if self.contradicted and not self._ended and self._handler is not None:
            self.end()
            self._handler.cancel()

    def repeat(self) -> RecordOperations | None:
        """Return the message that repeats what was not answered; None if all was."""
        return self._recorder.repeat() if self._recorder else None

    def give_up_recording(self) -> None:
        """Wait for no answer any more: the operator that the worker has now keeps no records."""
        if self._recorder is not None:
            self._recorder.give_up()

    def summary(self) -> str | None:
        """Return the recorded tasks for people: `charge (3), mail`; None if there are none.

        Several calls of a task are counted: `fetch x20`.
        """
        names: dict[str, list[int]] = {}
        for key, attempts in self.calls.items():
            names.setdefault(name_of(key), []).append(attempts)
        return ", ".join(_told(name, attempts) for name, attempts in names.items()) or None

    def _check_loop(self) -> None:
        """Check that the caller runs in the event loop of the handler.

        `asyncio.to_thread` takes the context along, and so the journal. A record that another loop
        sends would break the worker's connection.
        """
        if self._handler is None or self._handler.get_loop() is asyncio.get_running_loop():
            return
        raise WrongLoopError(
            f"Handler {self.execution.handler_name} calls something in another thread, in an event"
            " loop of its own. Tasks, ctx.now and ctx.sleep are for the handler's own loop: await"
            " them there, and run only what blocks in a thread."
        )

    def _adopt(self, key: str, entry: Entry) -> bool:
        """Take over an entry that is durable. Return whether it counts instead of our own."""
        own = self._entries.get(key)
        counts = which_counts(entry, own) if own is not None else entry
        if counts is own and own is not entry:
            return False
        if key in self._seen and own and is_final(entry) and not _same_end(own, entry):
            self.contradicted = True
        if key not in self._used:
            self._unused.add(key)
        self._keep(key, entry)
        return True

    def _keep(self, key: str, entry: Entry) -> None:
        self._entries[key] = entry
        self._sizes[key] = _size(key, entry)

    def _free(self, opened: int) -> int:
        """Return the bytes that are free beside those that are reserved for open calls."""
        return MAX_JOURNAL_BYTES - sum(self._sizes.values()) - opened * RESERVED_BYTES


def _size(key: str, entry: Entry) -> int:
    return size_of(entry) + len(key) + 4  # quotes, colon, comma


def _same_end(one: Entry, other: Entry) -> bool:
    """Return whether two entries end a call in the same way."""
    ends = [
        {name: each.get(name) for name in FINAL_FIELDS if name in each} for each in (one, other)
    ]
    return same_json(*ends)


def _told(name: str, attempts: list[int]) -> str:
    several = f" x{len(attempts)}" if len(attempts) > 1 else ""
    total = f" ({sum(attempts)})" if sum(attempts) > len(attempts) else ""
    return f"{name}{several}{total}"

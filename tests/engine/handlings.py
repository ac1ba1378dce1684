"""A handler with tasks at a worker of the stateful test, as the worker runs it.

The same handler calls the same tasks in each attempt. It keeps to what workers promise:

1. What the journal holds is not called again.
2. A task begins only after all that was recorded before is durable; a return waits for nothing.
3. Handed over ahead, a task begins only after the outcome that it is built on is committed.
4. A handler that is told another value than it has seen starts again from the journal.
"""

from dataclasses import dataclass, field

from grctl.models.journal import Entry, is_final, which_counts
from grctl.models.wire import Execution, RecordOperations
from tests.engine.task_world import Entries, TaskWorld, is_event, said

CHARGE, MAIL, LOG = "charge/0/1", "mail/0/1", "log/0/1"
FLAKY, DECLINED = "flaky/0/1", "declined/0/1"
"""One raises in its first attempt; one always raises, and its handler goes on."""

Groups = tuple[tuple[str, ...], ...]
"""Tasks in the order in which they are called; those of a group are gathered."""
PROGRAMS: tuple[Groups, ...] = (
    ((CHARGE,), (MAIL,)),
    ((CHARGE,),),
    ((CHARGE,), (MAIL,), (LOG,)),
    ((FLAKY,), (MAIL,)),
    ((CHARGE, MAIL),),
    ((FLAKY, CHARGE), (DECLINED,), (MAIL,)),
    (),
)


def program_of(execution: Execution) -> Groups:
    """Return the tasks of a handler. All steps call the same ones."""
    if not is_event(execution):
        return PROGRAMS[0]
    number = int((execution.event_uid or "0").removeprefix("event"))
    return PROGRAMS[number % len(PROGRAMS)]


@dataclass
class Handling:
    """A handler that runs."""

    execution: Execution
    world: TaskWorld
    told: Entries
    """What is durable, as far as it was told."""
    may_call: bool
    """Whether the outcome that it is built on is committed."""
    seen: Entries = field(default_factory=dict)
    """The entries that the handler has gone on with."""
    waits: bool = False
    """Whether it waits at the barrier."""

    def go_on(self) -> bool:
        """Call what may be called. Return whether the handler returns."""
        self.waits = False
        while (group := self._next_group()) is not None:
            if not self.may_call or not self._is_all_durable():
                self.waits = True
                return False
            for key in group:
                self._call(key)
        return True

    def _next_group(self) -> tuple[str, ...] | None:
        """Return the tasks to call next: the first that the journal does not have."""
        for group in program_of(self.execution):
            for key in group:
                self._take_from_journal(key)
            left = tuple(key for key in group if not self._is_over(key))
            if left:
                return left
        return None

    def _take_from_journal(self, key: str) -> None:
        if key in self.told and not self._is_over(key):
            self.seen[key] = which_counts(self.seen.get(key), self.told[key])

    def _is_over(self, key: str) -> bool:
        return key in self.seen and is_final(self.seen[key])

    def _is_all_durable(self) -> bool:
        return not self.records

    @property
    def records(self) -> Entries:
        """What it recorded and was not told to be durable."""
        return {
            key: entry
            for key, entry in self.seen.items()
            if key not in self.told or which_counts(self.told[key], entry) is not self.told[key]
        }

    @property
    def unconfirmed(self) -> Entries:
        """What its outcome was made from, as far as it was not told to be durable so."""
        return {key: entry for key, entry in self.seen.items() if self.told.get(key) != entry}

    def _call(self, key: str) -> None:
        failed = self.seen.get(key, {}).get("failed", 0)
        others = {name: entry for name, entry in self.seen.items() if name != key}
        self.world.on_call(self.execution, key, failed + 1, self._before(key, others))
        self.seen[key] = self._entry(key, failed + 1)

    def _before(self, key: str, others: Entries) -> Entries:
        """Return what was seen before a call: not what is gathered with it."""
        group = next(each for each in program_of(self.execution) if key in each)
        return {name: entry for name, entry in others.items() if name not in group}

    def _entry(self, key: str, number: int) -> Entry:
        if key == FLAKY and number == 1:
            return said(self.execution, failed=number, of_attempts=3)
        if key == DECLINED:
            return said(self.execution, error={"type": "CardDeclined", "message": "no"}, n=number)
        return said(self.execution, ok={"value": number}, n=number)

    def on_told(self, durable: Entries, *, returned: bool) -> None:
        """Note what is durable, and start again if the handler has seen another value.

        If it has returned, its outcome is void: it names what it was made from.
        """
        self.told.update(durable)
        if returned:
            return
        differs = (
            is_final(self.told[key]) and is_final(entry) and self.told[key] != entry
            for key, entry in self.seen.items()
            if key in self.told
        )
        if any(differs):
            self.seen.clear()

    @property
    def message(self) -> RecordOperations | None:
        """The records that are to be sent; None if there is nothing to say."""
        records = self.records
        if not records and not self.waits:
            return None
        return RecordOperations(execution=self.execution, entries=records, awaited=self.waits)

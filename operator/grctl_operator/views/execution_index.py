"""ExecutionIndex: finds executions, by run, by id, and by the worker that has them.

It finds entries and knows no rules: those are in `executions`. Pure data: no I/O, no clock.
"""

from collections.abc import Collection
from dataclasses import dataclass

from grctl.models.wire import Execution
from grctl_operator.engine.observation import Held, Key


@dataclass(slots=True)
class KnownExecution:
    """An execution, and what is noted of it beside what the engine sees."""

    key: Key
    held: Held
    instance: str
    """The worker that has it, or had it last."""
    owner: str
    """The identity that it was given to."""
    given_at_s: float
    """When it was given to the worker, or first reported, by the monotonic clock."""
    claimed_by: str | None = None
    """The instance that reported it, if this operator did not give it to that worker."""
    ahead: bool = False
    """It was handed over behind another execution that its worker had."""
    arrival: int = 0
    """The number of its arrival at its worker, as the registry counts arrivals. 0: it did not
    arrive there yet."""
    awaited: frozenset[str] = frozenset()
    """Keys of the records until whose durability its handler waits."""
    refused_behind: bool = False
    """Its worker declined an execution that was handed over behind it: it gets no other one."""

    @property
    def execution(self) -> Execution:
        """The execution as it was given."""
        return self.held.execution


class ExecutionIndex:
    """All executions that are known."""

    def __init__(self) -> None:
        self._by_id: dict[str, KnownExecution] = {}
        self._by_run: dict[Key, dict[str, KnownExecution]] = {}
        self._by_worker: dict[str, dict[str, KnownExecution]] = {}

    def __len__(self) -> int:
        """Count the executions."""
        return len(self._by_id)

    def find(self, execution: str | None) -> KnownExecution | None:
        """Return the entry of an execution id."""
        return self._by_id.get(execution) if execution else None

    def of_run(self, key: Key) -> Collection[KnownExecution]:
        """Return the entries of a run."""
        return self._by_run.get(key, {}).values()

    def of_worker(self, instance: str) -> Collection[KnownExecution]:
        """Return the entries of a worker, also lost ones."""
        return self._by_worker.get(instance, {}).values()

    def all(self) -> Collection[KnownExecution]:
        """Return every entry."""
        return self._by_id.values()

    def chain(self, last: str | None, base: str | None) -> tuple[Execution, ...]:
        """Return the executions behind `base` up to `last`, in order, as far as they are known."""
        links: list[Execution] = []
        while last != base and (entry := self.find(last)):
            links.append(entry.execution)
            last = entry.execution.base
        return tuple(reversed(links))

    def add(self, entry: KnownExecution) -> None:
        """Add an execution that is not known yet."""
        execution = entry.execution.id
        self._by_id[execution] = entry
        self._by_run.setdefault(entry.key, {})[execution] = entry
        self._by_worker.setdefault(entry.instance, {})[execution] = entry

    def move(self, entry: KnownExecution, instance: str) -> None:
        """Note that a worker has an execution, perhaps another one than before."""
        self._drop_from_worker(entry)
        entry.instance = instance
        self._by_worker.setdefault(instance, {})[entry.execution.id] = entry

    def remove(self, execution: str) -> KnownExecution | None:
        """Remove an execution. Return its entry, if it was known."""
        entry = self._by_id.pop(execution, None)
        if entry is None:
            return None
        of_run = self._by_run[entry.key]
        del of_run[execution]
        if not of_run:
            del self._by_run[entry.key]
        self._drop_from_worker(entry)
        return entry

    def _drop_from_worker(self, entry: KnownExecution) -> None:
        of_worker = self._by_worker[entry.instance]
        del of_worker[entry.execution.id]
        if not of_worker:
            del self._by_worker[entry.instance]

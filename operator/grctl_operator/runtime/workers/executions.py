"""ExecutionRegistry: which worker holds which execution, and which workers there are.

1. It is a cache: workers say what they hold each time they connect, and that is taken over.
2. An outcome stays until the engine releases it. Twice the same outcome is one.
3. A worker that left keeps what it holds until it is given up; then its executions are lost. One
   that comes back in time, or before the engine has dealt with the loss, has them again.
4. Another process of the same worker name, or a worker that comes back without an execution,
   proves that the execution is lost: no grace is waited for.
5. An execution belongs to the ServiceAccount that it was given to, or that first said it has it.
   Nobody else's claim or outcome counts, nor one of another namespace or type than it serves.
6. A worker that left stays in view for a while: what it could do is known (UnknownEvent).

Pure data: no I/O, and the clock is given.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from grctl.models.phases import HandlerKind
from grctl.models.wire import Catalogue, Execution, Hello, Outcome
from grctl_operator.engine.observation import Executions, Held, Key, WorkerPresence

REMEMBERED = timedelta(minutes=5)
"""How long a worker that left stays in view: longer than any rule looks back."""

Group = tuple[str, str]
"""A namespace and a workflow type in it."""


def key_of(execution: Execution) -> Key:
    """Say which workflow id an execution is for."""
    return Key(execution.namespace, execution.workflow_id)


@dataclass(slots=True)
class Worker:
    """One process of a worker, connected or lately seen."""

    name: str
    instance: str
    namespace: str
    identity: str
    """Whose process it is: the name of its ServiceAccount."""
    capacity: int
    catalogues: dict[str, Catalogue]
    seen: datetime
    connected: bool = True
    draining: bool = False
    held: Counter[Key] = field(default_factory=Counter)
    """How many executions it has of each run, but for lost ones. Those of one run run in turn."""

    @property
    def free(self) -> int:
        """How many more executions it takes now."""
        return max(0, self.capacity - len(self.held)) if self.connected and not self.draining else 0

    def can(self, group: Group, kind: HandlerKind, name: str) -> bool:
        """Say whether it may and can run a handler."""
        catalogue = self.catalogues.get(group[1])
        return self.namespace == group[0] and catalogue is not None and catalogue.has(kind, name)


@dataclass(slots=True)
class _Entry:
    held: Held
    instance: str
    owner: str
    """The identity that it was given to."""


class ExecutionRegistry:
    """All executions and all workers."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.accepting_since = now()
        self.now = now
        self.all_back = False
        """Whether as many workers came as the leader before us had. Once so, it stays so."""
        self._awaited: int | None = None
        self._entries: dict[Key, dict[str, _Entry]] = {}
        self._keys: dict[str, Key] = {}
        """Where each execution's entry is."""
        self._workers: dict[str, Worker] = {}

    def __len__(self) -> int:
        """Count the executions."""
        return len(self._keys)

    @property
    def connected(self) -> int:
        """Count the connected workers."""
        return sum(worker.connected for worker in self._workers.values())

    @property
    def present(self) -> int:
        """Count the workers that are connected, or away with something that they hold."""
        return sum(worker.connected or bool(worker.held) for worker in self._workers.values())

    @property
    def in_flight(self) -> int:
        """Count the executions that a worker has."""
        return sum(worker.held.total() for worker in self._workers.values())

    def find(self, execution: str | None) -> Execution | None:
        """Give what is known of an execution."""
        key = self._keys.get(execution) if execution else None
        return self._entries[key][execution].held.execution if key and execution else None

    def chain(self, last: str | None, base: str | None) -> tuple[Execution, ...]:
        """Give the executions behind `base` up to `last`, in order, as far as they are known."""
        links: list[Execution] = []
        while last != base and (execution := self.find(last)):
            links.append(execution)
            last = execution.base
        return tuple(reversed(links))

    def view(self, key: Key, workflow_type: str) -> Executions:
        """Give what the engine is told of one workflow id."""
        workers = [each for each in self._workers.values() if each.namespace == key.namespace]
        return Executions(
            held=tuple(entry.held for entry in self._entries.get(key, {}).values()),
            workers=tuple(self._presence(workers, workflow_type)),
            other_types=_types(workers, workflow_type),
            accepting_since=self.accepting_since,
            all_back=self.all_back,
        )

    def accept(self, awaited: int | None) -> None:
        """Begin to take workers in; the leader before us had so many. None: nobody knows."""
        self.accepting_since = self.now()
        self._awaited = awaited
        self._note_return()

    def is_itself(self, hello: Hello, identity: str) -> bool:
        """Say whether no process of another identity has the instance that a worker names."""
        known = self._workers.get(hello.instance)
        return known is None or known.identity == identity

    def is_of(self, execution: Execution, instance: str) -> bool:
        """Say whether a worker may have an execution."""
        worker = self._workers.get(instance)
        if worker is None or execution.namespace != worker.namespace:
            return False
        key = self._keys.get(execution.id)
        known = self._entries[key][execution.id] if key else None
        if known is not None:
            return known.owner == worker.identity
        return execution.workflow_type in worker.catalogues

    def joined(self, hello: Hello, identity: str) -> tuple[Key, ...]:
        """Take a worker that says Hello. Give the keys whose executions changed by it."""
        self._prune()
        claimed = {execution.id for execution in hello.held}
        changed = self._lose_unclaimed(hello, identity, claimed)
        catalogues = {catalogue.type: catalogue for catalogue in hello.catalogues}
        before = self._workers.get(hello.instance)
        worker = Worker(
            name=hello.worker,
            instance=hello.instance,
            namespace=hello.namespace,
            identity=identity,
            capacity=hello.capacity,
            catalogues=catalogues,
            seen=self.now(),
            held=before.held if before else Counter(),
        )
        self._workers[hello.instance] = worker
        changed += [
            self._take_over(execution, worker)
            for execution in hello.held
            if self.is_of(execution, hello.instance)
        ]
        self._note_return()
        return tuple(dict.fromkeys(changed))

    def drained(self, instance: str) -> None:
        """Note that a worker takes nothing new."""
        worker = self._workers.get(instance)
        if worker:
            worker.draining = True

    def left(self, instance: str) -> bool:
        """Note that a worker's connection ended. Give whether it still holds anything."""
        worker = self._workers.get(instance)
        if worker is None:
            return False
        worker.connected, worker.seen = False, self.now()
        return bool(worker.held)

    def give_up(self, instance: str) -> tuple[Key, ...]:
        """Mark lost what a worker holds that did not come back. Give the keys."""
        worker = self._workers.get(instance)
        if worker is None or worker.connected:
            return ()
        entries = [each for each in self._all() if each.instance == instance]
        keys = self._lose(each for each in entries if not each.held.lost)
        return tuple(dict.fromkeys(keys))

    def brought(self, instance: str, outcome: Outcome) -> Key:
        """Take an outcome, also of an execution that is not known. Give the key."""
        worker = self._workers[instance]
        key = self._take_over(outcome.execution, worker)
        entry = self._entries[key][outcome.execution.id]
        if entry.held.outcome is None:
            took = self.now() - entry.held.since
            as_given = outcome.model_copy(update={"execution": entry.held.execution})
            entry.held = replace(entry.held, outcome=as_given, took=took)
        return key

    def declined(self, instance: str, execution: str) -> Key | None:
        """Forget an execution that this worker has not begun and will not. Give its key."""
        key = self._keys.get(execution)
        if key is None or self._entries[key][execution].instance != instance:
            return None
        self.released(execution)
        return key

    def holder(self, execution: str | None) -> Worker | None:
        """Give the worker that has an execution, if it takes more."""
        key = self._keys.get(execution or "")
        if key is None or execution is None:
            return None
        worker = self._workers.get(self._entries[key][execution].instance)
        return worker if worker and worker.connected and not worker.draining else None

    def choose(self, group: Group, kind: HandlerKind, name: str) -> Worker | None:
        """Give the worker that has room and holds least, of those that have the handler."""
        fit = [each for each in self._workers.values() if each.free and each.can(group, kind, name)]
        return min(fit, key=lambda each: len(each.held), default=None)

    def has_room(self, group: Group) -> bool:
        """Say whether any worker of the type takes an execution now."""
        return any(
            worker.free and worker.namespace == group[0] and group[1] in worker.catalogues
            for worker in self._workers.values()
        )

    def dispatched(self, execution: Execution, worker: Worker) -> None:
        """Note that a worker is given an execution."""
        self._take_over(execution, worker)

    def released(self, execution: str) -> tuple[str, Group] | None:
        """Forget an execution. Give who holds it and where room came up, if it was known."""
        key = self._keys.pop(execution, None)
        if key is None:
            return None
        entry = self._entries[key].pop(execution)
        if not self._entries[key]:
            del self._entries[key]
        self._count(entry, -1)
        return entry.instance, (key.namespace, entry.held.execution.workflow_type)

    def _note_return(self) -> None:
        if self._awaited is not None and self.connected >= self._awaited:
            self.all_back = True

    def _presence(self, workers: list[Worker], workflow_type: str) -> Iterable[WorkerPresence]:
        now = self.now()
        for worker in workers:
            catalogue = worker.catalogues.get(workflow_type)
            if catalogue is not None:
                seen = now if worker.connected else worker.seen
                yield WorkerPresence(worker.name, catalogue, worker.connected, seen, worker.free)

    def _lose_unclaimed(self, hello: Hello, identity: str, claimed: set[str]) -> list[Key]:
        """Mark lost what earlier connections of this worker held and this one does not name."""
        this = (hello.namespace, hello.worker, identity)
        before = {
            worker.instance
            for worker in self._workers.values()
            if (worker.namespace, worker.name, worker.identity) == this
        }
        return self._lose(
            entry
            for entry in self._all()
            if entry.instance in before
            and entry.held.execution.id not in claimed
            and not entry.held.lost
        )

    def _lose(self, entries: Iterable[_Entry]) -> list[Key]:
        keys = []
        for entry in entries:
            self._count(entry, -1)
            entry.held = replace(entry.held, lost=True)
            keys.append(key_of(entry.held.execution))
        return keys

    def _take_over(self, execution: Execution, worker: Worker) -> Key:
        """Have an execution held by a worker that says it has it."""
        key = self._keys.get(execution.id) or key_of(execution)
        entries = self._entries.setdefault(key, {})
        entry = entries.get(execution.id)
        if entry is None:
            held = Held(execution, worker.name, self.now())
            entry = entries[execution.id] = _Entry(held, worker.instance, worker.identity)
            self._keys[execution.id] = key
        else:
            self._count(entry, -1)
            entry.held = replace(entry.held, lost=False, worker=worker.name)
            entry.instance = worker.instance
        self._count(entry, 1)
        return key

    def _count(self, entry: _Entry, change: int) -> None:
        """Count an execution that a worker has; one that is lost is had by nobody."""
        worker = self._workers.get(entry.instance)
        if worker is None or entry.held.lost:
            return
        key = key_of(entry.held.execution)
        worker.held[key] += change
        if worker.held[key] <= 0:
            del worker.held[key]

    def _all(self) -> Iterable[_Entry]:
        return [entry for entries in self._entries.values() for entry in entries.values()]

    def _prune(self) -> None:
        since = self.now() - REMEMBERED
        for instance, worker in list(self._workers.items()):
            if not worker.connected and worker.seen < since and not worker.held:
                del self._workers[instance]


def _types(workers: list[Worker], but: str) -> tuple[str, ...]:
    served = {name for worker in workers if worker.connected for name in worker.catalogues}
    return tuple(sorted(served - {but}))

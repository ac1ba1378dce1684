"""Roster: which workers there are, which have room, and which are reserved for one run.

1. Workers are found by namespace and type, never by a look at all of them.
2. A run that may have ended the process of a worker runs alone: a worker is reserved for it. That
   worker ends what it still holds, and gets nothing else. Other workers of the type go on: at most
   half of them are reserved, but always one.
3. A worker is reserved for at most one run, and a run reserves at most one worker.
4. A worker that left stays in view for an hour, so that its event names stay known (UnknownEvent).
5. A handler with a journal goes to a worker that records, if one has room: a worker of an older
   release would call the recorded tasks again.

Pure data: no I/O, no clock.
"""

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Iterator
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TypeVar

from grctl.models.phases import HandlerKind
from grctl.models.protocol import RECORDING_PROTOCOL_VERSION, SPOKEN
from grctl.models.wire import Catalogue, Hello
from grctl_operator.engine.observation import Key, WorkerPresence
from grctl_operator.views.team import Ending, Group, Team, WorkerProcess

LEFT_WORKER_IN_VIEW = timedelta(hours=1)
"""Until then its event names are written into all runs of its type in the background, which may be
90,000 runs (see `refresher`)."""

C = TypeVar("C", bound=Hashable)
Versions = Collection[Catalogue]
"""Versions of a workflow that refused what is to be executed."""
Name = tuple[str, str, str]
"""Namespace, name and identity of a worker. A process that replaces it has the same."""


class Roster:
    """All workers."""

    def __init__(self) -> None:
        self._workers: dict[str, WorkerProcess] = {}
        self._connected: set[str] = set()
        self._gone: dict[str, None] = {}
        """Instances that left, in the order in which they did."""
        self._named: dict[Name, dict[str, WorkerProcess]] = {}
        self._teams: dict[Group, dict[bytes, Team]] = {}
        self._types: dict[str, Counter[str]] = {}
        """How many connected workers serve each type, by namespace."""
        self._reserved: dict[Key, WorkerProcess] = {}
        self._reserved_count: Counter[Group] = Counter()

    def __iter__(self) -> Iterator[WorkerProcess]:
        """Go through all workers."""
        return iter(self._workers.values())

    def find(self, instance: str) -> WorkerProcess | None:
        """Return a worker."""
        return self._workers.get(instance)

    def get_processes(self, name: Name) -> tuple[WorkerProcess, ...]:
        """Return the processes of one worker, also earlier ones."""
        return tuple(self._named.get(name, {}).values())

    @property
    def connected(self) -> int:
        """Count the connected workers."""
        return len(self._connected)

    def count_alike(self, worker: WorkerProcess, workflow_type: str) -> int:
        """Count the connected workers that have the same catalogue of a type."""
        teams = self._teams[worker.namespace, workflow_type]
        return len(teams[worker.team_hashes[workflow_type]].connected)

    def join(self, hello: Hello, identity: str, now: datetime) -> WorkerProcess:
        """Add a worker, or renew one that connected before."""
        worker = self._workers.get(hello.instance)
        if worker is None:
            worker = self._workers[hello.instance] = _process_of(hello, identity, now)
            self._add_to_indexes(worker)
            return worker
        reserved_for = worker.reserved_for
        if reserved_for is not None:
            self.end_reservation(reserved_for)
        self._renew(worker, hello, now)
        self._add_to_indexes(worker)
        if reserved_for is not None:
            self._reserve(reserved_for, worker)
        return worker

    def leave(self, worker: WorkerProcess, ending: Ending, now: datetime) -> None:
        """Note that a worker's connection ended."""
        worker.connected, worker.ending, worker.seen = False, ending, now
        self.update(worker)

    def update(self, worker: WorkerProcess) -> None:
        """Note a change of a worker."""
        self._note_connection(worker)
        for workflow_type, catalogue_hash in worker.team_hashes.items():
            self._teams[worker.namespace, workflow_type][catalogue_hash].update(worker)

    def prune(self, now: datetime) -> None:
        """Forget workers that left long ago and hold nothing."""
        for instance in tuple(self._gone):
            worker = self._workers[instance]
            if worker.seen >= now - LEFT_WORKER_IN_VIEW:
                return
            if not worker.held:
                self._forget_worker(worker)

    # For the engine.

    def presences(
        self, group: Group, key: Key, holders: Iterable[str], now: datetime
    ) -> tuple[WorkerPresence, ...]:
        """Return what the engine is told of the workers of a group.

        One worker stands for all that are alike. Added are the processes of each worker that holds
        an execution of the run, and the worker that is reserved for it.
        """
        teams = self._teams.get(group, {}).values()
        shown = {each.instance: each for team in teams if (each := team.representative())}
        for holder in filter(None, map(self._workers.get, holders)):
            shown |= self._named[_name(holder)]
        reserved = self._reserved.get(key)
        if reserved is not None:
            shown[reserved.instance] = reserved
        return tuple(
            self._presence(each, group, key, now)
            for each in shown.values()
            if group[1] in each.catalogues and group[0] == each.namespace
        )

    def other_types(self, group: Group) -> tuple[str, ...]:
        """Return the other types that connected workers of the namespace serve."""
        types = self._types.get(group[0], ())
        return tuple(sorted(each for each in types if each != group[1]))

    # The worker for an execution.

    def choose(
        self,
        group: Group,
        kind: HandlerKind,
        name: str,
        excluded: Versions = (),
        *,
        has_journal: bool = False,
    ) -> WorkerProcess | None:
        """Return the least loaded worker with room, of those that have the handler: see 5."""
        teams = tuple(self._teams_with(group, kind, name, excluded))
        fit = [each for team in teams if (each := team.least_loaded)]
        if has_journal:
            connected = (each for team in teams for each in team.connected.values())
            fit = [each for each in connected if each.free and each.records] or fit
        return min(fit, key=lambda each: len(each.held), default=None)

    def has_room(self, group: Group) -> bool:
        """Return whether a worker of the type takes an execution now."""
        return any(team.least_loaded for team in self._teams.get(group, {}).values())

    def reserve(
        self,
        key: Key,
        group: Group,
        kind: HandlerKind,
        name: str,
        excluded: Versions = (),
        *,
        has_journal: bool = False,
    ) -> WorkerProcess | None:
        """Reserve the least loaded worker for a run. Return None if none can be reserved now."""
        own = self._reserved.get(key)
        if own is not None and self._can_take(own, group, kind, name, excluded):
            return own
        self.end_reservation(key)
        if not self._may_reserve(key, group):
            return None
        teams = self._teams_with(group, kind, name, excluded)
        able = (each for team in teams for each in team.reservable())
        worker = min(
            able, key=lambda each: (has_journal and not each.records, len(each.held)), default=None
        )
        if worker is not None:
            self._reserve(key, worker)
        return worker

    def reserve_clear(
        self,
        key: Key,
        group: Group,
        kind: HandlerKind,
        name: str,
        excluded: Versions = (),
        *,
        has_journal: bool = False,
    ) -> WorkerProcess | None:
        """Reserve a worker on which a run can begin alone at once. Return None if there is none."""
        reserved = self._reserved.get(key)
        if (
            reserved is not None
            and reserved.is_clear
            and self._can_take(reserved, group, kind, name, excluded)
        ):
            return reserved
        idle = self.choose(group, kind, name, excluded, has_journal=has_journal)
        if idle is None or idle.held or not self._may_reserve(key, group):
            return None
        self.end_reservation(key)
        self._reserve(key, idle)
        return idle

    def get_reserved(self, key: Key) -> WorkerProcess | None:
        """Return the worker that is reserved for a run."""
        return self._reserved.get(key)

    def end_reservation(self, key: Key) -> WorkerProcess | None:
        """End the reservation of a run. Return the worker that was reserved."""
        worker = self._reserved.pop(key, None)
        if worker is None:
            return None
        worker.reserved_for, worker.overdue = None, False
        _subtract(self._reserved_count, worker.groups)
        self.update(worker)
        return worker

    def adopt_reservation(self, key: Key, worker: WorkerProcess) -> None:
        """Reserve a worker for a run that another operator let it execute alone."""
        self.end_reservation(key)
        if worker.reserved_for is None:
            self._reserve(key, worker)

    def _reserve(self, key: Key, worker: WorkerProcess) -> None:
        self._reserved[key] = worker
        worker.reserved_for = key
        self._reserved_count.update(worker.groups)
        self.update(worker)

    def _may_reserve(self, key: Key, group: Group) -> bool:
        """Return whether one more worker of the type may be reserved: see 2."""
        types = self._types.get(group[0])
        connected = types[group[1]] if types else 0
        reserved = self._reserved_count[group] - (key in self._reserved)
        return reserved < max(1, connected // 2)

    def _teams_with(
        self, group: Group, kind: HandlerKind, name: str, excluded: Versions
    ) -> Iterator[Team]:
        """Yield the teams that have a handler, without those of some versions."""
        teams = self._teams.get(group, {}).values()
        return (each for each in teams if each.has(kind, name) and each.catalogue not in excluded)

    def _can_take(
        self, worker: WorkerProcess, group: Group, kind: HandlerKind, name: str, excluded: Versions
    ) -> bool:
        catalogue = worker.catalogues.get(group[1])
        if worker.namespace != group[0] or catalogue is None or catalogue in excluded:
            return False
        return catalogue.has(kind, name) and worker.serves

    def _presence(
        self, worker: WorkerProcess, group: Group, key: Key, now: datetime
    ) -> WorkerPresence:
        free = worker.free
        idle = free > 0 and not worker.held and self._may_reserve(key, group)
        return WorkerPresence(
            name=worker.name,
            catalogue=worker.catalogues[group[1]],
            connected=worker.connected,
            seen=now if worker.connected else worker.seen,
            free=free,
            clear=worker.is_clear if worker.reserved_for == key else idle,
            blocked=worker.blocked,
        )

    def _renew(self, worker: WorkerProcess, hello: Hello, now: datetime) -> None:
        """Note that a known process said Hello again."""
        worker.connected = False
        self._note_connection(worker)
        self._remove_from_indexes(worker)
        made = _process_of(hello, worker.identity, now)
        worker.name, worker.namespace = made.name, made.namespace
        worker.capacity, worker.seen = made.capacity, made.seen
        worker.catalogues, worker.team_hashes = made.catalogues, made.team_hashes
        worker.records = made.records
        worker.connected, worker.draining, worker.blocked = True, False, None

    def _add_to_indexes(self, worker: WorkerProcess) -> None:
        """Add a worker to the indexes."""
        self._named.setdefault(_name(worker), {})[worker.instance] = worker
        for workflow_type, catalogue_hash in worker.team_hashes.items():
            teams = self._teams.setdefault((worker.namespace, workflow_type), {})
            team = teams.setdefault(catalogue_hash, Team(worker.catalogues[workflow_type]))
            worker.catalogues[workflow_type] = team.catalogue  # one object for all that are alike
        self.update(worker)

    def _remove_from_indexes(self, worker: WorkerProcess) -> None:
        """Remove a worker from the indexes."""
        processes = self._named[_name(worker)]
        del processes[worker.instance]
        if not processes:
            del self._named[_name(worker)]
        for group, catalogue_hash in zip(worker.groups, worker.team_hashes.values(), strict=True):
            teams = self._teams[group]
            teams[catalogue_hash].drop(worker.instance)
            if not teams[catalogue_hash]:
                del teams[catalogue_hash]
            if not teams:
                del self._teams[group]

    def _note_connection(self, worker: WorkerProcess) -> None:
        """Note whether a worker is connected."""
        instance = worker.instance
        if worker.connected == (instance in self._connected):
            return
        types = self._types.setdefault(worker.namespace, Counter())
        if worker.connected:
            self._connected.add(instance)
            self._gone.pop(instance, None)
            types.update(list(worker.catalogues))
        else:
            self._connected.discard(instance)
            self._gone[instance] = None
            _subtract(types, worker.catalogues)

    def _forget_worker(self, worker: WorkerProcess) -> None:
        del self._workers[worker.instance], self._gone[worker.instance]
        self._remove_from_indexes(worker)


def _name(worker: WorkerProcess) -> Name:
    return worker.namespace, worker.name, worker.identity


def _process_of(hello: Hello, identity: str, now: datetime) -> WorkerProcess:
    return WorkerProcess(
        name=hello.worker,
        instance=hello.instance,
        namespace=hello.namespace,
        identity=identity,
        capacity=hello.capacity,
        catalogues={each.type: each for each in hello.catalogues},
        team_hashes={each.type: _hash_of(each) for each in hello.catalogues},
        seen=now,
        records=(SPOKEN.agree(hello.spoken) or 0) >= RECORDING_PROTOCOL_VERSION,
    )


def _hash_of(catalogue: Catalogue) -> bytes:
    """Return a hash that equal catalogues share."""
    return sha256(catalogue.model_dump_json().encode()).digest()


def _subtract(counts: Counter[C], keys: Iterable[C]) -> None:
    """Subtract one from the count of each key, and drop counts of zero."""
    for key in keys:
        counts[key] -= 1
        if counts[key] <= 0:
            del counts[key]

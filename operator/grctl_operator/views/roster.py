"""Roster: which workers there are, who has room, and who is kept for one run alone.

1. Workers are found by namespace and type, never by a look at all of them.
2. A run that may have ended the process of a worker runs alone: a worker is kept for it. What that
   one still holds comes to its end, and it is given nothing else. Others of the type go on: at most
   half of them are kept, one if there are no two.
3. A worker is kept for one run only, and a run keeps one worker.
4. A worker that left stays in view for a while: what it could do is known (UnknownEvent).

Pure data: no I/O, and the clock is given.
"""

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Iterator
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TypeVar

from grctl.models.phases import HandlerKind
from grctl.models.wire import Catalogue, Hello
from grctl_operator.engine.observation import Key, WorkerPresence
from grctl_operator.views.team import Ending, Group, Team, Worker

REMEMBERED = timedelta(hours=1)
"""How long a worker that left stays in view: until its event names are written into all runs of its
type in the background, 90,000 of them (see `refresher`)."""

C = TypeVar("C", bound=Hashable)
Versions = Collection[Catalogue]
"""Versions of a workflow that refused what is to be executed."""
Name = tuple[str, str, str]
"""Namespace, name and identity of a worker: those of the process that follows it too."""


class Roster:
    """All workers."""

    def __init__(self) -> None:
        self._workers: dict[str, Worker] = {}
        self._connected: set[str] = set()
        self._gone: dict[str, None] = {}
        """Instances that left, in order."""
        self._named: dict[Name, dict[str, Worker]] = {}
        self._teams: dict[Group, dict[bytes, Team]] = {}
        self._types: dict[str, Counter[str]] = {}
        """How many connected workers serve each type, by namespace."""
        self._kept: dict[Key, Worker] = {}
        self._kept_of: Counter[Group] = Counter()

    def __iter__(self) -> Iterator[Worker]:
        """Go through all workers."""
        return iter(self._workers.values())

    def find(self, instance: str) -> Worker | None:
        """Return a worker."""
        return self._workers.get(instance)

    def named(self, name: Name) -> tuple[Worker, ...]:
        """Return the processes of one worker, earlier ones too."""
        return tuple(self._named.get(name, {}).values())

    @property
    def connected(self) -> int:
        """Count the connected workers."""
        return len(self._connected)

    def alike(self, worker: Worker, workflow_type: str) -> int:
        """Count the connected workers that have the same catalogue of a type."""
        teams = self._teams[worker.namespace, workflow_type]
        return len(teams[worker.teams[workflow_type]].connected)

    def join(self, hello: Hello, identity: str, now: datetime) -> Worker:
        """Take a worker in, for the first time or again."""
        worker = self._workers.get(hello.instance)
        if worker is None:
            worker = self._workers[hello.instance] = _made(hello, identity, now)
            self._enter(worker)
            return worker
        kept_for = worker.kept_for
        if kept_for is not None:
            self.unkeep(kept_for)
        self._renew(worker, hello, now)
        self._enter(worker)
        if kept_for is not None:
            self._keep(kept_for, worker)
        return worker

    def leave(self, worker: Worker, ending: Ending, now: datetime) -> None:
        """Note that a worker's connection ended."""
        worker.connected, worker.ending, worker.seen = False, ending, now
        self.update(worker)

    def update(self, worker: Worker) -> None:
        """Note what has become of a worker."""
        self._count(worker)
        for workflow_type, mark in worker.teams.items():
            self._teams[worker.namespace, workflow_type][mark].update(worker)

    def prune(self, now: datetime) -> None:
        """Forget workers that left long ago and hold nothing."""
        for instance in tuple(self._gone):
            worker = self._workers[instance]
            if worker.seen >= now - REMEMBERED:
                return
            if not worker.held:
                self._forget(worker)

    # What the engine sees.

    def presences(
        self, group: Group, key: Key, holders: Iterable[str], now: datetime
    ) -> tuple[WorkerPresence, ...]:
        """Return what the engine is told of the workers of a group.

        One stands for all that are alike. Beside them the processes of those workers that hold
        something of the run, and the worker that is kept for it.
        """
        teams = self._teams.get(group, {}).values()
        shown = {each.instance: each for team in teams if (each := team.face())}
        for holder in filter(None, map(self._workers.get, holders)):
            shown |= self._named[_name(holder)]
        kept = self._kept.get(key)
        if kept is not None:
            shown[kept.instance] = kept
        serving = (each for each in shown.values() if group in each.groups)
        return tuple(self._presence(each, group, key, now) for each in serving)

    def other_types(self, group: Group) -> tuple[str, ...]:
        """Return what else connected workers of the namespace serve."""
        return tuple(sorted(set(self._types.get(group[0], ())) - {group[1]}))

    # Whom to give something.

    def choose(
        self, group: Group, kind: HandlerKind, name: str, but: Versions = ()
    ) -> Worker | None:
        """Return the worker that has room and holds least, of those that have the handler."""
        teams = self._able(group, kind, name, but)
        fit = [each for team in teams if (each := team.least_loaded)]
        return min(fit, key=lambda each: len(each.held), default=None)

    def has_room(self, group: Group) -> bool:
        """Return whether any worker of the type takes an execution now."""
        return any(team.least_loaded for team in self._teams.get(group, {}).values())

    def keep(
        self, key: Key, group: Group, kind: HandlerKind, name: str, but: Versions = ()
    ) -> Worker | None:
        """Keep a worker for a run: the one that holds least. Return it; None: not at present."""
        kept = self._kept.get(key)
        if kept is not None and self._can(kept, group, kind, name, but):
            return kept
        self.unkeep(key)
        if not self._may_keep(key, group):
            return None
        teams = self._able(group, kind, name, but)
        able = (each for team in teams for each in team.keepable())
        worker = min(able, key=lambda each: len(each.held), default=None)
        if worker is not None:
            self._keep(key, worker)
        return worker

    def clear_for(
        self, key: Key, group: Group, kind: HandlerKind, name: str, but: Versions = ()
    ) -> Worker | None:
        """Return a worker on which a run may begin alone, kept for it from now on."""
        kept = self._kept.get(key)
        if kept is not None and kept.is_clear and self._can(kept, group, kind, name, but):
            return kept
        idle = self.choose(group, kind, name, but)
        if idle is None or idle.held or not self._may_keep(key, group):
            return None
        self.unkeep(key)
        self._keep(key, idle)
        return idle

    def kept_for(self, key: Key) -> Worker | None:
        """Return the worker that is kept for a run."""
        return self._kept.get(key)

    def unkeep(self, key: Key) -> Worker | None:
        """Keep no worker for a run any more. Return the one that was."""
        worker = self._kept.pop(key, None)
        if worker is None:
            return None
        worker.kept_for, worker.overdue = None, False
        _subtract(self._kept_of, worker.groups)
        self.update(worker)
        return worker

    def keep_for(self, key: Key, worker: Worker) -> None:
        """Keep a worker that executes a run alone already, as it was told by another operator."""
        self.unkeep(key)
        if worker.kept_for is None:
            self._keep(key, worker)

    def _keep(self, key: Key, worker: Worker) -> None:
        self._kept[key] = worker
        worker.kept_for = key
        self._kept_of.update(worker.groups)
        self.update(worker)

    def _may_keep(self, key: Key, group: Group) -> bool:
        """Return whether so few workers of the type are kept that one more may be (rule 2)."""
        types = self._types.get(group[0])
        connected = types[group[1]] if types else 0
        kept = self._kept_of[group] - (key in self._kept)
        return kept < max(1, connected // 2)

    def _able(self, group: Group, kind: HandlerKind, name: str, but: Versions) -> Iterator[Team]:
        """Go through the workers that have a handler, without those of some versions."""
        teams = self._teams.get(group, {}).values()
        return (each for each in teams if each.has(kind, name) and each.catalogue not in but)

    def _can(
        self, worker: Worker, group: Group, kind: HandlerKind, name: str, but: Versions
    ) -> bool:
        catalogue = worker.catalogues.get(group[1])
        if worker.namespace != group[0] or catalogue is None or catalogue in but:
            return False
        return catalogue.has(kind, name) and worker.serves

    def _presence(self, worker: Worker, group: Group, key: Key, now: datetime) -> WorkerPresence:
        idle = worker.free > 0 and not worker.held and self._may_keep(key, group)
        return WorkerPresence(
            name=worker.name,
            catalogue=worker.catalogues[group[1]],
            connected=worker.connected,
            seen=now if worker.connected else worker.seen,
            free=worker.free,
            clear=worker.is_clear if worker.kept_for == key else idle,
            blocked=worker.blocked,
        )

    def _renew(self, worker: Worker, hello: Hello, now: datetime) -> None:
        """Note that a process that is known said Hello again."""
        worker.connected = False
        self._count(worker)
        self._remove(worker)
        made = _made(hello, worker.identity, now)
        worker.name, worker.namespace = made.name, made.namespace
        worker.capacity, worker.seen = made.capacity, made.seen
        worker.catalogues, worker.teams = made.catalogues, made.teams
        worker.connected, worker.draining, worker.blocked = True, False, None

    def _enter(self, worker: Worker) -> None:
        """Put a worker where it is found."""
        self._named.setdefault(_name(worker), {})[worker.instance] = worker
        for workflow_type, mark in worker.teams.items():
            teams = self._teams.setdefault((worker.namespace, workflow_type), {})
            team = teams.setdefault(mark, Team(worker.catalogues[workflow_type]))
            worker.catalogues[workflow_type] = team.catalogue  # one object for all that are alike
        self.update(worker)

    def _remove(self, worker: Worker) -> None:
        """Take a worker out of where it is found."""
        processes = self._named[_name(worker)]
        del processes[worker.instance]
        if not processes:
            del self._named[_name(worker)]
        for group, mark in zip(worker.groups, worker.teams.values(), strict=True):
            teams = self._teams[group]
            teams[mark].drop(worker.instance)
            if not teams[mark]:
                del teams[mark]
            if not teams:
                del self._teams[group]

    def _count(self, worker: Worker) -> None:
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

    def _forget(self, worker: Worker) -> None:
        del self._workers[worker.instance], self._gone[worker.instance]
        self._remove(worker)


def _name(worker: Worker) -> Name:
    return worker.namespace, worker.name, worker.identity


def _made(hello: Hello, identity: str, now: datetime) -> Worker:
    return Worker(
        name=hello.worker,
        instance=hello.instance,
        namespace=hello.namespace,
        identity=identity,
        capacity=hello.capacity,
        catalogues={each.type: each for each in hello.catalogues},
        teams={each.type: _mark(each) for each in hello.catalogues},
        seen=now,
    )


def _mark(catalogue: Catalogue) -> bytes:
    """Return what is the same for catalogues that are alike."""
    return sha256(catalogue.model_dump_json().encode()).digest()


def _subtract(counts: Counter[C], keys: Iterable[C]) -> None:
    """Count each key down by one, and forget those at zero."""
    for key in keys:
        counts[key] -= 1
        if counts[key] <= 0:
            del counts[key]

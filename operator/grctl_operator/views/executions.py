"""ExecutionRegistry: which worker holds which execution. Which workers there are, its Roster knows.

1. It is a cache: workers say what they hold each time they connect, and that is taken over.
2. An outcome stays until the engine releases it. Twice the same outcome is one.
3. A worker that left keeps what it holds until it is given up; then its executions are lost. One
   that comes back in time, or before the engine has dealt with the loss, has them again.
4. Another process of the same worker name, or a worker that comes back without an execution,
   proves that the execution is lost: no grace is waited for.
5. An execution belongs to the ServiceAccount that it was given to, or that first said it has it.
   Nobody else's claim or outcome counts, nor one of another namespace or type than it serves.
6. An execution is lost by a crash of its own only if its process ended unasked and nothing else was
   there all the while: no execution of another run, not even one that had come back.
7. Moments are of the API server's clock, as the engine compares them. When that clock jumps, they
   are moved as far, so that the time that has passed since stays the same.

Pure data: no I/O, and the clocks are given.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from grctl.models.wire import Execution, Hello, Outcome
from grctl_operator.engine.observation import Blockage, Executions, Held, Key
from grctl_operator.views.roster import Roster
from grctl_operator.views.team import Ending, Group, Worker

MOST_CLAIMED = 5_000
"""Executions that a worker may have by its own word: more than a Hello can name."""


def key_of(execution: Execution) -> Key:
    """Say which workflow id an execution is for."""
    return Key(execution.namespace, execution.workflow_id)


@dataclass(slots=True)
class _Entry:
    held: Held
    instance: str
    owner: str
    """The identity that it was given to."""
    given_at_s: float
    """When it was given to the worker, or first heard of, by the monotonic clock."""
    claimed_by: str | None = None
    """The instance that said it has it, where nobody here gave it to it."""
    ahead: bool = False
    """It was handed over behind another one, which its worker held."""
    since: int = 0
    """When its worker got it, as the registry numbers moments; 0: it has not."""
    refused_behind: bool = False
    """Its worker declined what was handed over behind it: nothing more is."""


class ExecutionRegistry:
    """All executions and all workers."""

    def __init__(self, now: Callable[[], datetime], monotonic: Callable[[], float]) -> None:
        self.accepting_since = now()
        self.now = now
        self._monotonic = monotonic
        self.roster = Roster()
        self.on_clear: Callable[[Key], None] = lambda _key: None
        """Is told which run to look at as the worker that is kept for it changed."""
        self.all_back = False
        """Whether as many workers came as the leader before us had. Once so, it stays so."""
        self._awaited: int | None = None
        self._entries: dict[Key, dict[str, _Entry]] = {}
        self._keys: dict[str, Key] = {}
        """Where each execution's entry is."""
        self._of_worker: dict[str, dict[str, _Entry]] = {}
        """The same entries by the instance that holds them, or held them last."""
        self._in_flight = 0
        self._moment = 0

    def __len__(self) -> int:
        """Count the executions."""
        return len(self._keys)

    @property
    def connected(self) -> int:
        """Count the connected workers."""
        return self.roster.connected

    @property
    def present(self) -> int:
        """Count the workers that are connected, or away with something that they hold."""
        return sum(worker.connected or bool(worker.held) for worker in self.roster)

    @property
    def in_flight(self) -> int:
        """Count the executions that a worker has."""
        return self._in_flight

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

    def get_view(self, key: Key, workflow_type: str) -> Executions:
        """Give what the engine is told of one workflow id."""
        group, entries = (key.namespace, workflow_type), self._entries.get(key, {}).values()
        holders = [entry.instance for entry in entries]
        return Executions(
            held=tuple(entry.held for entry in entries),
            workers=self.roster.presences(group, key, holders, self.now()),
            other_types=self.roster.other_types(group),
            accepting_since=self.accepting_since,
            all_back=self.all_back,
        )

    def accept_workers(self, awaited: int | None) -> None:
        """Begin to take workers in; the leader before us had so many. None: nobody knows."""
        self.accepting_since = self.now()
        self._awaited = awaited
        self._note_return()

    def is_identity_of(self, hello: Hello, identity: str) -> bool:
        """Say whether no process of another identity has the instance that a worker names."""
        known = self.roster.find(hello.instance)
        return known is None or known.identity == identity

    def may_hold(self, execution: Execution, instance: str) -> bool:
        """Say whether a worker may have an execution."""
        worker = self.roster.find(instance)
        if worker is None or execution.namespace != worker.namespace:
            return False
        key = self._keys.get(execution.id)
        known = self._entries[key][execution.id] if key else None
        if known is not None:
            return known.owner == worker.identity
        return execution.workflow_type in worker.catalogues and worker.claimed < MOST_CLAIMED

    def on_hello(self, hello: Hello, identity: str) -> tuple[Key, ...]:
        """Take a worker that says Hello. Give the keys whose executions changed by it."""
        now = self.now()
        self.roster.prune(now)
        claimed = {execution.id for execution in hello.held}
        changed = self._lose_unclaimed(hello, identity, claimed)
        worker = self.roster.join(hello, identity, now)
        changed += [
            self._take_over(execution, worker)
            for execution in hello.held
            if self.may_hold(execution, hello.instance)
        ]
        self._keep_alone(worker)
        self._note_return()
        return tuple(dict.fromkeys(changed))

    def on_drain(self, instance: str) -> None:
        """Note that a worker takes nothing new."""
        worker = self.roster.find(instance)
        if worker:
            worker.draining = True
            self._withdraw(worker)

    def on_disconnect(self, instance: str, ending: Ending = Ending.CUT_OFF) -> bool:
        """Note that a worker's connection ended. Return whether it still holds anything."""
        worker = self.roster.find(instance)
        if worker is None:
            return False
        self.roster.leave(worker, ending, self.now())
        self._withdraw(worker)
        return bool(worker.held)

    def on_blockage(self, instance: str, blockage: Blockage | None) -> tuple[Key, ...]:
        """Note what blocks the event loop of a worker; None: nothing more. Return its runs."""
        worker = self._known(instance)
        worker.blocked = blockage
        self.roster.update(worker)
        return tuple(worker.held)

    def give_up(self, instance: str) -> tuple[Key, ...]:
        """Mark lost what a worker holds that did not come back. Return the keys.

        A process that was silent may be alive: that is not a crash. One whose socket closed without
        a word would be back by now.
        """
        worker = self.roster.find(instance)
        if worker is None or worker.connected:
            return ()
        entries = self._held_by(instance)
        keys = self._lose(entries, crashed=worker.ending is Ending.CUT_OFF)
        return tuple(dict.fromkeys(keys))

    def on_outcome(self, instance: str, outcome: Outcome) -> Key:
        """Take an outcome, also of an execution that is not known. Give the key."""
        worker = self._known(instance)
        key = self._take_over(outcome.execution, worker)
        entry = self._entries[key][outcome.execution.id]
        worker.declined = 0
        if entry.held.outcome is None:
            took = timedelta(seconds=self._monotonic() - entry.given_at_s)
            as_given = outcome.model_copy(update={"execution": entry.held.execution})
            entry.held = replace(entry.held, outcome=as_given, took=took)
        return key

    def get_runs_held_by(self, instance: str) -> tuple[Key, ...]:
        """Return the runs of which a worker has an execution."""
        worker = self.roster.find(instance)
        return tuple(worker.held) if worker else ()

    def on_decline(self, instance: str, execution: str) -> Key | None:
        """Forget an execution that this worker has not begun and will not. Return its key."""
        key = self._keys.get(execution)
        if key is None or self._entries[key][execution].instance != instance:
            return None
        entry = self._entries[key][execution]
        base = self._entries[key].get(entry.held.execution.base or "")
        worker = self._known(instance)
        if entry.ahead and base is not None:
            base.refused_behind = True
        worker.declined += not entry.ahead and not worker.draining
        self.forget_execution(execution)
        return key

    def set_resting(self, instance: str, *, resting: bool) -> tuple[Group, ...]:
        """Rest a worker, or end its rest. Return what it serves."""
        worker = self.roster.find(instance)
        if worker is None:
            return ()
        worker.resting = resting
        self.roster.update(worker)
        if resting:
            self._withdraw(worker)
        return worker.groups

    def find_holder(self, execution: str | None) -> Worker | None:
        """Return the worker that has an execution, if it takes more behind it."""
        key = self._keys.get(execution or "")
        if key is None or execution is None:
            return None
        entry = self._entries[key][execution]
        worker = self.roster.find(entry.instance)
        takes = worker is not None and worker.connected and not worker.draining
        return worker if takes and not entry.refused_behind else None

    def on_dispatch(self, execution: Execution, worker: Worker, *, ahead: bool = False) -> None:
        """Note that a worker is given an execution, perhaps behind another one that it holds."""
        key = self._take_over(execution, worker)
        entry = self._entries[key][execution.id]
        entry.ahead = ahead
        self._unclaim(entry)

    def forget_execution(self, execution: str) -> tuple[str, tuple[Group, ...]] | None:
        """Forget an execution. Return who holds it and where room came up, if it was known."""
        key = self._keys.pop(execution, None)
        if key is None:
            return None
        entry = self._entries[key].pop(execution)
        if not self._entries[key]:
            del self._entries[key]
        self._drop(entry)
        self._unclaim(entry)
        self._end_keeping(entry)
        self._count(entry, -1)
        worker = self.roster.find(entry.instance)
        return entry.instance, worker.groups if worker else ()

    # Workers that are kept for one run.

    def unkeep(self, key: Key) -> tuple[Group, ...]:
        """Keep no worker for a run that is not executed there. Return where room came up."""
        worker = self.roster.kept_for(key)
        if worker is None or worker.held[key]:
            return ()
        self.roster.unkeep(key)
        return worker.groups

    def lose_patience(self, key: Key) -> None:
        """Begin a run on the worker that is kept for it, beside what does not end there."""
        worker = self.roster.kept_for(key)
        if worker is not None and not worker.overdue:
            worker.overdue = True
            self.on_clear(key)

    def _keep_alone(self, worker: Worker) -> None:
        """Keep a worker for the run that it executes alone, if that is a further attempt."""
        held = [entry.held for entry in self._held_by(worker.instance)]
        if len(worker.held) == 1 and any(each.execution.attempt > 1 for each in held):
            self.roster.keep_for(next(iter(worker.held)), worker)

    def _withdraw(self, worker: Worker) -> None:
        """Keep a worker no longer that takes nothing, unless what it is kept for is there."""
        self.roster.update(worker)
        key = worker.kept_for
        if key is not None and not worker.held[key]:
            self.roster.unkeep(key)
            self.on_clear(key)

    def _end_keeping(self, entry: _Entry) -> None:
        """Keep a worker no longer for a run whose further attempt is over."""
        key = key_of(entry.held.execution)
        worker = self.roster.kept_for(key)
        if worker and worker.instance == entry.instance and entry.held.execution.attempt > 1:
            self.roster.unkeep(key)

    def on_jump(self, by: timedelta) -> None:
        """Move all moments, as the API server's clock has jumped."""
        self.accepting_since += by
        for worker in self.roster:
            worker.seen += by
        for entries in self._entries.values():
            for entry in entries.values():
                entry.held = replace(entry.held, since=entry.held.since + by)

    def _note_return(self) -> None:
        if self._awaited is not None and self.connected >= self._awaited:
            self.all_back = True

    def _lose_unclaimed(self, hello: Hello, identity: str, claimed: set[str]) -> list[Key]:
        """Mark lost what earlier connections of this worker held and this one does not name."""
        name = (hello.namespace, hello.worker, identity)
        lost = []
        for before in self.roster.named(name):
            replaced = before.instance != hello.instance
            ended = before.ending is not Ending.AGREED and not before.connected
            unclaimed = [
                entry
                for entry in self._held_by(before.instance)
                if entry.held.execution.id not in claimed
            ]
            lost += self._lose(unclaimed, crashed=replaced and ended)
        return lost

    def _held_by(self, instance: str) -> list[_Entry]:
        """Return what a worker has, but for what is lost."""
        entries = self._of_worker.get(instance, {}).values()
        return [entry for entry in entries if not entry.held.lost]

    def _lose(self, entries: Iterable[_Entry], *, crashed: bool) -> list[Key]:
        """Mark executions lost. `crashed`: the process ended, and nobody had asked it to."""
        keys = []
        for entry in entries:
            crash = crashed and self._was_alone(entry)
            self._end_keeping(entry)
            self._count(entry, -1)
            entry.held = replace(entry.held, lost=True, crashed=crash)
            keys.append(key_of(entry.held.execution))
        return keys

    def _was_alone(self, entry: _Entry) -> bool:
        worker = self.roster.find(entry.instance)
        return worker is not None and not worker.draining and worker.shared_at < entry.since

    def _take_over(self, execution: Execution, worker: Worker) -> Key:
        """Have an execution held by a worker that says it has it."""
        key = self._keys.get(execution.id) or key_of(execution)
        entries = self._entries.setdefault(key, {})
        entry = entries.get(execution.id)
        if entry is None:
            catalogue = worker.catalogues.get(execution.workflow_type)
            held = Held(execution, worker.name, self.now(), catalogue=catalogue)
            given = self._monotonic()
            entry = entries[execution.id] = _Entry(held, worker.instance, worker.identity, given)
            self._keys[execution.id] = key
            entry.claimed_by = worker.instance
            worker.claimed += 1
        else:
            self._drop(entry)
            self._count(entry, -1)
            entry.held = replace(entry.held, lost=False, crashed=False, worker=worker.name)
            entry.since = entry.since if entry.instance == worker.instance else 0
            entry.instance = worker.instance
        self._of_worker.setdefault(worker.instance, {})[execution.id] = entry
        self._count(entry, 1)
        return key

    def _unclaim(self, entry: _Entry) -> None:
        """Count an execution no longer as one that its worker only says it has."""
        worker = self.roster.find(entry.claimed_by) if entry.claimed_by else None
        if worker is not None:
            worker.claimed -= 1
        entry.claimed_by = None

    def _drop(self, entry: _Entry) -> None:
        of_worker = self._of_worker[entry.instance]
        del of_worker[entry.held.execution.id]
        if not of_worker:
            del self._of_worker[entry.instance]

    def _count(self, entry: _Entry, change: int) -> None:
        """Count an execution that a worker has; one that is lost is had by nobody."""
        worker = self.roster.find(entry.instance)
        if worker is None or entry.held.lost:
            return
        key = key_of(entry.held.execution)
        self._in_flight += change
        worker.held[key] += change
        if worker.held[key] <= 0:
            del worker.held[key]
        if change > 0:
            self._note_company(entry, worker)
        self.roster.update(worker)
        if worker.is_clear and worker.kept_for and not worker.held[worker.kept_for]:
            self.on_clear(worker.kept_for)

    def _note_company(self, entry: _Entry, worker: Worker) -> None:
        """Note since when an execution is there, and whether anything else is."""
        self._moment += 1
        entry.since = entry.since or self._moment
        if len(worker.held) > 1:
            worker.shared_at = self._moment

    def _known(self, instance: str) -> Worker:
        worker = self.roster.find(instance)
        if worker is None:
            raise KeyError(instance)
        return worker

"""ExecutionRegistry: which worker has which execution. The workers themselves are in its Roster.

1. It is a cache: workers report what they hold each time they connect, and that is taken over.
2. An outcome stays until the engine releases its execution. The same outcome twice is one.
3. A worker that left keeps what it holds until it is given up; then its executions are lost. A
   worker that comes back in time, or before the engine has dealt with the loss, has them again.
4. If another process of the same worker name connects, or a worker comes back without an execution,
   that execution is lost at once: nobody waits for the grace period.
5. An execution belongs to the ServiceAccount that it was given to, or that first reported it. The
   claim or outcome of another account does not count, nor one for another namespace or type than
   the worker serves.
6. An execution is lost by a crash of its own only if its process ended unasked and had nothing else
   all the while: no execution of another run, not even one that had come back.
7. Records of an operation are kept beside their execution (see `records`).
8. Moments are of the API server's clock, as the engine compares them. When that clock jumps, they
   are moved as far, so that the time that has passed since stays the same.

Pure data: no I/O, and the clocks are passed in.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from grctl.models.wire import Execution, Hello, Outcome, RecordOperations
from grctl_operator.engine.observation import Blockage, Executions, Held, Key
from grctl_operator.views.execution_index import ExecutionIndex, KnownExecution
from grctl_operator.views.records import add_records, drop_durable, set_awaited
from grctl_operator.views.roster import Roster
from grctl_operator.views.team import Ending, Group, WorkerProcess

MAX_CLAIMED_EXECUTIONS = 5_000
"""How many executions a worker may report that no one here gave to it: a Hello can name fewer."""


def key_of(execution: Execution) -> Key:
    """Return the workflow id that an execution is for."""
    return Key(execution.namespace, execution.workflow_id)


class ExecutionRegistry:
    """All executions and all workers.

    Args:
        now: The API server's time.
        monotonic: Seconds of a clock that never jumps.
        on_clear: Gets the run to look at when the worker that is reserved for it may begin it, or
            is lost to it.
    """

    def __init__(
        self,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
        on_clear: Callable[[Key], None],
    ) -> None:
        self.accepting_since = now()
        self.now = now
        self.roster = Roster()
        self.all_back = False
        """Whether as many workers came as the leader before had. It never becomes false again."""
        self._monotonic = monotonic
        self._on_clear = on_clear
        self._awaited: int | None = None
        self._held = ExecutionIndex()
        self._in_flight = 0
        self._arrivals = 0
        """How often an execution arrived at a worker: it numbers the arrivals."""

    def __len__(self) -> int:
        """Count the executions."""
        return len(self._held)

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
        """Return a known execution."""
        entry = self._held.find(execution)
        return entry.execution if entry else None

    def find_entry(self, execution: str | None) -> KnownExecution | None:
        """Return what is noted of an execution. Only the registry changes it."""
        return self._held.find(execution)

    def on_commit(self, entry: KnownExecution) -> bool:
        """Note that an execution is committed. Return whether one built on it waits for that."""
        waiting = [
            each
            for each in self._held.of_run(entry.key)
            if each.held.awaits_records and each.execution.base == entry.execution.id
        ]
        for each in waiting:
            set_awaited(each, each.awaited or None)
        return bool(waiting)

    def chain(self, last: str | None, base: str | None) -> tuple[Execution, ...]:
        """Return the executions behind `base` up to `last`, in order, as far as they are known."""
        return self._held.chain(last, base)

    def get_view(self, key: Key, workflow_type: str) -> Executions:
        """Return what the engine is told of one workflow id."""
        group, entries = (key.namespace, workflow_type), self._held.of_run(key)
        holders = [entry.instance for entry in entries]
        return Executions(
            held=tuple(entry.held for entry in entries),
            workers=self.roster.presences(group, key, holders, self.now()),
            other_types=self.roster.other_types(group),
            accepting_since=self.accepting_since,
            all_back=self.all_back,
        )

    def accept_workers(self, awaited: int | None) -> None:
        """Begin to accept workers. The leader before had `awaited` of them; None: not known."""
        self.accepting_since = self.now()
        self._awaited = awaited
        self._note_return()

    def is_identity_of(self, hello: Hello, identity: str) -> bool:
        """Return whether the instance that a worker names has this identity, or is new."""
        known = self.roster.find(hello.instance)
        return known is None or known.identity == identity

    def may_hold(self, execution: Execution, instance: str) -> bool:
        """Return whether a worker may have an execution: see 5."""
        worker = self.roster.find(instance)
        if worker is None or execution.namespace != worker.namespace:
            return False
        known = self._held.find(execution.id)
        if known is not None:
            return known.owner == worker.identity
        serves = execution.workflow_type in worker.catalogues
        return serves and worker.claimed < MAX_CLAIMED_EXECUTIONS

    def on_jump(self, by: timedelta) -> None:
        """Move all moments, as the API server's clock has jumped."""
        self.accepting_since += by
        for worker in self.roster:
            worker.seen += by
        for entry in self._held.all():
            entry.held = entry.held.moved(by)

    # What workers and their connections tell.

    def on_hello(self, hello: Hello, identity: str) -> tuple[Key, ...]:
        """Note a worker's Hello. Return the runs whose executions changed by it."""
        now = self.now()
        self.roster.prune(now)
        claimed = {execution.id for execution in hello.held}
        changed = self._lose_unclaimed(hello, identity, claimed)
        worker = self.roster.join(hello, identity, now)
        changed += [
            self._take_over(execution, worker).key
            for execution in hello.held
            if self.may_hold(execution, hello.instance)
        ]
        self._reserve_for_sole_run(worker)
        self._note_return()
        return tuple(dict.fromkeys(changed))

    def on_drain(self, instance: str) -> None:
        """Note that a worker takes nothing new."""
        worker = self.roster.find(instance)
        if worker:
            worker.draining = True
            self._end_unused_reservation(worker)

    def on_disconnect(self, instance: str, ending: Ending = Ending.CUT_OFF) -> bool:
        """Note that a worker's connection ended. Return whether it still holds anything."""
        worker = self.roster.find(instance)
        if worker is None:
            return False
        self.roster.leave(worker, ending, self.now())
        self._end_unused_reservation(worker)
        return bool(worker.held)

    def on_blockage(self, instance: str, blockage: Blockage | None) -> tuple[Key, ...]:
        """Note what blocks a worker's event loop; None: nothing any more. Return its runs."""
        worker = self._get_worker(instance)
        worker.blocked = blockage
        self.roster.update(worker)
        return tuple(worker.held)

    def on_outcome(self, instance: str, outcome: Outcome) -> Key:
        """Note an outcome, even if its execution is not known. Return the run."""
        worker = self._get_worker(instance)
        entry = self._take_over(outcome.execution, worker)
        worker.declined = 0
        if entry.held.outcome is None:
            took = timedelta(seconds=self._monotonic() - entry.given_at_s)
            as_given = outcome.model_copy(update={"execution": entry.execution})
            entry.held = replace(entry.held, outcome=as_given, took=took)
        set_awaited(entry, None)
        return entry.key

    def on_records(self, instance: str, message: RecordOperations) -> Key:
        """Note what a handler recorded, even if its execution is not known. Return the run.

        Raises:
            TooMuchRecordedError: it is more than is kept for one execution.
        """
        entry = self._take_over(message.execution, self._get_worker(instance))
        add_records(entry, message, self.now())
        return entry.key

    def on_durable(self, execution: str, keys: Iterable[str]) -> None:
        """Drop records of an execution that are durable now, as its worker is told."""
        entry = self._held.find(execution)
        if entry is not None:
            drop_durable(entry, frozenset(keys))

    def on_decline(self, instance: str, execution: str) -> Key | None:
        """Forget an execution that this worker has not begun and will not. Return its run."""
        entry = self._held.find(execution)
        if entry is None or entry.instance != instance:
            return None
        base = self._held.find(entry.execution.base)
        worker = self._get_worker(instance)
        if entry.ahead and base is not None and base.key == entry.key:
            base.refused_behind = True
        worker.declined += not entry.ahead and not worker.draining
        self.forget_execution(execution)
        return entry.key

    # What the dispatcher does.

    def find_holder(self, execution: str | None) -> WorkerProcess | None:
        """Return the worker that has an execution, if it takes another one behind it."""
        entry = self._held.find(execution)
        worker = self.roster.find(entry.instance) if entry else None
        takes = worker is not None and worker.connected and not worker.draining
        return worker if takes and entry and not entry.refused_behind else None

    def get_runs_held_by(self, instance: str) -> tuple[Key, ...]:
        """Return the runs of which a worker has an execution."""
        worker = self.roster.find(instance)
        return tuple(worker.held) if worker else ()

    def on_dispatch(
        self, execution: Execution, worker: WorkerProcess, *, ahead: bool = False
    ) -> None:
        """Note that a worker is given an execution, perhaps behind another one that it holds."""
        entry = self._take_over(execution, worker, given_here=True)
        entry.ahead = ahead
        self._unclaim(entry)

    def forget_execution(self, execution: str) -> tuple[str, tuple[Group, ...]] | None:
        """Forget an execution. Return its worker and where there is room now, if it was known."""
        entry = self._held.remove(execution)
        if entry is None:
            return None
        self._unclaim(entry)
        self._end_reservation_of(entry)
        self._count(entry, -1)
        worker = self.roster.find(entry.instance)
        return entry.instance, worker.groups if worker else ()

    def give_up(self, instance: str) -> tuple[Key, ...]:
        """Mark lost what a worker holds that did not come back. Return the runs.

        A process that was silent may be alive: that is not a crash. A process whose socket closed
        unannounced would have come back by now if it were alive.
        """
        worker = self.roster.find(instance)
        if worker is None or worker.connected:
            return ()
        entries = self._held_by(instance)
        keys = self._lose(entries, crashed=worker.ending is Ending.CUT_OFF)
        return tuple(dict.fromkeys(keys))

    def set_resting(self, instance: str, *, resting: bool) -> tuple[Group, ...]:
        """Begin or end the rest of a worker. Return what it serves."""
        worker = self.roster.find(instance)
        if worker is None:
            return ()
        worker.resting = resting
        self.roster.update(worker)
        if resting:
            self._end_unused_reservation(worker)
        return worker.groups

    # Workers that are reserved for one run.

    def end_reservation(self, key: Key) -> tuple[Group, ...]:
        """End the reservation of a run that is not executed there. Return where room came up."""
        worker = self.roster.get_reserved(key)
        if worker is None or worker.held[key]:
            return ()
        self.roster.end_reservation(key)
        return worker.groups

    def begin_beside_others(self, key: Key) -> None:
        """Clear a run to begin on its reserved worker, beside executions that do not end there."""
        worker = self.roster.get_reserved(key)
        if worker is not None and not worker.overdue:
            worker.overdue = True
            self._on_clear(key)

    def _reserve_for_sole_run(self, worker: WorkerProcess) -> None:
        """Reserve a worker for the run that it executes alone, if that is a further attempt."""
        held = [entry.held for entry in self._held_by(worker.instance)]
        if len(worker.held) == 1 and any(each.execution.attempt > 1 for each in held):
            self.roster.adopt_reservation(next(iter(worker.held)), worker)

    def _end_unused_reservation(self, worker: WorkerProcess) -> None:
        """End the reservation of a worker that takes nothing, unless its run has begun there."""
        self.roster.update(worker)
        key = worker.reserved_for
        if key is not None and not worker.held[key]:
            self.roster.end_reservation(key)
            self._on_clear(key)

    def _end_reservation_of(self, entry: KnownExecution) -> None:
        """End the reservation for a run whose further attempt is over."""
        worker = self.roster.get_reserved(entry.key)
        if worker and worker.instance == entry.instance and entry.execution.attempt > 1:
            self.roster.end_reservation(entry.key)

    def _note_return(self) -> None:
        if self._awaited is not None and self.connected >= self._awaited:
            self.all_back = True

    def _lose_unclaimed(self, hello: Hello, identity: str, claimed: set[str]) -> list[Key]:
        """Mark lost what earlier connections of a worker held and its Hello does not name."""
        name = (hello.namespace, hello.worker, identity)
        lost = []
        for before in self.roster.get_processes(name):
            replaced = before.instance != hello.instance
            ended = before.ending is not Ending.AGREED and not before.connected
            unclaimed = [
                entry
                for entry in self._held_by(before.instance)
                if entry.execution.id not in claimed
            ]
            lost += self._lose(unclaimed, crashed=replaced and ended)
        return lost

    def _held_by(self, instance: str) -> list[KnownExecution]:
        """Return what a worker has, without what is lost."""
        return [entry for entry in self._held.of_worker(instance) if not entry.held.lost]

    def _lose(self, entries: Iterable[KnownExecution], *, crashed: bool) -> list[Key]:
        """Mark executions lost. `crashed`: the process ended, and nobody had asked it to."""
        keys = []
        for entry in entries:
            crash = crashed and self._was_alone(entry)
            self._end_reservation_of(entry)
            self._count(entry, -1)
            entry.held = replace(entry.held, lost=True, crashed=crash)
            set_awaited(entry, None)
            keys.append(entry.key)
        return keys

    def _was_alone(self, entry: KnownExecution) -> bool:
        worker = self.roster.find(entry.instance)
        return (
            worker is not None and not worker.draining and worker.shared_at_arrival < entry.arrival
        )

    def _take_over(
        self, execution: Execution, worker: WorkerProcess, *, given_here: bool = False
    ) -> KnownExecution:
        """Note that a worker has an execution."""
        entry = self._held.find(execution.id)
        if entry is None:
            entry = self._add(execution, worker, given_here=given_here)
        else:
            self._count(entry, -1)
            entry.held = replace(entry.held, lost=False, crashed=False, worker=worker.name)
            entry.arrival = entry.arrival if entry.instance == worker.instance else 0
            self._held.move(entry, worker.instance)
        self._count(entry, 1)
        return entry

    def _add(
        self, execution: Execution, worker: WorkerProcess, *, given_here: bool
    ) -> KnownExecution:
        catalogue = worker.catalogues.get(execution.workflow_type)
        held = Held(execution, worker.name, self.now(), catalogue=catalogue, given_here=given_here)
        entry = KnownExecution(
            key=key_of(execution),
            held=held,
            instance=worker.instance,
            owner=worker.identity,
            given_at_s=self._monotonic(),
            claimed_by=worker.instance,
        )
        self._held.add(entry)
        worker.claimed += 1
        return entry

    def _unclaim(self, entry: KnownExecution) -> None:
        """Count an execution no longer as one that only its worker reports."""
        worker = self.roster.find(entry.claimed_by) if entry.claimed_by else None
        if worker is not None:
            worker.claimed -= 1
        entry.claimed_by = None

    def _count(self, entry: KnownExecution, change: int) -> None:
        """Count an execution that a worker has. No worker has a lost one."""
        worker = self.roster.find(entry.instance)
        if worker is None or entry.held.lost:
            return
        runs_held = len(worker.held)
        self._in_flight += change
        worker.held[entry.key] += change
        if worker.held[entry.key] <= 0:
            del worker.held[entry.key]
        if change > 0:
            self._note_company(entry, worker)
        if len(worker.held) != runs_held:  # an execution handed over ahead takes no room
            self.roster.update(worker)
        if worker.is_clear and worker.reserved_for and not worker.held[worker.reserved_for]:
            self._on_clear(worker.reserved_for)

    def _note_company(self, entry: KnownExecution, worker: WorkerProcess) -> None:
        """Note the arrival of an execution at a worker, and whether the worker has another."""
        self._arrivals += 1
        entry.arrival = entry.arrival or self._arrivals
        if len(worker.held) > 1:
            worker.shared_at_arrival = self._arrivals

    def _get_worker(self, instance: str) -> WorkerProcess:
        worker = self.roster.find(instance)
        if worker is None:
            raise KeyError(instance)
        return worker

"""Team: the workers that are alike: of one namespace and workflow type, with the same catalogue.

1. All of them can run the same handlers: a rule of the engine needs to see one, not thousands.
2. Those that take an execution now are ordered by their load, so that the least loaded worker is
   found without a look at the others.

Pure data: no I/O, no clock.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from grctl.models.phases import HandlerKind
from grctl.models.wire import Catalogue
from grctl_operator.engine.observation import Blockage, Key

Group = tuple[str, str]
"""A namespace and a workflow type in it."""


class Ending(Enum):
    """How a worker's connection ended."""

    AGREED = "agreed"
    """One side announced it. The process goes on, or was asked to end."""
    CUT_OFF = "cut off"
    """The socket closed unannounced, as when the process is killed."""
    SILENT = "silent"
    """Heartbeats were not answered. The process may be alive."""


@dataclass(slots=True)
class WorkerProcess:
    """One process of a worker, connected or lately seen."""

    name: str
    instance: str
    namespace: str
    identity: str
    """The name of its ServiceAccount."""
    capacity: int
    catalogues: dict[str, Catalogue]
    """By workflow type."""
    team_hashes: dict[str, bytes]
    """The hash of its catalogue by workflow type: workers with the same one are a team."""
    seen: datetime
    records: bool = True
    """Whether it speaks a protocol in which handlers record."""
    connected: bool = True
    ending: Ending = Ending.AGREED
    """How its last connection ended."""
    blocked: Blockage | None = None
    """What blocks its event loop, as one of its threads reports."""
    draining: bool = False
    claimed: int = 0
    """How many executions it reports that this operator did not give to it."""
    resting: bool = False
    """It gets nothing for a while, because it declined what it got."""
    declined: int = 0
    """How many executions it declined since it last brought an outcome."""
    held: Counter[Key] = field(default_factory=Counter)
    """How many executions it has of each run, without lost ones. Those of one run run in turn."""
    shared_at_arrival: int = 0
    """The number of the last arrival after which it had executions of two runs."""
    reserved_for: Key | None = None
    """The run that runs alone here, or will when the worker holds nothing else."""
    overdue: bool = False
    """The run that it is reserved for no longer waits until the other executions end."""

    @property
    def groups(self) -> tuple[Group, ...]:
        """The types that it serves, in its namespace."""
        return tuple((self.namespace, workflow_type) for workflow_type in self.catalogues)

    @property
    def serves(self) -> bool:
        """Whether it takes executions at all."""
        takes = self.connected and not self.draining and not self.resting and self.capacity > 0
        return takes and self.blocked is None

    @property
    def free(self) -> int:
        """How many more executions it takes now."""
        if not self.serves or self.reserved_for is not None:
            return 0
        return max(0, self.capacity - len(self.held))

    @property
    def is_clear(self) -> bool:
        """Whether the run that it is reserved for may begin."""
        if self.reserved_for is None or not self.serves:
            return False
        return self.overdue or all(key == self.reserved_for for key in self.held)


class Team:
    """Workers with one catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.connected: dict[str, WorkerProcess] = {}
        self.gone: dict[str, WorkerProcess] = {}
        """Those that left, in the order in which they did."""
        self._by_load: dict[int, dict[str, WorkerProcess]] = {}
        """Those that take an execution now, by the number of runs that they hold."""
        self._loads: dict[str, int] = {}

    def __bool__(self) -> bool:
        """Whether it has any worker."""
        return bool(self.connected or self.gone)

    def update(self, worker: WorkerProcess) -> None:
        """Note a change of a worker."""
        self._leave_queue(worker.instance)
        here, there = self.connected, self.gone
        if not worker.connected:
            here, there = there, here
        there.pop(worker.instance, None)
        here[worker.instance] = worker
        if worker.free:
            load = self._loads[worker.instance] = len(worker.held)
            self._by_load.setdefault(load, {})[worker.instance] = worker

    def drop(self, instance: str) -> None:
        """Remove a worker."""
        self._leave_queue(instance)
        self.connected.pop(instance, None)
        self.gone.pop(instance, None)

    def has(self, kind: HandlerKind, name: str) -> bool:
        """Return whether its workers have a handler."""
        return self.catalogue.has(kind, name)

    @property
    def least_loaded(self) -> WorkerProcess | None:
        """The least loaded worker of those that take an execution now."""
        if not self._by_load:
            return None
        return next(iter(self._by_load[min(self._by_load)].values()))

    def reservable(self) -> Iterator[WorkerProcess]:
        """Yield the workers that can be reserved: the least loaded first, then the full ones."""
        if self.least_loaded is not None:
            yield self.least_loaded
        yield from (
            each for each in self.connected.values() if each.serves and not each.reserved_for
        )

    def representative(self) -> WorkerProcess | None:
        """Return the worker that stands for all: one with room, else connected, else gone last."""
        if self.least_loaded is not None:
            return self.least_loaded
        found = next(iter(self.connected.values()), None)
        return found or next(reversed(self.gone.values()), None)

    def _leave_queue(self, instance: str) -> None:
        load = self._loads.pop(instance, None)
        if load is None:
            return
        workers = self._by_load[load]
        del workers[instance]
        if not workers:
            del self._by_load[load]

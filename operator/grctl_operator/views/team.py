"""Team: the workers that are alike: of one namespace and workflow type, with the same catalogue.

1. What one of them can do, all can: a rule of the engine needs to see one, not thousands.
2. Those that take an execution now are ordered by how much they hold, so that the one that holds
   least is found without a look at the others.

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
    """One side said so. The process goes on, or ended because somebody asked it to."""
    CUT_OFF = "cut off"
    """The socket closed without a word, as when the process is killed."""
    SILENT = "silent"
    """Heartbeats were not answered: the process may well be alive."""


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
    """By workflow type."""
    teams: dict[str, bytes]
    """Which team it is of, by workflow type."""
    seen: datetime
    connected: bool = True
    ending: Ending = Ending.AGREED
    """How its last connection ended."""
    blocked: Blockage | None = None
    """What blocks its event loop, as a thread of it says."""
    draining: bool = False
    claimed: int = 0
    """How many executions it says it has that nobody here gave to it."""
    resting: bool = False
    """It is given nothing for a while, as it declined what it was given."""
    declined: int = 0
    """How many executions it declined since it last brought an outcome."""
    held: Counter[Key] = field(default_factory=Counter)
    """How many executions it has of each run, but for lost ones. Those of one run run in turn."""
    shared_at: int = 0
    """When it last had executions of two runs, as the registry numbers moments."""
    kept_for: Key | None = None
    """The run that runs alone here, or will once nothing else is held."""
    overdue: bool = False
    """The run that it is kept for waits no longer for the others that are held here."""

    @property
    def groups(self) -> tuple[Group, ...]:
        """What it serves."""
        return tuple((self.namespace, workflow_type) for workflow_type in self.catalogues)

    @property
    def serves(self) -> bool:
        """Whether it may be given anything at all."""
        takes = self.connected and not self.draining and not self.resting and self.capacity > 0
        return takes and self.blocked is None

    @property
    def free(self) -> int:
        """How many more executions it takes now."""
        if not self.serves or self.kept_for is not None:
            return 0
        return max(0, self.capacity - len(self.held))

    @property
    def is_clear(self) -> bool:
        """Whether the run that it is kept for may begin."""
        alone = all(key == self.kept_for for key in self.held)
        return self.serves and self.kept_for is not None and (alone or self.overdue)


class Team:
    """Workers with one catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.connected: dict[str, Worker] = {}
        self.gone: dict[str, Worker] = {}
        """Those that left, the last one last."""
        self._by_load: dict[int, dict[str, Worker]] = {}
        """Those that take an execution now, by the number of runs that they hold."""
        self._loads: dict[str, int] = {}

    def __bool__(self) -> bool:
        """Whether it has any worker."""
        return bool(self.connected or self.gone)

    def update(self, worker: Worker) -> None:
        """Note what has become of a worker."""
        self._leave_line(worker.instance)
        here, there = self.connected, self.gone
        if not worker.connected:
            here, there = there, here
        there.pop(worker.instance, None)
        here[worker.instance] = worker
        if worker.free:
            load = self._loads[worker.instance] = len(worker.held)
            self._by_load.setdefault(load, {})[worker.instance] = worker

    def drop(self, instance: str) -> None:
        """Forget a worker."""
        self._leave_line(instance)
        self.connected.pop(instance, None)
        self.gone.pop(instance, None)

    def has(self, kind: HandlerKind, name: str) -> bool:
        """Return whether its workers have a handler."""
        return self.catalogue.has(kind, name)

    @property
    def least_loaded(self) -> Worker | None:
        """The worker that holds least of those that take an execution now."""
        if not self._by_load:
            return None
        return next(iter(self._by_load[min(self._by_load)].values()))

    def keepable(self) -> Iterator[Worker]:
        """Go through the workers that may be kept for a run: the best first, then the busy ones."""
        if self.least_loaded is not None:
            yield self.least_loaded
        yield from (each for each in self.connected.values() if each.serves and not each.kept_for)

    def face(self) -> Worker | None:
        """Return the worker that stands for all of them: with room, connected, or gone last."""
        if self.least_loaded is not None:
            return self.least_loaded
        found = next(iter(self.connected.values()), None)
        return found or next(reversed(self.gone.values()), None)

    def _leave_line(self, instance: str) -> None:
        load = self._loads.pop(instance, None)
        if load is None:
            return
        line = self._by_load[load]
        del line[instance]
        if not line:
            del self._by_load[load]

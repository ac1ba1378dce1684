"""WaitingRuns: reconciles a run that waits for a worker when one may take it.

A run waits for room (all workers that have its handler are full) or for a handler (no connected
worker has it). The order, and who is woken by what, is decided by WaitingLine.
"""

from grctl_operator.engine.observation import Key
from grctl_operator.runtime.work_queue import WorkQueue
from grctl_operator.runtime.workers.waiting_line import WaitingLine
from grctl_operator.views.roster import Roster
from grctl_operator.views.team import Group, WorkerProcess


class WaitingRuns:
    """The runs that wait for a worker.

    Args:
        roster: Knows which workers have room.
        queue: Where a run is added that may be dispatched.
    """

    def __init__(self, roster: Roster, queue: WorkQueue) -> None:
        self._roster = roster
        self._queue = queue
        self._line = WaitingLine()
        self._joined: set[Key] = set()
        """Keys that began to wait, or went on, in the reconcile under way."""

    def __len__(self) -> int:
        """Count the runs that wait."""
        return len(self._line)

    @property
    def without_handler(self) -> int:
        """Count the runs that wait for a handler."""
        return self._line.without_handler

    def join(self, key: Key, group: Group, *, room: bool) -> None:
        """Make a run wait for room, or for a handler."""
        self._line.join(key, group, room=room)
        self._joined.add(key)

    def leave(self, key: Key) -> Group | None:
        """End the wait of a run. Return the group in which it waited."""
        return self._line.leave(key)

    def offer_room(self, group: Group, after: Key | None = None) -> None:
        """Wake the next run of a group, behind `after` if that waits, if a worker has room."""
        if self._roster.has_room(group):
            key = self._line.wake_next(group, after)
            if key is not None:
                self._queue.add(key)

    def wake_for(self, worker: WorkerProcess) -> None:
        """Wake the runs that wait for a worker like this: all if its catalogue is new, else one."""
        for group in worker.groups:
            if self._roster.count_alike(worker, group[1]) > 1:
                self.offer_room(group)
                continue
            for key in self._line.wake_all(group):
                self._queue.add(key)

    def on_reconciled(self, key: Key) -> None:
        """Note the end of a reconcile. A run that was woken and used no room passes it on."""
        group, joined = self._line.get_group(key), key in self._joined
        self._joined.discard(key)
        if group is None:
            return
        if not joined:
            self._line.leave(key)  # it is gone, or does not wait for a worker any more
        self.offer_room(group, after=key)

"""RunStream: the watch of runs. It fills the RunCache and says whom to reconcile.

The list of all runs is complete before the one of events begins: see `event_stream`.
"""

from typing import Any

from grctl.kube import RUNS
from grctl_operator.runtime.watch.list_watch import ListWatch, Source
from grctl_operator.runtime.watch.runs import RunCache
from grctl_operator.runtime.work_queue import WorkQueue

Json = dict[str, Any]


class RunStream:
    """Receives every change of a run."""

    def __init__(
        self, api: Source, runs: RunCache, queue: WorkQueue, namespace: str | None = None
    ) -> None:
        self._runs = runs
        self._queue = queue
        self._namespace = namespace
        self.watch = ListWatch(api, RUNS.path(namespace), self)

    def on_asking(self) -> None:
        """Nothing to do: a list of runs is compared with nothing else."""

    def on_list(self, items: list[Json], revision: int) -> None:
        """Compare with what was known."""
        self._queue.sweep(self._runs.relisted(items, revision, self._namespace))

    def on_change(self, change: str, item: Json) -> None:
        """Take what is new; our own writes' echoes are not."""
        key = self._runs.watched(change, item)
        if key is not None:
            self._queue.add(key)

    def on_bookmark(self, revision: int) -> None:
        """Nothing to do: runs are not compared with the stream's revision."""

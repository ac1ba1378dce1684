"""RunStream: the watch of runs. It fills the RunCache and says whom to reconcile.

The list of all runs is complete before the one of events begins: see `event_stream`.
"""

from collections.abc import Callable
from typing import Any

from grctl.kube import RUNS
from grctl_operator.runtime.watch.list_watch import ListWatch, Source
from grctl_operator.runtime.watch.passed_over import PassedOver
from grctl_operator.runtime.work_queue import WorkQueue
from grctl_operator.views.reading import UnreadableError
from grctl_operator.views.runs import Listed, RunCache, kept_run_of, key_of

Json = dict[str, Any]


class RunStream:
    """Receives every change of a run."""

    def __init__(
        self,
        api: Source,
        runs: RunCache,
        queue: WorkQueue,
        namespace: str | None = None,
        *,
        passed_over: PassedOver,
        on_restart: Callable[[str], None],
    ) -> None:
        self._passed_over = passed_over
        self._runs = runs
        self._queue = queue
        self._namespace = namespace
        self._listed: Listed = {}
        """What the list that is being read has shown so far."""
        self.watch = ListWatch(api, RUNS.path(namespace), self, on_restart=on_restart)

    def on_asking(self) -> None:
        """Forget a list that was not read to its end."""
        self._listed = {}

    def on_page(self, items: list[Json]) -> None:
        """Keep what is needed of a part of a list."""
        for item in items:
            try:
                key, version = key_of(item), kept_run_of(item)
            except UnreadableError as error:
                self._passed_over.add("WorkflowRun", item, str(error))
            else:
                self._listed[key] = version

    def on_list(self, revision: int) -> None:
        """Compare the whole list with what was known."""
        listed, self._listed = self._listed, {}
        self._queue.sweep(self._runs.on_list(listed, revision, self._namespace))

    def on_change(self, change: str, item: Json) -> None:
        """Take what is new; our own writes' echoes are not."""
        try:
            key = self._runs.on_change(change, item)
        except UnreadableError as error:
            self._passed_over.add("WorkflowRun", item, str(error))
            return
        if key is not None:
            self._queue.add(key)

    def on_bookmark(self, revision: int) -> None:
        """Nothing to do: runs are not compared with the stream's revision."""

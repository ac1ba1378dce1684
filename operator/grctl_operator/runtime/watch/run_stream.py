"""RunStream: the watch of runs. It fills the RunCache and wakes the runs that changed.

The list of all runs is complete before the list of events begins: see `event_stream`.
"""

from functools import partial
from typing import Any

from grctl.kube import RUNS
from grctl_operator.runtime.watch.intake import Intake
from grctl_operator.runtime.watch.list_watch import ListWatch
from grctl_operator.views.reading import UnreadableError
from grctl_operator.views.runs import ListedRuns, kept_run_of, key_of

Json = dict[str, Any]


class RunStream:
    """Receives every change of a run of one namespace, or of all."""

    def __init__(self, intake: Intake, namespace: str | None = None) -> None:
        self._passed_over = intake.passed_over
        self._runs = intake.runs
        self._queue = intake.queue
        self._namespace = namespace
        self._listed: ListedRuns = {}
        """What the pages of the present list have shown so far."""
        self.watch = ListWatch(
            intake.api,
            RUNS.path(namespace),
            self,
            on_restart=partial(intake.on_restart, RUNS.plural),
        )

    def on_asking(self) -> None:
        """Drop a list that was not read to its end."""
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
        """Take a change. The echo of a write of ours wakes nothing."""
        try:
            key = self._runs.on_change(change, item)
        except UnreadableError as error:
            self._passed_over.add("WorkflowRun", item, str(error))
            return
        if key is not None:
            self._queue.add(key)

    def on_bookmark(self, revision: int) -> None:
        """Do nothing: runs are not compared with the stream's revision."""

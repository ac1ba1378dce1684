"""TaskMetrics: the series about recorded tasks, retries and stalled runs.

The texts here are part of the reference, as those of `metrics` are.
"""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge

from grctl.models.run import RunStatus
from grctl_operator.engine.journal import entries_for


class TaskMetrics:
    """What handlers recorded, and which of them were tried again."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str) -> Counter:
            return Counter(name, text, registry=registry)

        self.written = counter(
            "grctl_records_written",
            "Entries of a run's journal that a write of its status made durable: results of"
            " recorded tasks, failed attempts, ends of a sleep.",
        )
        self.superseded = counter(
            "grctl_records_superseded",
            "Records that were never written, because the commit of their handler came first.",
        )
        self.failures = counter(
            "grctl_task_failures",
            "Failed attempts at recorded tasks, as workers reported them. The task may have been"
            " tried again with success.",
        )
        self.retries = counter(
            "grctl_handler_retries",
            "Handlers that raised, or took too long, and are tried again by their retry policy.",
        )
        self._stalled = Gauge(
            "grctl_runs_stalled",
            "Runs that are held until a person raises spec.retry (grctl retry): their handler"
            " failed too often, lost its worker too often, or does not fit what is recorded.",
            registry=registry,
        )

    def show(self, count_stalled: Callable[[], int]) -> None:
        """Make the gauge read the number of stalled runs at each scrape."""
        self._stalled.set_function(count_stalled)

    def on_write(self, before: RunStatus, after: RunStatus) -> None:
        """Count what a write of a run's status says of its handler."""
        if after.journal is not None and after.journal is not before.journal:
            self.written.inc(_count_new(before, after))
        if _failures(after) > _failures(before):
            self.retries.inc()


def _count_new(before: RunStatus, after: RunStatus) -> int:
    event_uid = (after.journal or {}).get("eventUid")
    known, now = entries_for(before, event_uid), entries_for(after, event_uid)
    return sum(entry != known.get(key) for key, entry in now.items())


def _failures(status: RunStatus) -> int:
    """Return how often the handler that is due has failed and is tried again."""
    step = status.step
    return (step.failures or 0) if step and step.stall is None else 0

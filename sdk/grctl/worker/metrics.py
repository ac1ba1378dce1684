"""A worker's metrics. They are made on each request, from numbers that the worker counts anyway.

This module is imported only if the extra `metrics` is installed. No label holds a user's name, and
every series exists at 0 from the start.
"""

from collections.abc import Iterable
from itertools import product

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from grctl.models.phases import HandlerKind
from grctl.serving.probes import Exposition
from grctl.worker.attempts import ATTEMPTS, TASK_RESULTS
from grctl.worker.executions import RESULTS
from grctl.worker.health import WorkerParts


def exposition(parts: WorkerParts) -> Exposition:
    """Return the function that writes all metrics of a worker."""
    registry = CollectorRegistry()
    registry.register(WorkerMetrics(parts))
    ProcessCollector(registry=registry)

    def expose(accept: str) -> tuple[bytes, str]:
        encode, content_type = choose_encoder(accept)
        return encode(registry), content_type

    return expose


class WorkerMetrics(Collector):
    """Reads the metrics from a worker's parts."""

    def __init__(self, parts: WorkerParts) -> None:
        self._connection, self._executions, self._loop_watch = parts

    def collect(self) -> Iterable[Metric]:
        """Yield all metrics."""
        yield GaugeMetricFamily(
            "grctl_worker_connected",
            "1 while an operator has welcomed this worker.",
            value=self._connection.is_welcomed,
        )
        yield GaugeMetricFamily(
            "grctl_worker_executions_running",
            "Executions whose handler runs, or waits for room at this worker.",
            value=self._executions.running,
        )
        yield GaugeMetricFamily(
            "grctl_worker_event_loop_lag_seconds",
            "The longest time that the event loop was late, in the last one to two minutes. A"
            " handler that blocks it stops all others.",
            value=self._loop_watch.lag_s,
        )
        handled = CounterMetricFamily(
            "grctl_worker_handled",
            "Executions that ended. succeeded: the handler returned a Directive. failed: it raised."
            " refused: the payload did not fit, and it did not run.",
            labels=("kind", "result"),
        )
        for kind, result in product(HandlerKind, RESULTS):
            handled.add_metric((kind, result), self._executions.handled[kind, result])
        yield handled
        yield from self._tasks()

    def _tasks(self) -> Iterable[Metric]:
        counts = self._executions.tasks
        calls = CounterMetricFamily(
            "grctl_worker_tasks",
            "Calls of tasks in handlers. succeeded, failed: at the last attempt. cancelled: by the"
            " handler. replayed: an earlier attempt at the handler recorded it, so it did not run.",
            labels=("result",),
        )
        for result in TASK_RESULTS:
            calls.add_metric((result,), counts[result])
        yield calls
        yield CounterMetricFamily(
            "grctl_worker_task_attempts",
            "Attempts at tasks: how often their functions were called.",
            value=counts[ATTEMPTS],
        )

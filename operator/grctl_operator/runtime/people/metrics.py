"""Metrics: what the operator counts and measures, as Prometheus reads it.

1. Each operator has a registry of its own: several in one process do not add up.
2. Every series exists at 0 from the start, so the first of anything is seen as a change.
3. No label holds a name that users choose (runs, events, workers, types): the number of series is
   fixed.
4. The texts here are the reference: docs/reference/metrics.md is made from them.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import product
from typing import Protocol

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.registry import Collector

from grctl.kube import Request
from grctl.models.phases import SETTLED_PHASES, EventPhase, HandlerKind, RunPhase
from grctl.models.reasons import EventReason
from grctl_operator.engine.invariants import CHECKED_INVARIANTS
from grctl_operator.runtime.people.task_metrics import TaskMetrics

RECONCILE_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""s: most reconciles need no request, the others one or two of some milliseconds."""
LATENCY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
"""s: from what one API write takes to what a person calls stuck."""

REQUESTS = {
    "workflowruns": ("get", "list", "watch", "patch", "delete"),
    "workflowruns/status": ("update",),
    "workflowevents": ("get", "list", "watch", "delete", "deletecollection"),
    "workflowevents/status": ("update",),
    "events": ("create", "get", "patch"),
    "leases": ("get", "watch", "create", "update"),
    "tokenreviews": ("create",),
    "subjectaccessreviews": ("create",),
    "/version": ("get",),
}
"""The requests that the operator makes, by resource."""
CODES = frozenset({200, 201, 400, 401, 403, 404, 409, 410, 422, 429, 500, 503, 504})
OTHER, NO_ANSWER = "other", "none"

PHASE_OF = dict.fromkeys(EventReason, EventPhase.REJECTED) | {
    EventReason.HANDLED: EventPhase.PROCESSED,
    EventReason.HANDLER_FAILED: EventPhase.FAILED,
    EventReason.WORKER_LOST: EventPhase.FAILED,
}
"""The phase that goes with each reason."""

# For the whole process: nobody needs the time at which a series began.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Sized(Protocol):
    """An object with a length."""

    def __len__(self) -> int:
        """Return the length."""


class RunCacheCounts(Protocol):
    """The part of the RunCache that is shown."""

    def count(self, phase: RunPhase) -> int:
        """Count the runs of a phase."""

    def count_stalled(self) -> int:
        """Count the runs whose handler is held."""


class EventCacheCounts(Sized, Protocol):
    """The part of the event caches that is shown."""

    @property
    def inversions(self) -> int:
        """Count the events that appeared behind younger ones."""


class WorkerCounts(Sized, Protocol):
    """The part of the ExecutionRegistry that is shown."""

    @property
    def connected(self) -> int:
        """Count the workers."""

    @property
    def in_flight(self) -> int:
        """Count the executions that a worker has."""


class WaitingCounts(Protocol):
    """The part of the Dispatcher that is shown."""

    @property
    def waiting(self) -> int:
        """Count the runs that wait for a worker."""

    @property
    def without_handler(self) -> int:
        """Count the runs that wait for a worker which has the handler."""


class Metrics:
    """All series of one operator."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._make_counters()
        self._make_counters_of_requests()
        self._make_gauges()
        self._make_histograms()
        self.tasks = TaskMetrics(self.registry)
        self._inversions = _Inversions(self.registry)
        ProcessCollector(registry=self.registry)

    def show(
        self,
        queue: Sized,
        runs: RunCacheCounts,
        events: EventCacheCounts,
        workers: WorkerCounts,
        waiting_runs: WaitingCounts,
        *,
        is_leader: Callable[[], bool],
        namespaces_left_out: Callable[[], int],
    ) -> None:
        """Make the gauges read what other parts know, at each scrape."""
        self._is_leader.set_function(is_leader)
        self._namespaces_left_out.set_function(namespaces_left_out)
        self._waiting.set_function(lambda: waiting_runs.waiting)
        self._without_handler.set_function(lambda: waiting_runs.without_handler)
        self._queue_depth.set_function(lambda: len(queue))
        self._pending.set_function(lambda: len(events))
        self._workers.set_function(lambda: workers.connected)
        self._executions.set_function(lambda: workers.in_flight)
        self._inversions.read_from(events)
        self.tasks.show(runs.count_stalled)
        for phase in RunPhase:
            self._runs.labels(phase.value).set_function(partial(runs.count, phase))

    def on_request(self, request: Request, status: int) -> None:
        """Count a request to the API server. Status 0: no answer came."""
        verb, resource = request
        if verb not in REQUESTS.get(resource, ()):
            verb, resource = OTHER, OTHER
        self.api_requests.labels(verb, resource, _code(status)).inc()

    def on_watch_restart(self, resource: str, cause: str) -> None:
        """Count a watch that is opened anew."""
        self.watch_restarts.labels(resource, cause).inc()

    def on_settle(self, phase: EventPhase, reason: str) -> None:
        """Count an event whose final phase is written."""
        known = reason in PHASE_OF and PHASE_OF[EventReason(reason)] is phase
        self.events_settled.labels(phase.value, reason if known else OTHER).inc()

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """Return all series in a format that the scraper accepts, and the name of that format."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type

    def value(self, name: str, **labels: str) -> float:
        """Return the present value of one series.

        Raises:
            KeyError: there is no such series.
        """
        found = self.registry.get_sample_value(name, labels)
        if found is None:
            raise KeyError(f"{name}{labels or ''}")
        return found

    def _make_counters(self) -> None:
        self.commits = self._counter(
            "grctl_commits", "Writes of a run's status that made an outcome true."
        )
        self.views = self._counter(
            "grctl_views",
            "Writes of a run's status that were only for people: a handler took over 0.25 s, a run"
            " waits for a worker.",
        )
        self.reconcile_errors = self._counter(
            "grctl_reconcile_errors",
            "Reconciles that ended early and are tried again. conflict: another write came first."
            " api: the API server was away or in trouble. fault: anything else; the log has it.",
            cause=("conflict", "api", "fault"),
        )
        self.invariant_violations = self._counter(
            "grctl_invariant_violations",
            "Decisions that would have broken an invariant (docs/architecture.md). Nothing of them"
            " was done; the log has what was wrong. Expected to stay 0.",
            invariant=CHECKED_INVARIANTS,
        )
        self.event_lists = self._counter(
            "grctl_event_lists",
            "Consistent lists of the events of one run, or of many at once: each makes the API"
            " server look at all events of the namespace. Made for runs that this operator did not"
            " write last, and before a wait ends by its timeout; never for an event in the steady"
            " state.",
        )
        self.events_removed = self._counter(
            "grctl_events_removed",
            "Settled events removed because their run keeps only the newest (spec.keepEvents), or"
            " because they were rejected without a run a day ago.",
        )
        self.core_events = self._counter(
            "grctl_core_events",
            "Core Events for people. written: created, or counted up. failed: the API server did"
            " not take it. dropped: left out, as too many came at once.",
            result=("written", "failed", "dropped"),
        )

        self.part_failures = self._counter(
            "grctl_part_failures",
            "Parts of the operator that failed and were started again; the log has why. Expected to"
            " stay 0.",
        )

    def _make_counters_of_requests(self) -> None:
        self.api_requests = self._counter(
            "grctl_api_requests",
            "Requests to the API server, in the words of RBAC. A watch counts when it is opened."
            f" code: the HTTP status; {NO_ANSWER} where no answer came, {OTHER} for a rare one.",
            series=_every_request(),
            labels=("verb", "resource", "code"),
        )
        self.watch_restarts = self._counter(
            "grctl_watch_restarts",
            "Watches opened anew. ended: the API server ended it, as it does about every five"
            " minutes. broken: the connection failed. expired: the API server does not have its"
            " revision, so everything is listed. silent: nothing came for two minutes, which is"
            " normal on an idle cluster; everything is listed.",
            resource=("workflowruns", "workflowevents"),
            cause=("ended", "broken", "expired", "silent"),
        )
        self.events_settled = self._counter(
            "grctl_events_settled",
            "Events whose final phase is written, by the words of reasons.md;"
            f" {OTHER}: a reason of another version.",
            series=_every_verdict(),
            labels=("phase", "reason"),
        )

    def _make_gauges(self) -> None:
        self._is_leader = self._gauge(
            "grctl_is_leader", "1 while this operator leads, 0 while it stands by."
        )
        self._namespaces_left_out = self._gauge(
            "grctl_namespaces_left_out",
            "Namespaces whose runs or events the operator cannot list or watch at present: it may"
            " not, or the API server is away. It tries again; the log has why.",
        )
        self.store_restored = self._gauge(
            "grctl_store_restored",
            "1 where the API server's store was restored from a backup while this operator ran. It"
            " then writes nothing until it is started again.",
        )
        self._queue_depth = self._gauge("grctl_queue_depth", "Runs that are to be reconciled now.")
        self._pending = self._gauge("grctl_events_pending", "Events whose phase is not final.")
        self._runs = self._gauge("grctl_runs", "Runs that exist.", phase=RunPhase)
        self._waiting = self._gauge(
            "grctl_runs_waiting_for_worker",
            "Runs whose next handler no worker takes: none that is connected has it, or all that"
            " have it are busy. With those of grctl_runs_without_handler.",
        )
        self._without_handler = self._gauge(
            "grctl_runs_without_handler",
            "Runs whose next handler, or the step that their wait times out to, no connected worker"
            " has: a worker is missing, or a version of a workflow that others still need.",
        )
        self._workers = self._gauge("grctl_workers_connected", "Workers that are connected.")
        self._executions = self._gauge(
            "grctl_executions_in_flight",
            "Executions that a worker has, from their dispatch until they are committed or void.",
        )

    def _make_histograms(self) -> None:
        self.reconcile_duration = self._histogram(
            "grctl_reconcile_duration_seconds",
            "Time of one reconcile, from the decision to the answers of its writes.",
            RECONCILE_BUCKETS,
        )
        self.create_to_dispatch = self._histogram(
            "grctl_event_create_to_dispatch_seconds",
            "Time from an event's creation to its first dispatch: the wait for its run, its turn"
            " and a worker. It begins when the operator's watch showed the event. If the creation"
            " stamp proves a longer time (the operator was away, the watch was late), it begins"
            " with the stamp: the API server's clock, in whole seconds. So up to 1 s may be"
            " missing; it is never too long.",
            LATENCY_BUCKETS,
        )
        self.dispatch_to_commit = self._histogram(
            "grctl_dispatch_to_commit_seconds",
            "Time from giving an execution to a worker until its outcome is committed: the way"
            " there, the handler, the way back and the write. Of executions that this process"
            " dispatched.",
            LATENCY_BUCKETS,
            kind=HandlerKind,
        )

    def _counter(
        self,
        name: str,
        text: str,
        series: Iterable[tuple[str, ...]] = (),
        labels: Sequence[str] = (),
        **values: Iterable[str],
    ) -> Counter:
        """Make a counter of some series, or of all combinations of its labels' values."""
        made = Counter(name, text, (*labels, *values), registry=self.registry)
        _begin_at_zero(made, series if labels else product(*values.values()))
        return made

    def _gauge(self, name: str, text: str, **values: Iterable[str]) -> Gauge:
        made = Gauge(name, text, tuple(values), registry=self.registry)
        _begin_at_zero(made, product(*values.values()))
        return made

    def _histogram(
        self, name: str, text: str, buckets: Sequence[float], **values: Iterable[str]
    ) -> Histogram:
        made = Histogram(name, text, tuple(values), buckets=buckets, registry=self.registry)
        _begin_at_zero(made, product(*values.values()))
        return made


class _Inversions(Collector):
    """A counter that is kept by the event cache, which knows no metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._events: EventCacheCounts | None = None
        registry.register(self)

    def read_from(self, events: EventCacheCounts) -> None:
        """Read the count from the event caches from now on."""
        self._events = events

    def collect(self) -> Iterable[CounterMetricFamily]:
        text = (
            "Events that the API server showed only after one that was created later. Each takes"
            " its place, unless the later one was handled by then: I2 (one order). Expected to stay"
            " 0."
        )
        count = self._events.inversions if self._events is not None else 0
        yield CounterMetricFamily("grctl_inversions", text, value=count)


def _begin_at_zero(metric: MetricWrapperBase, series: Iterable[tuple[str, ...]]) -> None:
    for values in series:
        if values:
            metric.labels(*values)


def _every_request() -> Iterable[tuple[str, str, str]]:
    asked = [(verb, resource) for resource, verbs in REQUESTS.items() for verb in verbs]
    codes = (*map(str, sorted(CODES)), OTHER, NO_ANSWER)
    return ((*request, code) for request in (*asked, (OTHER, OTHER)) for code in codes)


def _every_verdict() -> Iterable[tuple[str, str]]:
    known = [(phase.value, reason.value) for reason, phase in PHASE_OF.items()]
    return (*known, *((phase.value, OTHER) for phase in SETTLED_PHASES))


def _code(status: int) -> str:
    if not status:
        return NO_ANSWER
    return str(status) if status in CODES else OTHER

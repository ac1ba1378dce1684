"""Decider: asks the engine for a decision about a run, with the present content of the caches.

1. A decision that breaks an invariant is not carried out (see `checked`). The reconcile fails, as
   with any other defect: the error is logged and announced on the run, and the run is tried again
   later.
2. Nothing is remembered here.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from grctl.models import WorkflowRun
from grctl_operator.engine import (
    Decision,
    Events,
    Executions,
    Urgency,
    decide_refused,
    urgency_of_outcomes,
)
from grctl_operator.engine.invariants import InvariantError, check_decision
from grctl_operator.engine.observation import Key
from grctl_operator.runtime.people.metrics import Metrics
from grctl_operator.views.event_caches import EventCaches
from grctl_operator.views.executions import ExecutionRegistry
from grctl_operator.views.reading import UnreadableError
from grctl_operator.views.runs import RunCache

Decide = Callable[..., Decision]
"""As `engine.decide`."""


class Decider:
    """Asks the engine about runs.

    Args:
        decide: The engine's answer for one run.
        metrics: Counts the violations in the answer to a refused write.
        now: The API server's time.
    """

    def __init__(
        self,
        runs: RunCache,
        events: EventCaches,
        executions: ExecutionRegistry,
        *,
        decide: Decide,
        metrics: Metrics,
        now: Callable[[], datetime],
    ) -> None:
        self._runs = runs
        self._events = events
        self._executions = executions
        self._decide = decide
        self._decide_refused = checked(decide_refused, metrics)
        self._now = now

    def decide(self, key: Key, run: WorkflowRun | None, *, defer_outcomes: bool) -> Decision:
        """Return what to write and do about a run. `defer_outcomes`: see `engine.decide`."""
        return self._decide(run, *self._known(key, run), self._now(), defer_outcomes=defer_outcomes)

    def decide_refused(self, key: Key, run: WorkflowRun) -> Decision:
        """Return what to write of a run whose decided status was refused as too large."""
        return self._decide_refused(run, *self._known(key, run), self._now())

    def urgency_of_outcomes(self, key: Key) -> Urgency:
        """Return how urgent the write of the outcomes of a run is."""
        try:
            run = self._runs.get(key)
        except UnreadableError:
            return Urgency.NOW
        return Urgency.NOW if run is None else urgency_of_outcomes(run, *self._known(key, run))

    def _known(self, key: Key, run: WorkflowRun | None) -> tuple[Events, Executions]:
        workflow_type = run.spec.workflow.type if run else ""
        events = self._events.of(key).get_view(key, self._runs.get_first_revision(key))
        return events, self._executions.get_view(key, workflow_type)


def checked(decide: Decide, metrics: Metrics) -> Decide:
    """Return the engine with a check of each decision. Violations are counted, then raised."""

    def decide_and_check(
        run: WorkflowRun | None,
        events: Events,
        executions: Executions,
        now: datetime,
        **options: Any,
    ) -> Decision:
        decision = decide(run, events, executions, now, **options)
        if run is not None:
            _check(run, decision, events, now)
        return decision

    def _check(run: WorkflowRun, decision: Decision, events: Events, now: datetime) -> None:
        try:
            check_decision(run, decision, events, now)
        except InvariantError as error:
            for each in error.violations:
                metrics.invariant_violations.labels(each.invariant).inc()
            raise

    return decide_and_check

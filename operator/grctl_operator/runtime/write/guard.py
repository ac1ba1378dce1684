"""The guard of the engine: a decision that breaks an invariant is not carried out.

The reconcile fails instead, as with any other defect: the error is logged and announced on the run,
and the run is tried again later.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from grctl.models import WorkflowRun
from grctl_operator.engine import Decision, Events, Executions
from grctl_operator.engine.invariants import InvariantError, check_decision
from grctl_operator.runtime.people.metrics import Metrics


def guarded(decide: Callable[..., Decision], metrics: Metrics) -> Callable[..., Decision]:
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

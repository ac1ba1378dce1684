"""Questions: asks the engine about a run, with the present content of the caches.

Nothing is remembered here, and nothing is decided.
"""

from collections.abc import Callable
from datetime import datetime

from grctl.models import WorkflowRun
from grctl_operator.engine import (
    Decision,
    Events,
    Executions,
    Urgency,
    decide_refused,
    urgency_of_outcomes,
)
from grctl_operator.engine.observation import Key
from grctl_operator.views.event_caches import EventCaches
from grctl_operator.views.executions import ExecutionRegistry
from grctl_operator.views.reading import UnreadableError
from grctl_operator.views.runs import RunCache

Decide = Callable[..., Decision]
"""As `engine.decide`."""


class Questions:
    """Asks the engine about runs.

    Args:
        decide: The engine's answer for one run.
        now: The API server's time.
    """

    def __init__(
        self,
        runs: RunCache,
        events: EventCaches,
        executions: ExecutionRegistry,
        *,
        decide: Decide,
        now: Callable[[], datetime],
    ) -> None:
        self._runs = runs
        self._events = events
        self._executions = executions
        self._decide = decide
        self._now = now

    def decide(self, key: Key, run: WorkflowRun | None, *, defer_outcomes: bool) -> Decision:
        """Return what to write and do about a run. `defer_outcomes`: see `engine.decide`."""
        return self._decide(run, *self._known(key, run), self._now(), defer_outcomes=defer_outcomes)

    def decide_refused(self, key: Key, run: WorkflowRun) -> Decision:
        """Return what to write of a run whose decided status was refused as too large."""
        return decide_refused(run, *self._known(key, run), self._now())

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

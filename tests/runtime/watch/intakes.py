"""Intakes for tests: everything between an API server and the reconciles."""

from datetime import UTC, datetime

from grctl_operator.runtime.people.activity_log import ActivityLog
from grctl_operator.runtime.people.metrics import Metrics
from grctl_operator.runtime.watch.intake import Intake
from grctl_operator.runtime.watch.lists import Source
from grctl_operator.runtime.watch.passed_over import PassedOver
from grctl_operator.runtime.work_queue import WorkQueue
from grctl_operator.views.clock import ServerClock
from grctl_operator.views.event_caches import EventCaches
from grctl_operator.views.runs import RunCache

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def intake(api: Source, metrics: Metrics | None = None, clock: ServerClock | None = None) -> Intake:
    """Return an intake with empty caches. Without a clock it is noon."""
    if clock is None:
        clock = ServerClock(lambda: 0.0, on_jump=lambda _: None)
        clock.on_answer(0.0, NOON)
    return Intake(
        api=api,
        runs=RunCache(),
        events=EventCaches(),
        queue=WorkQueue(),
        clock=clock,
        activity_log=ActivityLog(metrics or Metrics(), clock.now),
        passed_over=PassedOver(lambda _notice: None),
        on_restart=lambda _resource, _cause: None,
    )

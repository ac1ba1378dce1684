"""Intake: what all watches share: where they read, what they fill, and whom they wake."""

from collections.abc import Callable
from dataclasses import dataclass

from grctl_operator.runtime.people.activity_log import ActivityLog
from grctl_operator.runtime.watch.lists import Source
from grctl_operator.runtime.watch.passed_over import PassedOver
from grctl_operator.runtime.work_queue import WorkQueue
from grctl_operator.views.clock import ServerClock
from grctl_operator.views.event_caches import EventCaches
from grctl_operator.views.runs import RunCache

OnRestart = Callable[[str, str], None]
"""Gets the plural name of the resource whose watch is opened anew, and the cause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """The parts between the API server and the reconciles."""

    api: Source
    runs: RunCache
    events: EventCaches
    queue: WorkQueue
    """Gets the key of each run that changed."""
    clock: ServerClock
    activity_log: ActivityLog
    passed_over: PassedOver
    """Gets the objects that cannot be read."""
    on_restart: OnRestart

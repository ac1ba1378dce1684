"""RecordExchange: takes what handlers recorded, and tells workers what of it is durable.

1. A worker is told only what the run's status holds, by the version that is known or was written.
2. A worker whose connection agreed upon an older protocol is told nothing, and is sent no journal.
3. If an execution recorded more than the operator keeps, it fails: an outcome that says so is noted
   like one that its worker brought.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from grctl.models.protocol import RECORDING_PROTOCOL_VERSION
from grctl.models.run import WorkflowRun
from grctl.models.wire import RecordedOperations, RecordOperations
from grctl.models.wire_reading import too_much_recorded
from grctl_operator.engine.decision import ConfirmRecords
from grctl_operator.engine.journal import entries_for
from grctl_operator.engine.observation import Key
from grctl_operator.runtime.people.activity_log import ActivityLog
from grctl_operator.runtime.workers.worker_session import WorkerSession
from grctl_operator.views.executions import ExecutionRegistry
from grctl_operator.views.records import TooMuchRecordedError, count_failures, find_durable


class OnRecord(Protocol):
    """Is told the run of each record."""

    def __call__(self, key: Key, *, awaited: bool) -> None:
        """Take a run, and whether its handler waits until the record is durable."""


class RecordExchange:
    """The records of all connected workers."""

    def __init__(
        self,
        registry: ExecutionRegistry,
        activity_log: ActivityLog,
        *,
        on_record: OnRecord,
        on_outcome: Callable[[Key], None],
    ) -> None:
        self._registry = registry
        self._activity_log = activity_log
        self._on_record = on_record
        self._on_outcome = on_outcome

    def take(self, session: WorkerSession, instance: str, message: RecordOperations) -> None:
        """Take what a handler recorded. It is kept until it is durable, or superseded."""
        known = self._registry.find_entry(message.execution.id)
        failures = count_failures(known.held.records if known else {}, message.entries)
        try:
            key = self._registry.on_records(instance, message)
        except TooMuchRecordedError as error:
            outcome = too_much_recorded(message.execution, str(error))
            self._on_outcome(self._registry.on_outcome(instance, outcome))
            return
        self._activity_log.on_records(message.execution, len(message.entries), failures)
        self._on_record(key, awaited=message.awaited)
        if message.awaited:
            session.flush()  # it may wait for a release that lingers

    def confirm(
        self, session: WorkerSession | None, run: WorkflowRun | None, effect: ConfirmRecords
    ) -> None:
        """Tell a worker what is durable, and drop it from what is kept of its execution.

        Args:
            session: The connection of the worker; None if it is away. It then repeats its records
                when it is back.
            run: The run as it is known or was written.
            effect: What the engine decided upon this run.
        """
        entry = self._registry.find_entry(effect.execution)
        if entry is None or run is None:
            return
        journal = entries_for(run.status, entry.execution.event_uid)
        durable = find_durable(entry.held, journal, (*effect.keys, *effect.entries))
        self._registry.on_durable(effect.execution, durable)
        if session is not None and may_record(session):
            keys = tuple(key for key in durable if key not in effect.entries)
            message = RecordedOperations(
                execution=effect.execution, keys=keys, entries=dict(effect.entries)
            )
            session.send(message)


def may_record(session: WorkerSession) -> bool:
    """Return whether a connection agreed upon a protocol in which handlers record."""
    return session.protocol >= RECORDING_PROTOCOL_VERSION


def time_for(session: WorkerSession, now: Callable[[], datetime]) -> datetime | None:
    """Return the API server's time for a worker that records; None for an older one."""
    return now() if may_record(session) else None

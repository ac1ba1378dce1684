"""ActivityLog: records each step of a run: a log record, a count, a latency.

1. The records `dispatched`, then `committed` and `settled`, or `void`, belong together: each names
   the run, and the event and the execution as far as they are known.
2. Messages are constant, values are fields. No record holds a payload, a store or an input.
3. At the default level each handler has one record, its commit. A person would act on a run that
   failed and on an event that was not handled: those records have the reason.
4. Nothing depends on the activity log. It remembers a bounded number of steps; a step whose
   beginning it forgot has no latency.
"""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence, Sized
from datetime import datetime
from typing import Any, Generic, TypeVar

from grctl.models.phases import EventPhase, RunPhase
from grctl.models.run import RunStatus, Settlement
from grctl.models.wire import Execution
from grctl_operator.engine.observation import SECOND, Event, Key
from grctl_operator.runtime.people.metrics import Metrics

MAX_STEPS_REMEMBERED = 10_000  # of events and of executions: more than are under way; some 3 MB

BAD_ENDS = frozenset({RunPhase.FAILED, RunPhase.TIMED_OUT})
"""Final phases of a run that a person should look at."""

Fields = dict[str, Any]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

logger = logging.getLogger(__name__)


class _Recent(Generic[K, V]):
    """A table of bounded size. It forgets the entry that was put first."""

    def __init__(self) -> None:
        self._entries: OrderedDict[K, V] = OrderedDict()

    def put(self, key: K, value: V) -> None:
        self._entries[key] = value
        if len(self._entries) > MAX_STEPS_REMEMBERED:
            self._entries.popitem(last=False)

    def pop(self, key: K) -> V | None:
        return self._entries.pop(key, None)


class ActivityLog:
    """Follows events and executions from one step to the next.

    Args:
        metrics: Counts the steps and their latencies.
        now: The API server's clock.
        monotonic: A clock for durations, in seconds.
    """

    def __init__(
        self,
        metrics: Metrics,
        now: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._metrics = metrics
        self._now = now
        self._monotonic = monotonic
        self._arrivals: _Recent[str, float] = _Recent()
        """When the watch showed each event, by its uid."""
        self._dispatches: _Recent[str, float] = _Recent()
        """When each execution was dispatched, by its id."""
        self._commits: _Recent[str, Fields] = _Recent()
        """The fields of the commit that consumed each event, by the event's uid."""

    def on_arrival(self, uid: str) -> None:
        """Note that the watch showed a new event."""
        self._arrivals.put(uid, self._monotonic())

    def on_list(self, namespace: str | None, runs: int, found: int) -> None:
        """Record that the events of some runs were read with one consistent list."""
        self._metrics.event_lists.inc()
        logger.debug("listed", extra={"namespace": namespace, "runs": runs, "found": found})

    def on_dispatch(self, execution: Execution, worker: str, event: Event | None) -> None:
        """Record that an execution is sent to a worker."""
        now = self._monotonic()
        self._dispatches.put(execution.id, now)
        if event is not None and execution.attempt == 1:
            self._metrics.create_to_dispatch.observe(self._age(event, now))
        logger.debug("dispatched", extra=_fields_of(execution) | {"worker": worker})

    def on_void(self, execution: Execution, why: str) -> None:
        """Record that an execution is void."""
        self._dispatches.pop(execution.id)
        logger.info("void", extra=_fields_of(execution) | {"why": why})

    def on_records(self, execution: Execution, count: int, failures: int) -> None:
        """Record that a handler recorded operations, with so many failed attempts at tasks."""
        self._metrics.tasks.failures.inc(failures)
        logger.debug("recorded", extra=_fields_of(execution) | {"records": count})

    def on_superseded(self, records: Sized) -> None:
        """Count the records of an execution that its commit made superfluous."""
        self._metrics.tasks.superseded.inc(len(records))

    def on_commit(
        self, key: Key, before: RunStatus, after: RunStatus, executions: Sequence[Execution]
    ) -> None:
        """Record a commit.

        Args:
            key: The run.
            before: The status over which it was written.
            after: The status that was written.
            executions: Those whose outcomes were committed, in order. None: a decision was.
        """
        self._metrics.commits.inc()
        for execution in executions:
            self._time(execution)
        known = {entry.uid for entry in before.settled}
        consumed = [entry for entry in after.settled if entry.uid not in known]
        common = {"commits": after.commits, "phase": after.phase.value}
        handling = {each.event_uid: each for each in executions}
        for entry in consumed:
            handled = _handling_of(handling.get(entry.uid))
            self._commits.put(entry.uid, handled | {"commits": after.commits})
        named = {"run": str(key), **_naming(consumed, executions)}
        level = logging.WARNING if after.phase in BAD_ENDS else logging.INFO
        logger.log(level, "committed", extra=named | common | _why(after))

    def on_settle(self, key: Key, settlement: Settlement) -> None:
        """Record that an event's final phase is written."""
        self._metrics.on_settle(settlement.phase, settlement.reason)
        fields = {
            "run": str(key),
            "event": settlement.name,
            **(self._commits.pop(settlement.uid) or {}),
            "phase": settlement.phase.value,
            "reason": settlement.reason,
            "sequence": settlement.sequence,
        }
        level = logging.DEBUG if settlement.phase is EventPhase.PROCESSED else logging.INFO
        logger.log(level, "settled", extra=fields)

    def _age(self, event: Event, now: float) -> float:
        """Return the time since an event's creation, as far as it is proved."""
        arrived = self._arrivals.pop(event.uid)
        watched = 0.0 if arrived is None else now - arrived
        stamped = (self._now() - event.created - SECOND).total_seconds()  # stamps round down
        return max(watched, stamped)

    def _time(self, execution: Execution) -> None:
        began = self._dispatches.pop(execution.id)
        if began is not None:
            taken = self._monotonic() - began
            self._metrics.dispatch_to_commit.labels(execution.handler_kind.value).observe(taken)


def _fields_of(execution: Execution) -> Fields:
    return {
        "run": f"{execution.namespace}/{execution.workflow_id}",
        "event": execution.event,
        "handler": execution.handler_name,
        "kind": execution.handler_kind.value,
        "attempt": execution.attempt,
        "execution": execution.id,
    }


def _why(status: RunStatus) -> Fields:
    """Return why a run did not complete, without the error's text, which may hold a payload."""
    if status.phase not in BAD_ENDS:
        return {}
    reasons = (each.reason for each in status.conditions if each.type == "Succeeded")
    return {"reason": next(reasons, None), "error": status.error.type if status.error else None}


def _handling_of(execution: Execution | None) -> Fields:
    """Return the fields that the record of a settled event has of its handling."""
    return {"execution": execution.id, "attempt": execution.attempt} if execution else {}


def _naming(consumed: list[Settlement], executions: Sequence[Execution]) -> Fields:
    """Return fields that name the execution and the event of a commit, or how many there are."""
    if len(executions) == 1:
        return _fields_of(executions[0])
    if len(consumed) == 1:
        return {"event": consumed[0].name}
    counted = {"events": len(consumed), "executions": len(executions)}
    return {name: count for name, count in counted.items() if count}

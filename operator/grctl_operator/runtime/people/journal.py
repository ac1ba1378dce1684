"""Journal: what is said of each step forward: a record in the log, a count, a latency.

1. `dispatched`, then `committed` and `settled`, or `void`, tell one story: each names the run, and
   the event and the execution as far as they are known.
2. Constant messages, values as fields; never a payload, a store or an input.
3. At the default level a handler is one record, its commit. A run that failed and an event that
   was not handled are what a person would act on: they are written with their reason.
4. Nothing depends on it. What it remembers to tell is bounded; what is forgotten is not told.
"""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar

from grctl.models.phases import EventPhase, RunPhase
from grctl.models.run import RunStatus, Settlement
from grctl.models.wire import Execution
from grctl_operator.engine.observation import SECOND, Event, Key
from grctl_operator.runtime.people.metrics import Metrics

REMEMBERED = 10_000  # events and executions: more than are usually under way; about 3 MB

TO_LOOK_AT = frozenset({RunPhase.FAILED, RunPhase.TIMED_OUT})
"""Phases in which a run ends and somebody should look."""

Fields = dict[str, Any]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

logger = logging.getLogger(__name__)


class _Recent(Generic[K, V]):
    """A table that forgets what was put first."""

    def __init__(self) -> None:
        self._entries: OrderedDict[K, V] = OrderedDict()

    def put(self, key: K, value: V) -> None:
        self._entries[key] = value
        if len(self._entries) > REMEMBERED:
            self._entries.popitem(last=False)

    def pop(self, key: K) -> V | None:
        return self._entries.pop(key, None)


class Journal:
    """Follows events and executions from one step to the next.

    Args:
        metrics: Where it is counted.
        now: The API server's clock.
        monotonic: A clock for lengths of time, in seconds.
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
        """When the watch showed an event, by its uid."""
        self._dispatches: _Recent[str, float] = _Recent()
        """When an execution was given to a worker, by its id."""
        self._commits: _Recent[str, Fields] = _Recent()
        """What is said of the commit that consumed an event, by the event's uid."""

    def arrived(self, uid: str) -> None:
        """Note that the watch shows a new event."""
        self._arrivals.put(uid, self._monotonic())

    def listed(self, namespace: str | None, runs: int, found: int) -> None:
        """Tell that the events of some runs were read with one consistent list."""
        self._metrics.event_lists.inc()
        logger.debug("listed", extra={"namespace": namespace, "runs": runs, "found": found})

    def dispatched(self, execution: Execution, worker: str, event: Event | None) -> None:
        """Tell that a worker is given an execution."""
        now = self._monotonic()
        self._dispatches.put(execution.id, now)
        if event is not None and execution.attempt == 1:
            self._metrics.create_to_dispatch.observe(self._age(event, now))
        logger.debug("dispatched", extra=_fields_of(execution) | {"worker": worker})

    def void(self, execution: Execution, why: str) -> None:
        """Tell that an execution is over and nothing comes of it."""
        self._dispatches.pop(execution.id)
        logger.info("void", extra=_fields_of(execution) | {"why": why})

    def committed(
        self, key: Key, before: RunStatus, after: RunStatus, executions: Sequence[Execution]
    ) -> None:
        """Tell that a status was written that made something true.

        `executions`: those whose outcomes it made true, in order; none: it was something else.
        """
        self._metrics.commits.inc()
        for execution in executions:
            self._time(execution)
        known = {entry.uid for entry in before.settled}
        consumed = [entry for entry in after.settled if entry.uid not in known]
        said = {"commits": after.commits, "phase": after.phase.value}
        handling = {each.event_uid: each for each in executions}
        for entry in consumed:
            story = _story_of(handling.get(entry.uid))
            self._commits.put(entry.uid, story | {"commits": after.commits})
        named = {"run": str(key), **_naming(consumed, executions)}
        level = logging.WARNING if after.phase in TO_LOOK_AT else logging.INFO
        logger.log(level, "committed", extra=named | said | _why(after))

    def settled(self, key: Key, settlement: Settlement) -> None:
        """Tell that an event's final phase is written."""
        self._metrics.settled(settlement.phase, settlement.reason)
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
        """Give the time since an event's creation, as far as it is proved."""
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
    """Return why a run did not complete, without the error's text: that may hold a payload."""
    if status.phase not in TO_LOOK_AT:
        return {}
    said = (each.reason for each in status.conditions if each.type == "Succeeded")
    return {"reason": next(said, None), "error": status.error.type if status.error else None}


def _story_of(execution: Execution | None) -> Fields:
    """Give what an event's settling says of its handling."""
    return {"execution": execution.id, "attempt": execution.attempt} if execution else {}


def _naming(consumed: list[Settlement], executions: Sequence[Execution]) -> Fields:
    """Name the execution and the event of a commit; of several, say how many."""
    if len(executions) == 1:
        return _fields_of(executions[0])
    if len(consumed) == 1:
        return {"event": consumed[0].name}
    counted = {"events": len(consumed), "executions": len(executions)}
    return {name: count for name, count in counted.items() if count}

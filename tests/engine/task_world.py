"""What the tasks of the stateful test do to the world: each call is counted, and checked at once.

A handler is known by `handler_of`: by its event, or by the outcome that it follows. What its
journal has held is durable until it is over. The checks use what the API server knows, and nothing
of the engine's.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from grctl.models import RunStatus, WorkflowRun
from grctl.models.journal import Entry, is_final
from grctl.models.phases import HandlerKind
from grctl.models.wire import Execution, Failed, Outcome
from tests.engine.checks import require

if TYPE_CHECKING:
    from tests.engine.api_server import ApiServer

Entries = dict[str, Entry]


def handler_of(execution: Execution) -> str:
    """Return which handler an execution is an attempt at."""
    return _handler(execution.run_uid, execution.event_uid, execution.base)


def _handler(run_uid: str, event_uid: str | None, base: str | None) -> str:
    return f"{run_uid}/{event_uid or f'after {base}'}"


def _owner(run_uid: str, status: RunStatus, journal: dict[str, Any]) -> str:
    return _handler(run_uid, journal.get("eventUid"), status.last_execution)


def _counts_failure(old: RunStatus, new: RunStatus) -> bool:
    return _adds_failure(old, new) or (new.step is not None and new.step.stall is not None)


def _adds_failure(old: RunStatus, new: RunStatus) -> bool:
    before = (old.step.failures if old.step else None) or 0
    return new.step is not None and (new.step.failures or 0) > before


@dataclass
class TaskWorld:
    """Where tasks have their side effects."""

    server: "ApiServer"
    calls: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """How often each task was called, by its handler and its key."""
    durable: dict[str, Entries] = field(default_factory=dict)
    """By handler: what its journal has held, as long as it is not over."""
    known: dict[str, Entries] = field(default_factory=dict)
    """By execution: what was durable of its handler when it was dispatched."""
    ahead: set[str] = field(default_factory=set)
    """Executions that were handed over ahead of the outcome that they are built on."""
    outcomes: dict[str, Execution] = field(default_factory=dict)
    """Executions that returned or failed, by id."""
    made_from: dict[str, Entries] = field(default_factory=dict)
    """By execution: what its handler had seen when its outcome was made."""
    failed: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """How many attempts at each handler failed."""
    counted: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """How many of them the status counted."""
    over: set[str] = field(default_factory=set)
    """Handlers that are over: their outcome was committed, or their run is not there any more."""

    # dispatch and calls

    def on_dispatch(self, execution: Execution, *, run: WorkflowRun, ahead: bool) -> None:
        """Note what is durable now.

        Nothing is promised of an operator that does not know the run as it is: the Lease keeps two
        operators from deciding at once, and a leader reads a run before its first decision.
        """
        if ahead:
            self.ahead.add(execution.id)
        current = self.server.run is not None and run.metadata == self.server.run.metadata
        step = run.status.step
        held = step is not None and step.stall is not None
        held = held and step is not None and step.event_uid == execution.event_uid
        require(not (held and current), f"hold: {execution.id} is dispatched, and it is held")
        durable = self.durable.get(handler_of(execution), {}) if current and not ahead else {}
        self.known[execution.id] = dict(durable)

    def on_call(self, execution: Execution, key: str, number: int, seen: Entries) -> None:
        """Count a call of a task, the attempt of this number, and check that it may begin."""
        handler = handler_of(execution)
        self.calls[f"{handler}/{key}"] += 1
        if not self._is_due(execution, handler):
            return
        self._check_not_durable(execution, key, number)
        self._check_barrier(handler, key, seen)
        if execution.id in self.ahead:
            self._check_ahead(execution)

    def _is_due(self, execution: Execution, handler: str) -> bool:
        run = self.server.run
        gone = run is None or run.metadata.uid != execution.run_uid or run.status.phase.finished
        return not gone and handler not in self.over

    def _check_not_durable(self, execution: Execution, key: str, number: int) -> None:
        entry = self.known[execution.id].get(key)
        again = entry is not None and (is_final(entry) or entry["failed"] >= number)
        require(
            not again,
            f"I9 (recorded once): {execution.id} calls {key} again: {entry} was durable before",
        )

    def _check_barrier(self, handler: str, key: str, seen: Entries) -> None:
        durable = self.durable.get(handler, {})
        for other, entry in seen.items():
            counts = durable.get(other)
            require(counts is not None, f"barrier: {key} begins, and {other} is not durable")
            if counts is not None and is_final(entry):
                same = entry == counts
                require(same, f"one value: {key} begins after {entry}, and {counts} counts")

    def _check_ahead(self, execution: Execution) -> None:
        committed = execution.base in self.server.committed
        require(committed, f"side effect: {execution.id} calls a task ahead of the commit")
        run = self.server.run
        if run is None or run.status.commits != execution.commits:
            return  # another attempt went on: that is not known to this one
        event = self.server.events.get(execution.event_uid or "")
        if run.status.last_execution == execution.base and event is not None and event.waits:
            first = self.server.first_taken()
            require(
                first in {None, execution.event_uid},
                f"side effect: {execution.id} calls a task, and it is void: {first} is next",
            )

    def on_return(self, outcome: Outcome, seen: Entries) -> None:
        """Note what an outcome was made from."""
        execution = outcome.execution
        self.outcomes[execution.id] = execution
        self.made_from[execution.id] = dict(seen)
        self.failed[handler_of(execution)] += isinstance(outcome.result, Failed)

    # writes

    def check_write(self, run: WorkflowRun, new: RunStatus) -> None:
        """Check what a write does to the journal. Call it before it is noted."""
        self._check_owner(run, new)
        self._check_values(run, new)
        self._check_failures(run, new)
        uid = run.metadata.uid
        ends = new.phase.finished or new.last_execution != run.status.last_execution
        timed_out = run.status.wait is not None and new.wait is None
        if ends or timed_out:
            return
        kept = (new.journal or {}).get("entries", {})
        for handler, entries in self.durable.items():
            event = handler.removeprefix(f"{uid}/")
            withdrawn = event in self.server.events and not self.server.events[event].exists
            if not handler.startswith(f"{uid}/") or withdrawn:
                continue
            for key, entry in entries.items():
                if "error" in entry and key not in kept and _counts_failure(run.status, new):
                    continue  # the next attempt calls it again
                same = kept.get(key) == entry or (not is_final(entry) and key in kept)
                require(same, f"I9 (recorded once): a write loses {key} of {handler}: {entry}")

    def _check_failures(self, run: WorkflowRun, new: RunStatus) -> None:
        """Check that a failure is counted once, and that no other attempt is counted as failed."""
        if new.step is None or not _adds_failure(run.status, new):
            return
        owner = _handler(run.metadata.uid, new.step.event_uid, new.last_execution)
        counted, failed = self.counted[owner] + 1, self.failed[owner]
        require(counted <= failed, f"hold: {counted} failures of {owner}, and {failed} attempts")

    def _check_owner(self, run: WorkflowRun, new: RunStatus) -> None:
        if new.journal is None:
            return
        owner = _owner(run.metadata.uid, new, new.journal)
        for key, entry in new.journal["entries"].items():
            require(entry["of"] == owner, f"own records: {key} in the journal of {owner}: {entry}")

    def _check_values(self, run: WorkflowRun, new: RunStatus) -> None:
        """Check that the first outcome of a commit was made from the values that count."""
        first = self._first_committed(run.status.last_execution, new.last_execution)
        if first is None:
            return
        durable = self.durable.get(handler_of(first), {})
        for key, entry in self.made_from[first.id].items():
            counts = durable.get(key)
            same = counts is None or not is_final(counts) or counts == entry
            require(same, f"one value: {first.id} commits with {entry}, and {counts} counts")

    def _first_committed(self, old: str | None, new: str | None) -> Execution | None:
        while new is not None and new != old and (execution := self.outcomes.get(new)):
            if execution.base == old:
                return execution
            new = execution.base
        return None

    def on_write(self, old: RunStatus, run: WorkflowRun) -> None:
        """Note what a stored write made durable, and which handlers are over."""
        new, uid = run.status, run.metadata.uid
        if new.step is not None and _adds_failure(old, new):
            self.counted[_handler(uid, new.step.event_uid, new.last_execution)] += 1
        execution: str | None = new.last_execution
        while execution is not None and execution != old.last_execution:
            ended = self.outcomes.get(execution)
            if ended is None:
                break
            self.over.add(handler_of(ended))
            execution = ended.base
        if new.last_execution != old.last_execution or new.phase.finished or new.wait is None:
            for handler in [each for each in self.durable if each.startswith(f"{uid}/")]:
                del self.durable[handler]
        if old.journal is not None and new.journal is None:
            self.durable.pop(_owner(uid, old, old.journal), None)
        if new.journal is not None:
            self.durable[_owner(uid, new, new.journal)] = dict(new.journal["entries"])


def said(execution: Execution, **fields: Any) -> Entry:
    """Return an entry that says which attempt at which handler made it."""
    return {**fields, "by": execution.id, "of": handler_of(execution)}


def is_event(execution: Execution) -> bool:
    return execution.handler_kind is HandlerKind.EVENT

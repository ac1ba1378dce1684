"""A builder of histories, one step after another.

Each method is one thing that happens, at the next revision. What is built is allowed, unless a test
does a step that is not.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from grctl.models.phases import EventPhase, RunPhase
from tests.history.calls import TaskCall
from tests.history.executions import ExecutionStart
from tests.history.history import CreateAnswer, EventVersion, History, OutboxEntry, RunVersion

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@dataclass
class HistoryBuilder:
    """A history so far."""

    revision: int = 0
    answers: list[CreateAnswer] = field(default_factory=list)
    withdrawals: set[str] = field(default_factory=set)
    events: list[EventVersion] = field(default_factory=list)
    runs: list[RunVersion] = field(default_factory=list)
    started: list[ExecutionStart] = field(default_factory=list)
    calls: list[TaskCall] = field(default_factory=list)
    executions: int = 0

    def history(self, **fields: Any) -> History:
        """Return the history."""
        told = History(
            answers=tuple(self.answers),
            withdrawals=frozenset(self.withdrawals),
            events=tuple(self.events),
            runs=tuple(self.runs),
            started=tuple(self.started),
            calls=tuple(self.calls),
            handlers={"Append": frozenset({"append"})},
        )
        return replace(told, **fields)

    def start(self, name: str = "order") -> str:
        """Create a run and return its uid."""
        uid = f"run{len({run.uid for run in self.runs}) + 1}"
        self.runs.append(RunVersion(uid, name, "Append", self._next()))
        return uid

    def send(self, fingerprint: object = None, name: str = "append", **fields: Any) -> str:
        """Create an event for `order` and return its uid."""
        uid = f"event{len({event.uid for event in self.events}) + 1}"
        event = EventVersion(uid, uid, "order", name, self._next(), NOON, fingerprint)
        self.events.append(replace(event, **fields))
        self.answers.append(CreateAnswer(uid, uid, event.revision))
        return uid

    def execute(self, event: str | None = None, attempt: int = 1) -> str:
        """Begin an execution of the last run on a worker, and return its id."""
        self.executions += 1
        execution = f"execution{self.executions}"
        self.started.append(ExecutionStart(execution, self.run.uid, event, attempt, pid=1))
        return execution

    def call(self, execution: str, key: str, result: str | None = None) -> None:
        """Begin a task call of an execution, or end it with a result."""
        start = next(each for each in self.started if each.execution == execution)
        handler = f"{start.run}-{start.event or self.run.commits}"
        self.calls.append(TaskCall(key, key, handler, execution, start.attempt, result))

    def record(self, event: str, attempt: int, *results: str) -> None:
        """Write a version of the run in which an attempt is due, with these recorded results."""
        journal = tuple((f"key of {result}", result) for result in results)
        self.change(
            step="append", step_event=event, attempt=attempt, journal=journal, journal_event=event
        )

    def commit(
        self,
        *events: str,
        execution: str | None = None,
        phase: EventPhase = EventPhase.PROCESSED,
        reason: str = "Handled",
        **fields: Any,
    ) -> None:
        """Commit events; the fingerprints of processed ones go into the store."""
        run, first = self.run, self.run.settled + 1
        consumed = tuple(
            OutboxEntry(event, run.uid, phase, reason, number)
            for number, event in enumerate(events, first)
        )
        brought = tuple(self.event(each).fingerprint for each in events)
        processed = brought if phase is EventPhase.PROCESSED else ()
        written = {
            "commits": run.commits + 1,
            "last_execution": execution or run.last_execution,
            "settled": run.settled + len(events),
            "outbox": consumed,
            "payloads": (*run.payloads, *processed),
            "step": None,
            "journal": (),
        }
        self.change(**written | fields)

    def change(self, **fields: Any) -> None:
        """Write a new version of the last run."""
        fields = {"revision": self._next()} | fields
        self.runs.append(replace(self.run, **fields))

    def settle(self, event: str, **fields: Any) -> None:
        """Write an event's status as the last commit has it."""
        found = next(each for each in self.run.outbox if each.event == event)
        told = {"phase": found.phase, "reason": found.reason, "sequence": found.sequence}
        self.change_event(event, **{**told, "run": found.run, **fields})

    def change_event(self, event: str, **fields: Any) -> None:
        """Write a new version of an event."""
        self.events.append(replace(self.event(event), revision=self._next(), **fields))

    def handle(self, event: str) -> None:
        """Execute, commit and settle an event."""
        self.commit(event, execution=self.execute(event))
        self.settle(event)

    def reject(self, event: str, reason: str) -> None:
        """Reject and settle an event."""
        self.commit(event, phase=EventPhase.REJECTED, reason=reason)
        self.settle(event)

    def delete(self, event: str, *, asked: bool = True) -> None:
        """Delete an event."""
        if asked:
            self.withdrawals.add(event)
        self.change_event(event, exists=False)

    def finish(self) -> None:
        """Complete the last run."""
        self.commit(execution=self.execute(), phase=EventPhase.PROCESSED)
        self.change(phase=RunPhase.COMPLETED)

    @property
    def run(self) -> RunVersion:
        """The last version of the last run."""
        return self.runs[-1]

    def event(self, uid: str) -> EventVersion:
        """Return the last version of an event."""
        return next(each for each in reversed(self.events) if each.uid == uid)

    def _next(self) -> int:
        self.revision += 1
        return self.revision


def second(number: float) -> datetime:
    """Return a moment after noon."""
    return NOON + timedelta(seconds=number)

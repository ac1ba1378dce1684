"""The change that a decision makes to a run: what `invariants` checks.

It shares no code with the rules: otherwise a mistake in a rule would hide itself.
"""

from collections.abc import Iterator
from datetime import datetime
from functools import cached_property

from grctl.models.run import RunStatus, Settlement, WorkflowRun
from grctl_operator.engine.observation import Event, Events


class Change:
    """What a decision changes of a run's status, and what it was decided upon."""

    def __init__(self, run: WorkflowRun, new: RunStatus, events: Events, now: datetime) -> None:
        self.run = run
        self.old = run.status
        self.new = new
        self.events = events
        self.now = now
        count = new.events.total - run.status.events.total if new is not run.status else 0
        self.consumed: tuple[Settlement, ...] = new.settled[-count:] if count > 0 else ()
        """The outbox entries that the write adds."""
        self.has_outcome = new.last_execution != run.status.last_execution
        """Whether the write commits the outcome of an execution."""
        self.is_commit = bool(self.consumed) or new.commits != run.status.commits
        """Whether the write makes something true."""

    @property
    def ends_handler(self) -> bool:
        """Whether the handler that was due before the write is over after it."""
        timed_out = self.old.wait is not None and self.new.wait is None
        return self.has_outcome or self.new.phase.finished or timed_out

    @property
    def counts_failure(self) -> bool:
        """Whether the write counts a failed attempt: its handler is tried again, or held."""
        old, new = self.old.step, self.new.step
        if new is None or new is old:
            return False
        failures = (old.failures if old else None) or 0
        return new.stall is not None or (new.failures or 0) > failures

    @cached_property
    def consumed_before(self) -> frozenset[str]:
        """Uids of the events that the outbox holds already."""
        return frozenset([entry.uid for entry in self.old.settled])

    @property
    def waiting(self) -> Iterator[Event]:
        """The events that no commit has consumed, in order."""
        consumed = self.consumed_before
        return (event for event in self.events if event.uid not in consumed)

    @property
    def taken(self) -> Iterator[Event]:
        """The waiting events that the wait before the write takes, in order."""
        wait = self.old.wait
        if wait is None or wait.events is None:
            return self.waiting
        names, consumed = set(wait.events), self.consumed_before
        found = self.events.of_groups(lambda group: group.event_name in names)
        return (event for event in found if event.uid not in consumed)

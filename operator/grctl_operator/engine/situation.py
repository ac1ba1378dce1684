"""The situation of one run: the facts that a decision is made from, and questions about them.

A situation does not change while a decision is made. The answer to a question that several rules
ask is cached.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from grctl.models.journal import Entry, is_final
from grctl.models.phases import HandlerKind
from grctl.models.run import Settlement, WorkflowRun
from grctl.models.wire import Execution
from grctl_operator.engine.choice import eligible, is_taken, names_of, taken_events
from grctl_operator.engine.journal import entries_for, same_entry
from grctl_operator.engine.observation import Event, Events, Executions, Held, whole_second

OUTBOX_LIMIT = 64
"""Entries of `status.settled`. Each adds about 200 bytes to every write of the run."""


@dataclass(frozen=True)
class Situation:
    """The four arguments of `decide`: the run, its events, its executions, and the time."""

    run: WorkflowRun
    events: Events
    executions: Executions
    now: datetime

    @cached_property
    def second(self) -> datetime:
        """The present whole second, as it is written for people and compared with stamps."""
        return whole_second(self.now)

    @cached_property
    def consumed_uids(self) -> frozenset[str]:
        """Uids of the events in the outbox: a written commit has consumed them."""
        return frozenset(entry.uid for entry in self.run.status.settled)

    @cached_property
    def events_complete(self) -> bool:
        """Whether the view of the events shows none that the run has consumed: I4 (one commit)."""
        return self.events.is_complete(self.run.metadata.uid, self.run.status.commits)

    def trusts(self, event: Event) -> bool:
        """Return whether a waiting event is known not to be consumed already.

        An event that was there before the run may have been consumed by an earlier run of that id
        whose end this operator did not see. Only a list that was taken after this run was read can
        show that. An event came after the run if both its stamp and its place say so
        (docs/decisions/0035).
        """
        uid, created = self.run.metadata.uid, self.run.metadata.creation_timestamp
        listing, first = self.events.listing, self.events.run_first_revision
        listed = listing is not None and listing.run_uid == uid
        stamped_later = created is not None and event.created > created
        younger = stamped_later and first is not None and event.place > first
        certain = event.uid not in self.events.in_doubt
        return certain and self.events_complete and (listed or younger)

    def is_current(self, execution: Execution) -> bool:
        """Return whether an execution was built on the run as it is: the fence of I4 (one commit).

        Only a wait takes events. If an event was handed over ahead, and the handler before it went
        on with a step, the execution of that event is void.
        """
        status = self.run.status
        handles_event = execution.handler_kind is HandlerKind.EVENT
        return (
            execution.run_uid == self.run.metadata.uid
            and execution.workflow_type == self.run.spec.workflow.type
            and execution.commits == status.commits
            and execution.base == status.last_execution
            and handles_event == (status.wait is not None)
            and not status.phase.finished
        )

    @cached_property
    def in_flight(self) -> tuple[Held, ...]:
        """Executions that a worker has and may bring back, or has brought, and that may commit.

        They are in commit order: the first is built on the committed status, each next one on the
        one before it. An execution that was built on a void, lost or withdrawn one is not in
        flight.
        """
        usable = [
            held
            for held in self.executions.held
            if (held.outcome is not None or not held.lost)
            and not self.is_contradicted(held)
            and not self.is_withdrawn(held)
            and not self.is_late(held)
            and not self.is_out_of_turn(held)
        ]
        built_on: dict[str | None, list[Held]] = {}
        for held in usable:
            built_on.setdefault(held.execution.base, []).append(held)
        found = [held for held in usable if self.is_current(held.execution)]
        for base in found:  # the loop appends to the list that it reads
            behind = built_on.get(base.execution.id, ())
            found += [held for held in behind if follows(held.execution, base.execution)]
        return tuple(found)

    @cached_property
    def _ids_in_flight(self) -> frozenset[str]:
        return frozenset(held.execution.id for held in self.in_flight)

    def is_in_flight(self, held: Held) -> bool:
        """Return whether an execution is in flight."""
        return held.execution.id in self._ids_in_flight

    def is_contradicted(self, held: Held) -> bool:
        """Return whether an outcome was made from a value that another attempt recorded otherwise.

        Of two live attempts, the first record of a call counts, and its handler goes on with that
        value. A return waits for no record, so the other attempt may have returned by then.
        """
        return self.contradicted_call(held) is not None

    def contradicted_call(self, held: Held) -> str | None:
        """Return the key of the journal that an outcome contradicts; None if there is none."""
        sent = held.outcome.records if held.outcome else None
        if not sent:
            return None
        durable = entries_for(self.run.status, held.execution.event_uid)
        return next((key for key, entry in sent.items() if _differs(durable.get(key), entry)), None)

    def is_withdrawn(self, held: Held) -> bool:
        """Return whether the event of an execution was deleted before it was consumed."""
        uid = held.execution.event_uid
        return uid is not None and self.events_complete and self.events.find(uid) is None

    def is_late(self, held: Held) -> bool:
        """Return whether the event of an execution came after the deadline of the present wait.

        Such an event was handed over ahead: before this wait, and so its deadline, existed. If an
        event with a later place is stamped in time, the clock went back. Then this one counts as in
        time too: I7 (deadlines).
        """
        wait, event = self.run.status.wait, self.events.find(held.execution.event_uid)
        deadline = wait.deadline if wait else None
        if event is None or deadline is None or event.created <= deadline:
            return False
        taken = taken_events(names_of(wait), self.events, self.consumed_uids)
        behind = (each for each in taken if each.place > event.place)
        return not any(each.created <= deadline for each in behind)

    def is_out_of_turn(self, held: Held) -> bool:
        """Return whether the event of a current execution is not the one that ends the wait.

        Such an event was handed over ahead, before this wait existed: the wait does not take it, or
        takes an earlier one that the wait before did not take: I2 (one order).
        """
        event = self.events.find(held.execution.event_uid)
        if event is None or not self.is_current(held.execution):
            return False
        if not is_taken(names_of(self.run.status.wait), event.event_name):
            return True
        first = self.first_event
        return first is not None and first.uid != event.uid and self.trusts(first)

    @cached_property
    def first_event(self) -> Event | None:
        """Return the event that ends the wait of the written status."""
        return next(eligible(self.run.status.wait, self.events, self.consumed_uids), None)

    @cached_property
    def unconfirmed_entries(self) -> tuple[Settlement, ...]:
        """Outbox entries that must stay: their events are not known to be settled yet."""
        settled = self.run.status.settled
        if not self.events_complete:
            return settled
        return tuple(entry for entry in settled if self.events.find(entry.uid))

    @property
    def outbox_room(self) -> int:
        """How many more events may be consumed."""
        return OUTBOX_LIMIT - len(self.unconfirmed_entries)


def _differs(durable: Entry | None, sent: Entry) -> bool:
    return durable is not None and is_final(durable) and not same_entry(durable, sent)


def follows(execution: Execution, base: Execution) -> bool:
    """Return whether an execution was built on another one: I4 (one commit)."""
    return (
        execution.base == base.id
        and execution.commits == base.commits + 1
        and execution.run_uid == base.run_uid
        and execution.workflow_type == base.workflow_type
    )

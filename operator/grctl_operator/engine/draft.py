"""A Decision in the making: the status as the rules change it, and the effects they ask for.

Invariant: `commits` grows with each status that makes something true, and never otherwise: by the
number of outcomes in it, and at least by one.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from grctl.json.serialization import cut
from grctl.models.limits import MAX_MESSAGE_BYTES
from grctl.models.phases import EventPhase, HandlerKind, RunPhase
from grctl.models.run import HistoryEntry, RunStatus, Settlement, WorkflowRun
from grctl.models.wire import Execution
from grctl_operator.engine.decision import (
    Announce,
    Decision,
    Dispatch,
    Effect,
    ListEvents,
    Settle,
)
from grctl_operator.engine.observation import Event, Events, Executions, Held, whole_second
from grctl_operator.engine.transitions import check_transition

SHOWN_AFTER = timedelta(seconds=0.25)
"""What lasts this long is worth a write of its own for people; what does not costs nothing."""

OUTBOX_LIMIT = 64
"""Entries of `status.settled`. Each costs about 200 bytes in every write of the run."""

HISTORY_LENGTH = 10

WITH_NEXT = 8
"""Outcomes that may wait for the next ones: half of what is handed over ahead (decision 0011)."""


USER_VALUES = frozenset({"store", "result"})
"""Fields of the status that hold JSON of users. They are never compared: to Python `False == 0`,
so a store that changed would count as unchanged. They change only within a commit, which is
written in any case."""


class Draft:
    """What the rules work on."""

    def __init__(
        self, run: WorkflowRun, events: Events, executions: Executions, now: datetime
    ) -> None:
        self.run = run
        self.events = events
        self.executions = executions
        self.now = now
        self.status: RunStatus = run.status
        self.before: list[Effect] = []
        self.after: list[Effect] = []
        self.ended_by: str | None = None
        """Why the run ends with this draft."""
        self._consumed = {entry.uid for entry in run.status.settled}
        """Uids of the outbox's events, and of those that the commit under way consumes."""
        self.background = False
        """Only what the workers' catalogues say is shown anew."""
        self._must_write = False
        self._so_since = now
        """Since when that is so which only people need to see."""
        self._wake_at: datetime | None = None

    @property
    def second(self) -> datetime:
        """The present whole second: what is written for people and compared with stamps."""
        return whole_second(self.now)

    @property
    def events_complete(self) -> bool:
        """Whether every event that the run has consumed is known as consumed (rule 4)."""
        return self.events.complete(self.run.metadata.uid, self.run.status.commits)

    def trusts(self, event: Event) -> bool:
        """Say whether a waiting event is known not to be consumed already.

        An event that was there before the run may have been consumed by an earlier run of that id,
        whose end we did not watch; only a list taken after this run was read tells. It came after
        the run if both its stamp and its place say so (docs/decisions/0035).
        """
        uid, created = self.run.metadata.uid, self.run.metadata.creation_timestamp
        listing, since = self.events.listing, self.events.run_since
        listed = listing is not None and listing.run_uid == uid
        stamped_later = created is not None and event.created > created
        younger = stamped_later and since is not None and event.place > since
        certain = event.uid not in self.events.in_doubt
        return certain and self.events_complete and (listed or younger)

    def is_current(self, execution: Execution) -> bool:
        """Return whether an execution was built on the run as it is: the fence of rule 4.

        Only a wait takes events: one that was handed over ahead, behind a handler that then went
        on with a step, is void.
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

        Built on the run as it is, or behind one of these: what an execution was built on comes
        before it, and where that is void, lost or withdrawn, so is the execution.
        """
        usable = [
            held
            for held in self.executions.held
            if (held.outcome is not None or not held.lost)
            and not self.is_withdrawn(held)
            and not self.is_late(held)
        ]
        built_on: dict[str | None, list[Held]] = {}
        for held in usable:
            built_on.setdefault(held.execution.base, []).append(held)
        found = [held for held in usable if self.is_current(held.execution)]
        for base in found:  # grows while we go through it
            behind = built_on.get(base.execution.id, ())
            found += [held for held in behind if follows(held.execution, base.execution)]
        return tuple(found)

    @cached_property
    def _flying(self) -> frozenset[str]:
        return frozenset(held.execution.id for held in self.in_flight)

    def flies(self, held: Held) -> bool:
        """Say whether an execution is in flight."""
        return held.execution.id in self._flying

    def is_withdrawn(self, held: Held) -> bool:
        """Say whether the event that an execution handles is gone, and was not consumed."""
        uid = held.execution.event_uid
        return uid is not None and self.events_complete and self.events.find(uid) is None

    def is_late(self, held: Held) -> bool:
        """Say whether the event of an execution came after the deadline of the present wait.

        Only one that was handed over ahead can be: the wait began when the one before it ended.
        Where a clock went back, it is in time if an event behind it is (rule 7).
        """
        wait, event = self.run.status.wait, self.events.find(held.execution.event_uid)
        deadline = wait.deadline if wait else None
        if event is None or deadline is None or event.created <= deadline:
            return False
        behind = (each for each in self.events if each.place > event.place)
        return not any(each.created <= deadline and not self.is_settled(each) for each in behind)

    def read_events(self) -> None:
        """Ask for a consistent list. None tells what becomes of an event that is in doubt."""
        if self.events.in_doubt:
            return
        if ListEvents() not in self.before:
            self.before.append(ListEvents())

    def wake(self, moment: datetime) -> None:
        """Look again at that time, or earlier."""
        self._wake_at = min(moment, self._wake_at or moment)

    def change(self, **fields: Any) -> None:
        """Change the status; what is so already costs no copy."""
        known = vars(self.status)
        if not USER_VALUES & fields.keys() and all(
            known[name] == value for name, value in fields.items()
        ):
            return
        if self.status is self.run.status:
            self.status = self.run.status.model_copy(update=fields)
        else:
            known.update(fields)  # that copy is nobody else's yet; another one at each rule is dear

    def show_since(self, moment: datetime) -> None:
        """Note since when what the status newly shows is so: it is shown once it has lasted."""
        self._so_since = min(moment, self.now)

    def write_first(self, **fields: Any) -> None:
        """Change what only the operator knows: it is written before anything follows from it."""
        self.change(**fields)
        self._must_write = True

    def commit(
        self, execution: Execution | None = None, *, outcomes: int = 1, **fields: Any
    ) -> None:
        """Make something true, once: the write is fenced, and `commits` moves with it.

        Outbox entries whose settling is known go with it (rule "When an outbox entry may go").
        `execution` is the last of those whose outcomes are committed.
        """
        last = execution.id if execution else self.status.last_execution
        self.write_first(
            commits=self.run.status.commits + outcomes,
            last_execution=last,
            settled=self.unconfirmed + self._newly_settled,
            **fields,
        )

    def consume(
        self, event: Event, phase: EventPhase, reason: str, message: str | None = None
    ) -> None:
        """Give an event its final phase, with the commit under way."""
        counts = self.status.events.count(phase)
        settlement = Settlement(
            uid=event.uid,
            name=event.name,
            phase=phase,
            reason=reason,
            message=message and cut(message, MAX_MESSAGE_BYTES),
            sequence=counts.total,
            at=self.second,
        )
        self.change(events=counts, settled=(*self.status.settled, settlement))
        self._consumed.add(event.uid)
        self.after.append(Settle(settlement, self.run.metadata.uid))

    @property
    def _newly_settled(self) -> tuple[Settlement, ...]:
        return self.status.settled[len(self.run.status.settled) :]

    @cached_property
    def unconfirmed(self) -> tuple[Settlement, ...]:
        """Outbox entries that must stay: the event cache does not know them settled yet."""
        settled = self.run.status.settled
        if not self.events_complete:
            return settled
        return tuple(entry for entry in settled if self.events.find(entry.uid))

    @property
    def outbox_room(self) -> int:
        """How many more events may be consumed."""
        return OUTBOX_LIMIT - len(self.unconfirmed)

    def is_settled(self, event: Event) -> bool:
        """Say whether a commit of this run has consumed the event, or the one under way does."""
        return event.uid in self._consumed

    def record(self, entry: HistoryEntry) -> None:
        """Add to the tail of commits that people see."""
        self.change(history=(*self.status.history, entry)[-HISTORY_LENGTH:])

    def record_rejection(self, events: Sequence[Event]) -> None:
        """Add the commit under way, which rejects events and does nothing else."""
        what = events[0].event_name if len(events) == 1 else f"{len(events)} events"
        entry = HistoryEntry(
            commit=self.run.status.commits + 1,
            at=self.second,
            handler="",
            kind="rejection",
            event=events[0].name if len(events) == 1 else None,
            outcome=f"rejected {what}",
        )
        self.record(entry)

    def finish(self, phase: RunPhase, reason: str, message: str, **fields: Any) -> None:
        """End the run, within a commit. `reason` is what its conditions say from then on."""
        self.ended_by = reason
        text = cut(message, MAX_MESSAGE_BYTES)
        self.change(phase=phase, message=text, finished_at=self.second, **fields)
        self.change(step=None, wait=None)

    def announce(
        self,
        reason: str,
        message: str,
        event: Event | None = None,
        *,
        warning: bool = False,
        times: int = 1,
    ) -> None:
        """Tell people, once what it says is true."""
        self.after.append(Announce(reason, message, event, warning, times=times))

    def decision(self) -> Decision:
        """Give the answer.

        Raises:
            ValueError: a rule changed the phase as the table of phases does not allow.
        """
        check_transition(self.run.status.phase, self.status.phase)
        changed = self.status is not self.run.status and self.status != self.run.status
        shown_by = max(self.now, self._so_since + SHOWN_AFTER)
        write_by = self.now if self._must_write or self.background else shown_by
        rests = changed and self._rests
        return Decision(
            status=self.status if changed else None,
            write_by=write_by if changed else None,
            before=tuple(self.before),
            after=tuple(self.after),
            wake_at=self._wake_at,
            rests=rests,
            with_next=rests and goes_on(self.run, self.executions, self.in_flight),
            background=changed and self.background,
        )

    @property
    def _rests(self) -> bool:
        """Whether the run waits for an event, and no worker has yet to get one that is there."""
        return self.status.phase is RunPhase.WAIT_EVENT and self.all_given

    @property
    def all_given(self) -> bool:
        """Whether no worker has yet to get an event that is there."""
        given = {held.execution.event_uid for held in self.in_flight} | self._given_now
        return all(event.uid in given or self.is_settled(event) for event in self.events)

    @property
    def _given_now(self) -> set[str]:
        dispatches = (effect for effect in self.before if isinstance(effect, Dispatch))
        return {event.uid for each in dispatches for event in (each.event, *each.then) if event}


def goes_on(run: WorkflowRun, executions: Executions, held: Sequence[Held]) -> bool:
    """Say whether a run waited before as well, and no worker needs a write of it to go on."""
    back = sum(each.outcome is not None for each in held)
    return run.status.wait is not None and back <= WITH_NEXT and executions.leave_room(held)


def follows(execution: Execution, base: Execution) -> bool:
    """Say whether an execution was built on what another one leaves (rule 4)."""
    return (
        execution.base == base.id
        and execution.commits == base.commits + 1
        and execution.run_uid == base.run_uid
        and execution.workflow_type == base.workflow_type
    )

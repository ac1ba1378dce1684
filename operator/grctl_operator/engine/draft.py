"""A Decision in the making: the status as the rules change it, and the effects they ask for.

Invariant: `commits` grows with each status that makes something true, and never otherwise: by the
number of outcomes in it, and at least by one.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from grctl.json.serialization import cut
from grctl.models.limits import MAX_MESSAGE_BYTES
from grctl.models.phases import EventPhase, RunPhase
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
from grctl_operator.engine.observation import Event, Executions, Held
from grctl_operator.engine.situation import Situation

SHOWN_AFTER = timedelta(seconds=0.25)
"""What lasts this long is worth a write of its own for people; what does not costs nothing."""

HISTORY_LENGTH = 10

WITH_NEXT = 8
"""Outcomes that may wait for the next ones: half of what is handed over ahead (decision 0011)."""


USER_VALUES = frozenset({"store", "result"})
"""Fields of the status that hold JSON of users. They are never compared: to Python `False == 0`,
so a store that changed would count as unchanged. They change only within a commit, which is
written in any case."""


class Draft:
    """What the rules have decided so far. Rules write it; what is so they ask the Situation."""

    def __init__(self, situation: Situation) -> None:
        self._situation = situation
        self.status: RunStatus = situation.run.status
        """The status as it will be."""
        self.before: list[Effect] = []
        self.after: list[Effect] = []
        self.ended_by: str | None = None
        """Why the run ends with this draft."""
        self.consumed = set(situation.consumed)
        """Uids of the events that commits have consumed, with those of the present commit."""
        self.background = False
        """Only what the workers' catalogues say is shown anew."""
        self._must_write = False
        self._so_since = situation.now
        """Since when the part of the status that only people read has been true."""
        self._wake_at: datetime | None = None

    def read_events(self) -> None:
        """Ask for a consistent list. None tells what becomes of an event that is in doubt."""
        if self._situation.events.in_doubt:
            return
        if ListEvents() not in self.before:
            self.before.append(ListEvents())

    def wake(self, moment: datetime) -> None:
        """Look again at that time, or earlier."""
        self._wake_at = min(moment, self._wake_at or moment)

    def change(self, **fields: Any) -> None:
        """Change the status; what is so already costs no copy."""
        known = vars(self.status)
        if not any(
            known[name] is not value and (name in USER_VALUES or known[name] != value)
            for name, value in fields.items()
        ):
            return
        if self.status is self._situation.run.status:
            self.status = self._situation.run.status.model_copy(update=fields)
        else:
            known.update(fields)  # that copy is nobody else's yet; another one at each rule is dear

    def show_since(self, moment: datetime) -> None:
        """Note since when what the status newly shows is so: it is shown once it has lasted."""
        self._so_since = min(moment, self._situation.now)

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
            commits=self._situation.run.status.commits + outcomes,
            last_execution=last,
            settled=self._situation.unconfirmed + self._newly_settled,
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
            at=self._situation.second,
        )
        self.change(events=counts, settled=(*self.status.settled, settlement))
        self.consumed.add(event.uid)
        self.after.append(Settle(settlement, self._situation.run.metadata.uid))

    @property
    def _newly_settled(self) -> tuple[Settlement, ...]:
        return self.status.settled[len(self._situation.run.status.settled) :]

    def record(self, entry: HistoryEntry) -> None:
        """Add to the tail of commits that people see."""
        self.change(history=(*self.status.history, entry)[-HISTORY_LENGTH:])

    def record_rejection(self, events: Sequence[Event]) -> None:
        """Add the commit under way, which rejects events and does nothing else."""
        what = events[0].event_name if len(events) == 1 else f"{len(events)} events"
        entry = HistoryEntry(
            commit=self._situation.run.status.commits + 1,
            at=self._situation.second,
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
        self.change(phase=phase, message=text, finished_at=self._situation.second, **fields)
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
        """Return what was decided."""
        changed = (
            self.status is not self._situation.run.status
            and self.status != self._situation.run.status
        )
        shown_by = max(self._situation.now, self._so_since + SHOWN_AFTER)
        write_by = self._situation.now if self._must_write or self.background else shown_by
        rests = changed and self._rests
        return Decision(
            status=self.status if changed else None,
            write_by=write_by if changed else None,
            before=tuple(self.before),
            after=tuple(self.after),
            wake_at=self._wake_at,
            rests=rests,
            with_next=rests
            and goes_on(self._situation.run, self._situation.executions, self._situation.in_flight),
            background=changed and self.background,
        )

    @property
    def _rests(self) -> bool:
        """Whether the run waits for an event, and no worker has yet to get one that is there."""
        return self.status.phase is RunPhase.WAIT_EVENT and self.all_given

    @property
    def all_given(self) -> bool:
        """Whether no worker has yet to get an event that is there."""
        given = {held.execution.event_uid for held in self._situation.in_flight} | self._given_now
        return all(
            event.uid in given or event.uid in self.consumed for event in self._situation.events
        )

    @property
    def _given_now(self) -> set[str]:
        dispatches = (effect for effect in self.before if isinstance(effect, Dispatch))
        return {event.uid for each in dispatches for event in (each.event, *each.then) if event}


def goes_on(run: WorkflowRun, executions: Executions, held: Sequence[Held]) -> bool:
    """Say whether a run waited before as well, and no worker needs a write of it to go on."""
    back = sum(each.outcome is not None for each in held)
    return run.status.wait is not None and back <= WITH_NEXT and executions.leave_room(held)

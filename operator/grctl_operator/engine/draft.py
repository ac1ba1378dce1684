"""A decision in the making: the status as the rules change it, and the effects they ask for.

`commits` grows only with a status that makes something true: by the number of outcomes in it, and
at least by one.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from grctl.json.serialization import cut
from grctl.models.limits import MAX_MESSAGE_BYTES
from grctl.models.phases import EventPhase, RunPhase
from grctl.models.run import Handling, HistoryEntry, RunStatus, Settlement
from grctl.models.wire import Execution
from grctl_operator.engine.choice import names_of, taken_events
from grctl_operator.engine.decision import (
    Announce,
    AwaitWorker,
    Decision,
    Dispatch,
    Effect,
    ListEvents,
    Release,
    Settle,
)
from grctl_operator.engine.observation import Event
from grctl_operator.engine.situation import Situation
from grctl_operator.engine.urgency import Urgency, may_batch

HISTORY_LENGTH = 10


USER_VALUES = frozenset({"store", "result", "answers", "journal"})
"""Fields of the status that hold JSON of users. They are never compared: in Python `False == 0`, so
a changed store could count as unchanged. They change only within a commit, which is written in
any case; the journal changes also by an entry that is new, or has another form."""


class Draft:
    """What the rules have decided so far. They only write it; they ask the Situation."""

    def __init__(self, situation: Situation) -> None:
        self._situation = situation
        self.status: RunStatus = situation.run.status
        """The status with all changes so far."""
        self.before: list[Effect] = []
        self.after: list[Effect] = []
        self.ended_by: str | None = None
        """The reason of the run's end, if this draft ends it."""
        self.consumed_uids = set(situation.consumed_uids)
        """Uids of the consumed events: those of written commits and those of this draft's."""
        self.background = False
        """Whether only the workers' catalogues changed."""
        self.defers_outcomes = False
        """Whether outcomes are deferred to a later write."""
        self.is_awaited = False
        """Whether a handler waits for the write: it is neither batched nor deferred."""
        self.handling: Handling | None = None
        """How the event that is consumed next was handled."""
        self._must_write = False
        self._so_since = situation.now
        """Since when the readable part of the status has been true."""
        self._look_again_at: datetime | None = None

    def read_events(self) -> None:
        """Ask for a consistent list, unless an event is in doubt: no list can settle that."""
        if self._situation.events.in_doubt:
            return
        if ListEvents() not in self.before:
            self.before.append(ListEvents())

    def await_worker(self) -> None:
        """Ask for another decision when a worker of the type connects."""
        if not any(isinstance(effect, AwaitWorker) for effect in self.before):
            self.before.append(AwaitWorker())

    def wake(self, moment: datetime) -> None:
        """Ask for another decision at that moment, or earlier."""
        self._look_again_at = min(moment, self._look_again_at or moment)

    def change(self, **fields: Any) -> None:
        """Change fields of the status. Fields that have these values already cost no copy."""
        known = vars(self.status)
        if not any(
            known[name] is not value and (name in USER_VALUES or known[name] != value)
            for name, value in fields.items()
        ):
            return
        if self.status is self._situation.run.status:
            self.status = self._situation.run.status.model_copy(update=fields)
        else:
            known.update(
                fields
            )  # the draft owns that copy: a second one for each rule would be costly

    def show_since(self, moment: datetime) -> None:
        """Note since when the readable part of the status is true: it is written if it lasts."""
        self._so_since = min(moment, self._so_since)

    def write_first(self, **fields: Any) -> None:
        """Change what only the operator knows: it is written before anything follows from it."""
        self.change(**fields)
        self._must_write = True

    def commit(
        self, execution: Execution | None = None, *, outcomes: int = 1, **fields: Any
    ) -> None:
        """Make something true once: the write is fenced, and `commits` grows with it.

        Outbox entries whose events are known to be settled are dropped. `execution` is the last of
        those whose outcomes are committed.
        """
        last = execution.id if execution else self.status.last_execution
        self.write_first(
            commits=self._situation.run.status.commits + outcomes,
            last_execution=last,
            settled=self._situation.unconfirmed_entries + self._newly_settled,
            **fields,
        )

    def consume(
        self, event: Event, phase: EventPhase, reason: str, message: str | None = None
    ) -> None:
        """Add an event to the present commit, with its final phase."""
        counts = self.status.events.count(phase)
        settlement = Settlement(
            uid=event.uid,
            name=event.name,
            phase=phase,
            reason=reason,
            message=message and cut(message, MAX_MESSAGE_BYTES),
            sequence=counts.total,
            at=self._situation.second,
            handling=self.handling,
        )
        self.change(events=counts, settled=(*self.status.settled, settlement))
        self.consumed_uids.add(event.uid)
        self.after.append(Settle(settlement, self._situation.run.metadata.uid))

    @property
    def _newly_settled(self) -> tuple[Settlement, ...]:
        return self.status.settled[len(self._situation.run.status.settled) :]

    def record(self, entry: HistoryEntry) -> None:
        """Add an entry to the history, of which the newest entries are kept."""
        self.change(history=(*self.status.history, entry)[-HISTORY_LENGTH:])

    def record_rejection(self, events: Sequence[Event]) -> None:
        """Add a commit to the history that only rejects events."""
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
        """End the run within a commit. `reason` stays the reason of its conditions."""
        self.ended_by = reason
        text = cut(message, MAX_MESSAGE_BYTES)
        self.change(phase=phase, message=text, finished_at=self._situation.second, **fields)
        self.change(step=None, wait=None, journal=None)

    def announce(
        self,
        reason: str,
        message: str,
        event: Event | None = None,
        *,
        warning: bool = False,
        times: int = 1,
    ) -> None:
        """Ask for a core Event once the status is written."""
        self.after.append(Announce(reason, message, event, warning, times=times))

    @property
    def released(self) -> frozenset[str]:
        """The executions that are released."""
        effects = (*self.before, *self.after)
        return frozenset(each.execution for each in effects if isinstance(each, Release))

    def decision(self) -> Decision:
        """Return what was decided."""
        run = self._situation.run
        changed = self.status is not run.status and self.status != run.status
        rests = changed and self._rests and not self.is_awaited
        if changed and self._must_write and not rests:
            self.wake(self._situation.now)
        return Decision(
            status=self.status if changed else None,
            urgency=self._urgency(rests) if changed or self.defers_outcomes else None,
            so_since=self._so_since if changed else None,
            before=tuple(self.before),
            after=tuple(self.after),
            look_again_at=self._look_again_at,
        )

    def _urgency(self, rests: bool) -> Urgency:
        if self.defers_outcomes:
            return Urgency.BATCHED
        if self.is_awaited:
            return Urgency.NOW
        if self.background:
            return Urgency.IN_BACKGROUND
        if not self._must_write:
            return Urgency.FOR_PEOPLE
        what = self._situation
        batched = rests and may_batch(what.run, what.executions, what.in_flight)
        return Urgency.BATCHED if batched else Urgency.NOW

    @property
    def _rests(self) -> bool:
        """Whether the run waits, and each event that it waits for and is there was handed over."""
        waits = self.status.phase is RunPhase.WAIT_EVENT
        return waits and all_handed_over(self._situation, self)


def all_handed_over(situation: Situation, draft: Draft) -> bool:
    """Return whether each event that the wait takes was handed over to a worker or consumed."""
    handed_over = {held.execution.event_uid for held in situation.in_flight}
    for effect in draft.before:
        if isinstance(effect, Dispatch):
            handed_over.update(event.uid for event in effect.events)
    names = names_of(draft.status.wait)
    taken = taken_events(names, situation.events, draft.consumed_uids)
    return all(event.uid in handed_over for event in taken)

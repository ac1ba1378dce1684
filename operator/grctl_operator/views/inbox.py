"""Inbox: the waiting events of one workflow id, in order, and what is known beside them.

The cache of events decides what enters it (see `events`). Pure data: no I/O, no clock.
"""

from dataclasses import dataclass, field
from datetime import datetime

from grctl_operator.engine.observation import (
    Event,
    EventGroup,
    Events,
    Listing,
    by_place,
    group_events,
)
from grctl_operator.views.payloads import PayloadBudget


@dataclass(frozen=True, slots=True)
class KnownEvent(Event):
    """An event in the version that is known."""

    version: str = ""
    """Its resourceVersion, as last seen."""


@dataclass(slots=True)
class Inbox:
    """What is known of one workflow id.

    Invariant: `events` are in the order of their places, and so is each group of `groups`. Both
    hold the same events.
    """

    events: dict[str, KnownEvent]
    budget: PayloadBudget
    groups: dict[EventGroup, dict[str, KnownEvent]] = field(default_factory=dict)
    """The events by their groups: see `Events`. No group is empty."""
    changed: dict[str, None] = field(default_factory=dict)
    """Uids of events that somebody changed, and whose status does not keep their place."""
    floor: int = 0
    """The revision of the last consistent list of this run alone. That list is complete up to it,
    so changes that the watch shows with this revision or an older one are ignored."""
    complete_for: tuple[str, int] | None = None
    """Uid and `commits` of a run: `events` shows none that the run had consumed by that commit."""
    listing: Listing | None = None
    orphans: frozenset[str] = frozenset()
    looked_at: datetime | None = None
    in_doubt: frozenset[str] = frozenset()
    """These four are as in the engine's `Events`."""
    leaving: bool = False
    """Whether the run is gone, and the inbox stays only until the watch has passed the floor."""

    def get_view(self, run_first_revision: int | None) -> Events:
        """Return what the engine is told. `run_first_revision`: see `Events`."""
        return Events(
            self.events,
            self.complete_for,
            self.listing,
            orphans=self.orphans,
            looked_at=self.looked_at,
            in_doubt=self.in_doubt,
            changed=tuple(self.events[uid] for uid in self.changed),
            run_first_revision=run_first_revision,
            groups=self.groups,
        )

    def change(self, event: KnownEvent, *, kept: bool) -> None:
        """Note a change that somebody made. `kept`: the event's status keeps its place."""
        known = self.events[event.uid]
        self.events[event.uid] = self.groups[event.group][event.uid] = event
        if kept:
            self.changed.pop(event.uid, None)
        else:
            self.changed[event.uid] = None
        if event.place != known.place:
            self.sort()

    def drop(self, uid: str) -> bool:
        """Remove an event. Return whether there was one."""
        self.changed.pop(uid, None)
        event = self.events.pop(uid, None)
        if event is None:
            return False
        self.budget.release(event.payload)
        group = self.groups[event.group]
        del group[uid]
        if not group:
            del self.groups[event.group]
        return True

    def add(self, event: KnownEvent) -> bool:
        """Add an event in the order of places. Return whether a known event has a later place."""
        last = next(reversed(self.events.values()), None)
        self.events[event.uid] = event
        self.groups.setdefault(event.group, {})[event.uid] = event
        if last is None or last.place <= event.place:
            return False
        self.sort()
        return True

    def sort(self) -> None:
        """Order the events by their places."""
        ordered = sorted(self.events.values(), key=by_place)
        self.events = {event.uid: event for event in ordered}
        self.groups = group_events(ordered)

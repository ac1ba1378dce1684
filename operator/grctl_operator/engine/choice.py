"""The choice of a wait: which of the waiting events it takes, and which of them ends it.

I2 (one order), I7 (deadlines).

1. A wait takes events by their names; a wait without names takes every event. What it does not take
   keeps its place for a later wait.
2. Among the events that it takes, the order is that of all events.
3. The event that ends a wait is the first that it takes and that was created in time.
4. Only events that the wait takes are looked at: a full inbox of other events costs nothing.

Pure: no I/O, no clock.
"""

from collections.abc import Container, Iterable, Iterator
from datetime import datetime

from grctl.models.directive import WaitForEvent
from grctl.models.run import Wait
from grctl_operator.engine.observation import Event, Events

TakenNames = frozenset[str] | None
"""The names of the events that a wait takes; None: all."""


def names_of(wait: Wait | WaitForEvent | None) -> TakenNames:
    """Return the names of the events that a wait takes, or will take."""
    return None if wait is None or wait.events is None else frozenset(wait.events)


def is_taken(names: TakenNames, event_name: str) -> bool:
    """Return whether a wait with these names takes an event of that name."""
    return names is None or event_name in names


def taken_events(
    names: TakenNames, events: Events, consumed: Container[str | None]
) -> Iterator[Event]:
    """Return the events that a wait with these names takes, in order, without the consumed ones."""
    if names is None:
        found = iter(events)
    else:
        found = events.of_groups(lambda group: group.event_name in names)
    return (event for event in found if event.uid not in consumed)


def eligible(wait: Wait | None, events: Events, consumed: Container[str | None]) -> Iterator[Event]:
    """Return the events that may end a wait, in order. The first of them ends it."""
    taken = taken_events(names_of(wait), events, consumed)
    return in_time(taken, wait.deadline if wait else None)


def in_time(events: Iterable[Event], deadline: datetime | None) -> Iterator[Event]:
    """Return the events that were created up to a deadline: I7 (deadlines).

    Creation times are whole seconds, rounded down, so an event in the deadline's own second is in
    time. Order beats stamps: an event stamped after the deadline is still in time if an event with
    a later place is, because then the clock went back: I2 (one order).
    """
    late: list[Event] = []
    for event in events:
        late.append(event)
        if deadline is None or event.created <= deadline:
            yield from late
            late.clear()

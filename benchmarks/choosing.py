"""Measure what a wait that chooses costs beside a full inbox, without sockets.

Run it by `python -m benchmarks.choosing`.

It prints microseconds for each event that the wait takes: the watch shows it, it is dispatched, its
outcome is committed, and it is settled. Every hundredth event of the inbox fits. A small and a full
inbox take turns, so that both see the same machine.
"""

import sys
import time
from dataclasses import dataclass
from statistics import median

from grctl.models import WaitForEvent
from grctl.models.run import WorkflowRun
from grctl_operator.engine import Dispatch, Event, Events, decide
from grctl_operator.engine.invariants import check_decision
from grctl_operator.views.events import EventCache
from tests.engine.builders import (
    NOON,
    brought,
    every,
    execution,
    executions,
    waiting_run,
    with_status,
    worker,
    written,
)
from tests.engine.items import KEY, RUN, item, settled

SMALL_INBOX_EVENTS_COUNT = 100
FULL_INBOX_EVENTS_COUNT = 10_000
ROUNDS_COUNT = 200
EVERY_HUNDREDTH = 100
HANDLED = ("approve", "comment")
WORKERS = [worker(events=HANDLED, free=9)]
AGAIN = WaitForEvent(events=("approve",))


@dataclass
class Inbox:
    """A run that takes every hundredth event, and the cache that holds its events."""

    cache: EventCache
    run: WorkflowRun
    revision: int

    def send(self, event_name: str) -> None:
        """Show one more event."""
        self.revision += 1
        self.cache.on_change(
            "ADDED", item(f"e{self.revision}", self.revision, eventName=event_name)
        )

    def handle_next(self) -> Event:
        """Dispatch the next event that fits, commit its outcome, and settle it."""
        decision = decide(self.run, self._view, executions(workers=WORKERS), NOON)
        check_decision(self.run, decision, self._view, NOON)
        (sent,) = every(Dispatch, decision.before)
        if sent.event is None:
            raise RuntimeError("No event was dispatched")
        held = executions(brought(execution(self.run, sent.event), AGAIN), workers=WORKERS)
        decision = decide(self.run, self._view, held, NOON)
        check_decision(self.run, decision, self._view, NOON)
        self._settle(written(self.run, decision), sent.event)
        return sent.event

    def _settle(self, run: WorkflowRun, handled: Event) -> None:
        self.revision += 1
        uid = run.metadata.uid
        self.cache.on_commit(KEY, uid, self.run.status.commits, run.status.commits)
        self.cache.on_answer(settled(handled.name, self.revision))
        self.run = with_status(run, settled=())

    @property
    def _view(self) -> Events:
        return self.cache.get_view(KEY)


def inbox_of(size: int) -> Inbox:
    """Return an inbox of that many events, of which every hundredth fits."""
    run = waiting_run(takes=["approve"], status={"event_names": HANDLED})
    made = Inbox(EventCache(), run, 100)
    for number in range(size):
        made.send("comment" if number % EVERY_HUNDREDTH else "approve")
    made.cache.on_run_list(KEY, [], 0, RUN, NOON)
    return made


def main(rounds: int = ROUNDS_COUNT) -> None:
    """Measure both inboxes in turns, and print the medians."""
    inboxes = [inbox_of(size) for size in (SMALL_INBOX_EVENTS_COUNT, FULL_INBOX_EVENTS_COUNT)]
    found: list[list[float]] = [[] for _ in inboxes]
    for _ in range(rounds):
        for inbox, times in zip(inboxes, found, strict=True):
            began = time.perf_counter()
            inbox.send("approve")
            inbox.handle_next()
            times.append(time.perf_counter() - began)
    small, full = map(median, found)
    sys.stdout.write(f"{'beside 100 events':24} {small * 1e6:10.1f} µs\n")
    sys.stdout.write(f"{'beside 10,000 events':24} {full * 1e6:10.1f} µs ({full / small:.2f})\n")


if __name__ == "__main__":
    main()

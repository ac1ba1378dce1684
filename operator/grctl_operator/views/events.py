"""What the watch of events has shown, made one view of each run's inbox.

1. Newer wins: an object older than what is known of its uid is ignored, whatever brought it.
2. The answer of our own write counts at once; the watch's older news of that event do not.
3. An event keeps the place at which it was first seen, or the one kept in its status.
4. A list tells of no deletion and comes in no order: it is compared with what was known.
5. A consistent list of one run is the truth up to its revision; what the watch says of that run
   from before is ignored until the watch has passed that revision.
6. Payloads are kept as bytes, within a budget; one beyond it is read again when its event's turn
   has come. What is sent to a run that nobody starts must not fill the operator.

Pure: objects in, views out. Revisions are compared as numbers, within this one resource type.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from heapq import heappop, heappush
from operator import attrgetter
from typing import Any

from grctl.json.raw_json import Carried
from grctl.models.phases import SETTLED_PHASES
from grctl_operator.engine.observation import (
    LONG_AGO,
    Event,
    Events,
    Key,
    Listing,
)
from grctl_operator.views.payloads import NOT_KEPT, PayloadBudget
from grctl_operator.views.reading import payload_of, slim_event
from grctl_operator.views.runs import KnownRun

Json = dict[str, Any]


FOREVER = 2**63
"""A revision that no watch reaches: of an event that is gone, we know not since when."""


@dataclass(frozen=True, slots=True)
class KnownEvent(Event):
    """An event, and in which version it is known."""

    version: str = ""
    """Its resourceVersion, as last seen."""


@dataclass(slots=True)
class _Inbox:
    """What is known of one workflow id's events. Invariant: `events` are in order of place."""

    events: dict[str, KnownEvent]
    budget: PayloadBudget
    moved: dict[str, None] = field(default_factory=dict)
    """Uids of those that somebody changed, and whose place is not kept in their status."""
    floor: int = 0
    complete_for: tuple[str, int] | None = None
    listing: Listing | None = None
    orphans: frozenset[str] = frozenset()
    looked_at: datetime | None = None
    in_doubt: frozenset[str] = frozenset()
    leaving: bool = False
    """Whether the run is gone, and only the floor keeps this here (rule 5)."""

    def view(self, run_since: int | None) -> Events:
        return Events(
            self.events,
            self.complete_for,
            self.listing,
            orphans=self.orphans,
            looked_at=self.looked_at,
            in_doubt=self.in_doubt,
            moved=tuple(self.events[uid] for uid in self.moved),
            run_since=run_since,
        )

    def change(self, event: KnownEvent, *, kept: bool) -> None:
        """Note a change that somebody made; `kept`: the event's status holds its place."""
        known = self.events[event.uid]
        self.events[event.uid] = event
        if kept:
            self.moved.pop(event.uid, None)
        else:
            self.moved[event.uid] = None
        if event.place != known.place:
            self.sort()

    def drop(self, uid: str) -> bool:
        """Forget an event; False where there was none."""
        self.moved.pop(uid, None)
        event = self.events.pop(uid, None)
        if event is not None:
            self.budget.release(event.payload)
        return event is not None

    def add(self, event: KnownEvent) -> bool:
        """Put an event in its place. Give whether others stood behind that place already."""
        last = next(reversed(self.events.values()), None)
        self.events[event.uid] = event
        if last is None or last.place <= event.place:
            return False
        self.sort()
        return True

    def sort(self) -> None:
        ordered = sorted(self.events.values(), key=attrgetter("place"))
        self.events = {event.uid: event for event in ordered}


def revision_of(item: Json) -> int:
    """Give an object's resourceVersion as a number."""
    return int(item["metadata"]["resourceVersion"])


def key_of(item: Json) -> Key:
    """Say which workflow id an event is for."""
    return Key(item["metadata"].get("namespace", ""), item["spec"]["workflowId"])


def is_over(item: Json) -> bool:
    """Say whether an event waits no more: its phase is final, or somebody withdrew it."""
    return is_settled(item) or "deletionTimestamp" in item["metadata"]


def is_settled(item: Json) -> bool:
    """Say whether an event's phase is final."""
    phase: str | None = (item.get("status") or {}).get("phase")
    return phase in SETTLED_PHASES


class EventCache:
    """All unsettled events, by the run that they are for."""

    def __init__(self, budget: PayloadBudget | None = None) -> None:
        self.budget = budget or PayloadBudget()
        self.revision = 0
        """How far the watch has come."""
        self.inversions = 0
        """How often an event appeared behind one that was created after it."""
        self._inboxes: dict[Key, _Inbox] = {}
        self._leaving: list[tuple[int, Key]] = []
        """A heap of those that leave, by the revision that the watch has to pass before."""
        self._gone: dict[str, int] = {}
        """Uids that our own answers or lists ended, by revision, until the watch passes it."""

    def __len__(self) -> int:
        """Count the unsettled events."""
        return sum(len(inbox.events) for inbox in self._inboxes.values())

    def get_view(self, key: Key, run_since: int | None = None) -> Events:
        """Return the inbox of one workflow id. `run_since`: see `Events`."""
        inbox = self._inboxes.get(key)
        return inbox.view(run_since) if inbox else Events()

    def find(self, key: Key, uid: str) -> KnownEvent | None:
        """Return the waiting event of a uid."""
        inbox = self._inboxes.get(key)
        return inbox.events.get(uid) if inbox else None

    def get_newest_revision(self, keys: Iterable[Key]) -> int:
        """Return how far the watch has come, or some runs' events if an answer was newer."""
        known = (self._inboxes[key] for key in keys if key in self._inboxes)
        versions = (int(event.version) for inbox in known for event in inbox.events.values())
        return max(self.revision, *versions, 0)

    def has_event(self, item: Json) -> bool:
        """Return whether an event is known already, in whatever version."""
        inbox = self._inboxes.get(key_of(item))
        return inbox is not None and item["metadata"]["uid"] in inbox.events

    def keys(self) -> tuple[Key, ...]:
        """Give every workflow id of which something is known."""
        return tuple(self._inboxes)

    def on_bookmark(self, revision: int) -> None:
        """Note that the watch has come this far (a bookmark)."""
        self._pass(revision)
        self._gone = {uid: at for uid, at in self._gone.items() if at > self.revision}

    def on_change(self, change: str, item: Json) -> Key | None:
        """Take one event of the watch. Give the key to reconcile, None where nothing is new."""
        key, revision = key_of(item), revision_of(item)
        ended = change == "DELETED" or is_over(item)
        changed = False
        if key in self._inboxes or not ended:
            changed = self._news(key, item, revision, ended=ended)
        self._pass(revision)
        if change == "DELETED":
            self._gone.pop(item["metadata"]["uid"], None)
        return key if changed else None

    def on_answer(self, item: Json) -> None:
        """Take an object that the API server answered us: it counts before the watch shows it.

        Raises:
            UnreadableError: it is not a WorkflowEvent.
        """
        item = slim_event(item)
        key, revision = key_of(item), revision_of(item)
        if is_over(item):
            self._end(key, item, revision)
            self._remember_gone(item["metadata"]["uid"], revision)
        else:
            self._take(key, item)

    def on_missing(self, key: Key, uid: str) -> None:
        """Note that the API server has no such event (any more)."""
        inbox = self._inboxes.get(key)
        if inbox is not None and inbox.drop(uid):
            self._gone[uid] = FOREVER

    def on_list(
        self, items: list[Json], revision: int, runs: Mapping[Key, KnownRun], at: datetime
    ) -> tuple[Key, ...]:
        """Take a list of all unsettled events, asked for at `at`, when `runs` were known.

        Return the keys to reconcile: of runs whose events, or what is proved of them, are others
        now, and of those that may be gone.
        """
        by_key: dict[Key, list[Json]] = {}
        for item in items:
            by_key.setdefault(key_of(item), []).append(item)
        keys = tuple(dict.fromkeys((*by_key, *self._inboxes, *runs)))
        changed = []
        for key in keys:
            inbox = self._inbox(key)
            proved = inbox.complete_for
            if revision >= inbox.floor:  # else its own list knows better
                news = self._reconcile_list(key, by_key.get(key, []), revision)
                self._note_listing(key, runs.get(key), at)
                if news or key not in runs or inbox.complete_for != proved:
                    changed.append(key)
        self._forget_missed(items)
        self.on_bookmark(revision)
        return tuple(changed)

    def on_run_list(
        self, key: Key, items: list[Json], revision: int, run: KnownRun | None, at: datetime
    ) -> None:
        """Take a consistent list of one run's events, asked for at `at`, when `run` was known.

        Where the watch has come further already, the list tells nothing that is not known.
        """
        if revision > self.revision:
            self._reconcile_list(key, items, revision)
            self._inbox(key).floor = revision
        self._note_listing(key, run, at)

    def on_commit(self, key: Key, uid: str, before: int, after: int) -> None:
        """Note that we ourselves moved the run's `commits`: what that consumed is known here."""
        inbox = self._inbox(key)
        inbox.leaving = False
        if before == 0 or inbox.complete_for == (uid, before):
            inbox.complete_for = (uid, after)

    def note_orphans(self, key: Key, uids: Iterable[str], at: datetime) -> None:
        """Note for which events a read found no run, and when it was asked for."""
        inbox = self._inboxes.get(key)
        if inbox is not None:
            inbox.orphans, inbox.looked_at = frozenset(uids), at

    def begin_doubt(self, key: Key, uid: str) -> None:
        """Note that an event is being settled although no run consumed it."""
        inbox = self._inbox(key)
        inbox.in_doubt |= {uid}

    def end_doubt(self, key: Key, uid: str) -> None:
        """Note that this has ended: the event is settled, gone, or it waits as before."""
        inbox = self._inboxes.get(key)
        if inbox is not None:
            inbox.in_doubt -= {uid}

    def on_jump(self) -> None:
        """Note that the clock jumped: of no list is known any more by when it was taken."""
        for inbox in self._inboxes.values():
            inbox.looked_at = None
            if inbox.listing is not None:
                inbox.listing = replace(inbox.listing, at=LONG_AGO)

    def forget_inbox(self, key: Key) -> None:
        """Drop what is known of a run that is gone, if no event waits for its id.

        Where the watch has to come further for that (rule 5), it is dropped then.
        """
        inbox = self._inboxes.get(key)
        if inbox is None or inbox.events or inbox.in_doubt:
            return
        if inbox.floor <= self.revision:
            del self._inboxes[key]
        elif not inbox.leaving:
            inbox.leaving = True
            heappush(self._leaving, (inbox.floor, key))

    def _pass(self, revision: int) -> None:
        """Note how far the watch has come, and drop what waited for that."""
        self.revision = max(self.revision, revision)
        while self._leaving and self._leaving[0][0] <= self.revision:
            _, key = heappop(self._leaving)
            inbox = self._inboxes.get(key)
            if inbox is not None and inbox.leaving:
                inbox.leaving = False
                self.forget_inbox(key)

    def _note_listing(self, key: Key, run: KnownRun | None, at: datetime) -> None:
        if run is not None:
            inbox = self._inbox(key)
            inbox.leaving = False
            inbox.listing = Listing(run.uid, run.version, at)
            inbox.complete_for = (run.uid, run.commits)

    def _inbox(self, key: Key) -> _Inbox:
        return self._inboxes.setdefault(key, _Inbox({}, self.budget))

    def _take(self, key: Key, item: Json) -> bool:
        """Keep an unsettled event, at the place where it was first seen (rule 3)."""
        metadata = item["metadata"]
        uid, revision = metadata["uid"], revision_of(item)
        if uid in self._gone:
            return False
        inbox = self._inbox(key)
        known = inbox.events.get(uid)
        if known and int(known.version) >= revision:
            return False
        kept = (item.get("status") or {}).get("place")
        if known is None:
            payload = self.budget.admit(_payload(item))
            behind = inbox.add(_event(item, kept or revision, payload))
            self.inversions += behind and kept is None
            return True
        place = min(known.place, kept or known.place)
        version = metadata["resourceVersion"]
        inbox.change(replace(known, version=version, place=place), kept=kept is not None)
        return True

    def _end(self, key: Key, item: Json, revision: int) -> bool:
        """Drop an event that is settled or deleted, unless something newer is known of it."""
        inbox, uid = self._inboxes.get(key), item["metadata"]["uid"]
        known = inbox.events.get(uid) if inbox else None
        if inbox is None or known is None or int(known.version) > revision:
            return False
        return inbox.drop(uid)

    def _news(self, key: Key, item: Json, revision: int, *, ended: bool) -> bool:
        inbox = self._inboxes.get(key)
        if inbox is not None and revision <= inbox.floor:
            return False
        return self._end(key, item, revision) if ended else self._take(key, item)

    def _remember_gone(self, uid: str, revision: int) -> None:
        if revision > self.revision:
            self._gone[uid] = revision

    def _forget_missed(self, items: list[Json]) -> None:
        listed = {item["metadata"]["uid"] for item in items}
        self._gone = {uid: at for uid, at in self._gone.items() if at != FOREVER or uid in listed}

    def _reconcile_list(self, key: Key, items: list[Json], revision: int) -> bool:
        """Make one inbox equal to a list, but for what is newer than the list (rule 4).

        Return whether anything is another now.
        """
        waiting = [item for item in items if not is_over(item)]
        listed = {item["metadata"]["uid"] for item in waiting}
        inbox = self._inbox(key)
        gone = [
            uid
            for uid, event in inbox.events.items()
            if uid not in listed and int(event.version) <= revision
        ]
        for uid in gone:
            inbox.drop(uid)
            self._remember_gone(uid, revision)
        taken = [self._take(key, item) for item in sorted(waiting, key=revision_of)]
        return bool(gone) or any(taken)


def _payload(item: Json) -> Carried | None:
    payload = item["spec"].get("payload")
    return NOT_KEPT if payload is NOT_KEPT else payload_of(item["spec"])


def _event(item: Json, place: int, payload: Any) -> KnownEvent:
    metadata, spec = item["metadata"], item["spec"]
    return KnownEvent(
        uid=metadata["uid"],
        name=metadata["name"],
        event_name=spec["eventName"],
        created=datetime.fromisoformat(metadata["creationTimestamp"]),
        place=place,
        payload=payload,
        run_uid=spec.get("runUid"),
        version=metadata["resourceVersion"],
    )

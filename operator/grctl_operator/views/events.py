"""EventCache: the inbox of each run, from what one watch, lists and answers have shown.

1. The newer version wins: an object that is older than the known version of its uid is ignored,
   whether a watch, a list or an answer brought it.
2. The answer of our own write counts at once. An older change of that event is ignored when the
   watch shows it later.
3. An event keeps the place at which it was first seen, or the place that its status keeps.
4. A list shows no deletions and has no order: it is compared with what was known.
5. A consistent list of one run is complete up to its revision. Older changes of that run that the
   watch shows later are ignored, until the watch has passed that revision.
6. Payloads are kept as bytes, within a budget: see `payloads`.

Pure: objects in, views out. Revisions are compared as numbers, within this one resource type.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from heapq import heappop, heappush
from typing import Any

from grctl.json.raw_json import Carried
from grctl.models.phases import SETTLED_PHASES
from grctl_operator.engine.observation import (
    LONG_AGO,
    Events,
    Key,
    Listing,
)
from grctl_operator.views.inbox import Inbox, KnownEvent
from grctl_operator.views.payloads import NOT_KEPT, PayloadBudget
from grctl_operator.views.reading import payload_of, slim_event
from grctl_operator.views.runs import KnownRun

Json = dict[str, Any]

UNREACHED_REVISION_LIMIT = 2**63
"""The revision noted for an event that a read did not find: it is gone, but the revision of its
deletion is not known. No watch reaches this number."""


def revision_of(item: Json) -> int:
    """Return an object's resourceVersion as a number."""
    return int(item["metadata"]["resourceVersion"])


def key_of(item: Json) -> Key:
    """Return the workflow id that an event is for."""
    return Key(item["metadata"].get("namespace", ""), item["spec"]["workflowId"])


def is_over(item: Json) -> bool:
    """Return whether an event no longer waits: its phase is final, or somebody withdrew it."""
    return is_settled(item) or "deletionTimestamp" in item["metadata"]


def is_settled(item: Json) -> bool:
    """Return whether an event's phase is final."""
    phase: str | None = (item.get("status") or {}).get("phase")
    return phase in SETTLED_PHASES


class EventCache:
    """The unsettled events that one watch shows, by the run that they are for."""

    def __init__(self, budget: PayloadBudget | None = None) -> None:
        self.budget = budget or PayloadBudget()
        self.revision = 0
        """How far the watch has come."""
        self.inversions = 0
        """How often an event appeared behind one that was created after it."""
        self._inboxes: dict[Key, Inbox] = {}
        self._leaving: list[tuple[int, Key]] = []
        """A heap of inboxes that leave, by the revision that the watch has to pass before."""
        self._gone: dict[str, int] = {}
        """Uids of events that an answer or a list showed settled or gone, by revision. They stay
        here until the watch has passed that revision."""

    def __len__(self) -> int:
        """Count the unsettled events."""
        return sum(len(inbox.events) for inbox in self._inboxes.values())

    def get_view(self, key: Key, run_first_revision: int | None = None) -> Events:
        """Return the inbox of one workflow id. `run_first_revision`: see `Events`."""
        inbox = self._inboxes.get(key)
        return inbox.get_view(run_first_revision) if inbox else Events()

    def find(self, key: Key, uid: str) -> KnownEvent | None:
        """Return the waiting event of a uid."""
        inbox = self._inboxes.get(key)
        return inbox.events.get(uid) if inbox else None

    def get_newest_revision(self, keys: Iterable[Key]) -> int:
        """Return the highest revision that is known: of the watch, or of an event of some runs."""
        known = (self._inboxes[key] for key in keys if key in self._inboxes)
        versions = (int(event.version) for inbox in known for event in inbox.events.values())
        return max(self.revision, *versions, 0)

    def has_event(self, item: Json) -> bool:
        """Return whether an event is known, in any version."""
        inbox = self._inboxes.get(key_of(item))
        return inbox is not None and item["metadata"]["uid"] in inbox.events

    def keys(self) -> tuple[Key, ...]:
        """Return every workflow id of which something is known."""
        return tuple(self._inboxes)

    def on_bookmark(self, revision: int) -> None:
        """Note how far the watch has come."""
        self._pass(revision)
        self._gone = {uid: at for uid, at in self._gone.items() if at > self.revision}

    def on_change(self, change: str, item: Json) -> Key | None:
        """Take one change of the watch. Return the run to reconcile, or None if it is not news."""
        key, revision = key_of(item), revision_of(item)
        ended = change == "DELETED" or is_over(item)
        changed = False
        if key in self._inboxes or not ended:
            changed = self._take_change(key, item, revision, ended=ended)
        self._pass(revision)
        if change == "DELETED":
            self._gone.pop(item["metadata"]["uid"], None)
        return key if changed else None

    def on_answer(self, item: Json) -> None:
        """Take an object that the API server answered. It counts before the watch shows it.

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
        """Note that the API server does not have this event."""
        inbox = self._inboxes.get(key)
        if inbox is not None and inbox.drop(uid):
            self._gone[uid] = UNREACHED_REVISION_LIMIT

    def on_list(
        self, items: list[Json], revision: int, runs: Mapping[Key, KnownRun], at: datetime
    ) -> tuple[Key, ...]:
        """Take a list of all unsettled events, asked for at `at`, when `runs` were known.

        Return the runs to reconcile: those whose events changed, or of which more is proved now,
        and those that may be gone.
        """
        by_key: dict[Key, list[Json]] = {}
        for item in items:
            by_key.setdefault(key_of(item), []).append(item)
        keys = tuple(dict.fromkeys((*by_key, *self._inboxes, *runs)))
        changed = []
        for key in keys:
            inbox = self._inbox(key)
            proved = inbox.complete_for
            if revision >= inbox.floor:  # else the run's own list is newer
                news = self._reconcile_list(key, by_key.get(key, []), revision)
                self._note_listing(key, runs.get(key), at)
                if news or key not in runs or inbox.complete_for != proved:
                    changed.append(key)
        self._forget_missing(items)
        self.on_bookmark(revision)
        return tuple(changed)

    def on_run_list(
        self, key: Key, items: list[Json], revision: int, run: KnownRun | None, at: datetime
    ) -> None:
        """Take a consistent list of one run's events, asked for at `at`, when `run` was known.

        If the watch has come further already, the list shows nothing new.
        """
        if revision > self.revision:
            self._reconcile_list(key, items, revision)
            self._inbox(key).floor = revision
        self._note_listing(key, run, at)

    def on_commit(self, key: Key, uid: str, commits_before: int, commits_after: int) -> None:
        """Note that a write of ours raised the run's `commits`: what it consumed is known here."""
        inbox = self._inbox(key)
        inbox.leaving = False
        if commits_before == 0 or inbox.complete_for == (uid, commits_before):
            inbox.complete_for = (uid, commits_after)

    def note_orphans(self, key: Key, uids: Iterable[str], at: datetime) -> None:
        """Note the events for which a read found no run, and when it was asked for."""
        inbox = self._inboxes.get(key)
        if inbox is not None:
            inbox.orphans, inbox.looked_at = frozenset(uids), at

    def begin_doubt(self, key: Key, uid: str) -> None:
        """Note that an event is being settled that no run consumed: it is in doubt."""
        inbox = self._inbox(key)
        inbox.in_doubt |= {uid}

    def end_doubt(self, key: Key, uid: str) -> None:
        """Note that an event is not in doubt: it is settled, gone, or it waits as before."""
        inbox = self._inboxes.get(key)
        if inbox is not None:
            inbox.in_doubt -= {uid}

    def on_jump(self) -> None:
        """Note that the clock jumped: no list's time can be compared with a deadline any more."""
        for inbox in self._inboxes.values():
            inbox.looked_at = None
            if inbox.listing is not None:
                inbox.listing = replace(inbox.listing, at=LONG_AGO)

    def forget_inbox(self, key: Key) -> None:
        """Forget the inbox of a run that is gone, if no event waits for its id.

        If the watch has not passed the run's last list yet, the inbox is forgotten then: see 5.
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
        """Note how far the watch has come, and forget the inboxes that waited for that."""
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

    def _inbox(self, key: Key) -> Inbox:
        return self._inboxes.setdefault(key, Inbox({}, self.budget))

    def _take(self, key: Key, item: Json) -> bool:
        """Keep an unsettled event at the place where it was first seen: see 3."""
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
        """Remove an event that is settled or deleted, unless a newer version is known."""
        inbox, uid = self._inboxes.get(key), item["metadata"]["uid"]
        known = inbox.events.get(uid) if inbox else None
        if inbox is None or known is None or int(known.version) > revision:
            return False
        return inbox.drop(uid)

    def _take_change(self, key: Key, item: Json, revision: int, *, ended: bool) -> bool:
        inbox = self._inboxes.get(key)
        if inbox is not None and revision <= inbox.floor:
            return False
        return self._end(key, item, revision) if ended else self._take(key, item)

    def _remember_gone(self, uid: str, revision: int) -> None:
        if revision > self.revision:
            self._gone[uid] = revision

    def _forget_missing(self, items: list[Json]) -> None:
        """Forget the events that were missing, once a list does not show them either."""
        listed = {item["metadata"]["uid"] for item in items}
        self._gone = {
            uid: at
            for uid, at in self._gone.items()
            if at != UNREACHED_REVISION_LIMIT or uid in listed
        }

    def _reconcile_list(self, key: Key, items: list[Json], revision: int) -> bool:
        """Make an inbox equal to a list, except for events that are newer: see 4.

        Return whether anything changed.
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

"""An operator around the real engine, for the stateful test.

Everything that takes time in a real operator takes two steps here: a request of a list and the
list, a write and its answer, a message and its arrival. So anything can happen in between, and the
second step may never come. An operator reconciles only when something woke it: a wake-up that the
engine does not ask for is lost.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from grctl.models import FINALIZER, RunPhase, WorkflowRun
from grctl_operator.engine import (
    SHOWN_AFTER,
    Announce,
    AwaitClearWorker,
    AwaitWorker,
    ConfirmRecords,
    Decision,
    Delete,
    Dispatch,
    Effect,
    Hold,
    KeepPlace,
    LetGo,
    ListEvents,
    Purge,
    ReadRun,
    Release,
    Settle,
    Trim,
    Urgency,
)
from grctl_operator.engine.commit import RUN_GONE, UNKNOWN_FATE
from grctl_operator.engine.observation import LONG_AGO
from grctl_operator.views.events import EventCache
from grctl_operator.views.runs import KnownRun
from tests.engine.api_server import KEY, ApiServer, Json, RefusalError
from tests.engine.checks import require
from tests.engine.worker_registry import WorkerRegistry


@dataclass
class _Writing:
    decision: Decision
    base: WorkflowRun
    answer: WorkflowRun | None


@dataclass
class _Listing:
    run: KnownRun | None
    at: datetime
    answer: tuple[list[Json], int] | None = None


class Operator(WorkerRegistry):
    """An operator: its caches, its registry of workers and executions, its writes."""

    def __init__(self, server: ApiServer, decide: Callable[..., Decision]) -> None:
        self.server = server
        self.decide = decide
        self.lag = timedelta()
        self.runs_lag = False
        """Whether the watch of runs shows nothing new for now."""
        self.events_lag = False
        super().__init__()
        self.start()

    # life

    def start(self) -> None:
        """Start anew: read all runs first. The list of events comes with `finish_start`."""
        self.forget_workers()
        self.first_seen: tuple[str, int] = ("", 0)
        """Uid of the known run, and its version that was seen first."""
        self._know(self.server.run)
        self.run_position = len(self.server.run_log)
        self.run_floor = self.server.revision
        self.cache = EventCache()
        self.event_position: int | None = None
        self.started = self._known_run(), self.now
        self.woken = True
        self.look_again_at: datetime | None = None
        self.seen_gone: set[str] = set()
        self.settles: dict[str, Settle] = {}
        self.answers: list[tuple[str, Json | None]] = []
        self.trims: dict[str, int] = {}
        self.trimmed: dict[str, int] = {}
        """By uid of the run: up to which sequence its events were removed since the start."""
        self.planned: _Writing | None = None
        self.waits = False
        """Whether a write was deferred."""
        self.writing: _Writing | None = None
        self.listing: _Listing | None = None
        self.list_again = False
        self.relisting: _Listing | None = None

    def finish_start(self) -> None:
        known, at = self.started
        self.server.forget_places()
        items, revision = self.server.list_events()
        self.cache.on_list(items, revision, {KEY: known} if known else {}, at)
        self.event_position = len(self.server.event_log)
        self.woken = True

    @property
    def ready(self) -> bool:
        return self.event_position is not None

    @property
    def now(self) -> datetime:
        return self.server.clock - self.lag

    @property
    def awake(self) -> bool:
        return self.woken or (self.look_again_at is not None and self.now >= self.look_again_at)

    def has_seen(self, uid: str) -> bool:
        """Return whether it saw the event at its first place."""
        event = self.cache.get_view(KEY).find(uid)
        return event is not None and event.place == self.server.events[uid].created_revision

    def on_jump(self, by: timedelta) -> None:
        """Note that the API server's clock jumped: the times of earlier lists are not known now."""
        super().on_jump(by)
        self.cache.on_jump()
        self.started = self.started[0], LONG_AGO
        for listing in (self.listing, self.relisting):
            if listing is not None:
                listing.at = LONG_AGO

    def relist(self) -> None:
        """End the watch of events: it begins anew with a list (a takeover, a 410)."""
        if self.ready and self.relisting is None:
            self.relisting = _Listing(self._known_run(), self.now)

    def read_relist(self) -> None:
        relisting = self.relisting
        if relisting and relisting.answer is None:
            relisting.answer = self.server.list_events()
            self.event_position = len(self.server.event_log)

    def get_relist(self) -> None:
        relisting = self.relisting
        if relisting is None or relisting.answer is None:
            return
        self.relisting = None
        items, revision = relisting.answer
        known = {KEY: relisting.run} if relisting.run else {}
        if self.cache.on_list(items, revision, known, relisting.at):
            self.woken = True

    # what it is shown

    def see_runs(self, most: int) -> None:
        """Read the next changes from the watch of runs, at most so many."""
        news = [] if self.runs_lag else self.server.run_log[self.run_position :][:most]
        self.run_position += len(news)
        for revision, uid, run in news:
            self._observe(revision, uid, run)

    def see_events(self, most: int) -> None:
        """Read the next changes from the watch of events, at most so many."""
        if self.event_position is None or self.events_lag or self.relisting:
            return
        news = self.server.event_log[self.event_position :][:most]
        self.event_position += len(news)
        for change, item in news:
            if change == "DELETED":
                self.seen_gone.add(item["metadata"]["uid"])
            if self.cache.on_change(change, item):
                self.woken = True

    def _observe(self, revision: int, uid: str, run: WorkflowRun | None) -> None:
        if revision <= self.run_floor:
            return
        self.run_floor = revision
        if run is not None or (self.run and self.run.metadata.uid == uid):
            self._know(run)
        self.woken = True

    def _know(self, run: WorkflowRun | None) -> None:
        self.run = run
        if run is not None and run.metadata.uid != self.first_seen[0]:
            self.first_seen = (run.metadata.uid, int(run.metadata.resource_version))

    def _read_run(self) -> None:
        """Read the run afresh."""
        self._know(self.server.run)
        self.run_floor = self.server.revision
        self.woken = True

    def _known_run(self) -> KnownRun | None:
        run = self.run
        if run is None:
            return None
        return KnownRun(run.metadata.uid, run.metadata.resource_version, run.status.commits)

    # reconcile: decide, write, then do what follows from the write

    def reconcile(self, *, show: bool, wait: bool = False) -> None:
        """Decide. `show`: a write for people is due. `wait`: one that may be deferred is not."""
        if not self.ready or self.planned or self.writing or not self.awake:
            return
        self.woken, self.look_again_at = False, None
        run, seen = self.run, self._known_run()
        decision = self._ask(ahead=wait and self.waits)
        for effect in decision.after:
            withdrawn = isinstance(effect, Settle) and effect.settlement.uid in self.seen_gone
            require(not withdrawn, "withdrawal: an event is consumed that was seen to be withdrawn")
        self._check_cancellation(decision)
        self._check_rejections(decision)
        if decision.look_again_at:
            self.look_again_at = decision.look_again_at
        for effect in decision.before:
            self._perform(effect)
        if self._known_run() != seen:
            self.woken = True  # an effect changed the run: decide upon what it is now
            return
        batched = decision.urgency is Urgency.BATCHED
        self.waits = wait and (self.waits or batched)
        due = decision.status is not None and (show or self._has_lasted(decision))
        if self.waits:
            self.woken = True  # its time comes
        elif due and run is not None:
            self.planned = _Writing(decision, run, None)

    def _ask(self, *, ahead: bool) -> Decision:
        since = self.first_seen[1] if self.run else None
        views = self.cache.get_view(KEY, since), self._executions(), self.now
        decision = self.decide(self.run, *views, defer_outcomes=ahead)
        self.waits = ahead and decision.status is None and decision.urgency is Urgency.BATCHED
        return decision

    def _has_lasted(self, decision: Decision) -> bool:
        """Whether a status is due: what is only for people once it has lasted."""
        if decision.urgency is not Urgency.FOR_PEOPLE:
            return True
        return decision.so_since is not None and decision.so_since + SHOWN_AFTER <= self.now

    def _check_cancellation(self, decision: Decision) -> None:
        """Check that a cancellation waits for the handler that runs: only other ends void it."""
        new, run = decision.status, self.run
        if new is None or run is None or new.phase is not RunPhase.CANCELLED:
            return
        if run.status.phase.finished or new.last_execution != run.status.last_execution:
            return
        fence = (run.metadata.uid, run.status.commits, run.status.last_execution)
        for held in self.held.values():
            execution = held.execution
            current = (execution.run_uid, execution.commits, execution.base) == fence
            waits = execution.event_uid is None or self.cache.get_view(KEY).find(
                execution.event_uid
            )
            runs = current and waits and (held.outcome or not held.lost)
            require(not runs, "spec: a cancellation voids a running handler")

    def _check_rejections(self, decision: Decision) -> None:
        """Check that no known worker might have taken an event that is rejected."""
        for effect in decision.after:
            if isinstance(effect, Settle) and effect.settlement.reason == "UnknownEvent":
                self._check_unknown(effect.settlement.uid)
            if isinstance(effect, Settle) and effect.settlement.reason == "BadPayload":
                self._check_refused(effect.settlement.uid)

    def _check_unknown(self, uid: str) -> None:
        name = self.server.events[uid].item["spec"]["eventName"]
        has = any(name in catalogue.event_names for catalogue in self.catalogues.values())
        require(not has, f"I8 (bad input): {uid} is unknown, and a worker has {name}")

    def _check_refused(self, uid: str) -> None:
        name, refusals = self.server.events[uid].item["spec"]["eventName"], self.server.refusals
        able = [
            each.catalogue for each in self.workers.values() if name in each.catalogue.event_names
        ]
        others = [each for each in able if each not in refusals.get(uid, ())]
        cancelled = self.run is not None and self.run.spec.cancel
        require(
            not others or cancelled,
            f"I8 (bad input): {uid} is refused, and another version was not asked",
        )

    def begin_write(self) -> None:
        """Send the write. Its answer comes with `finish_write`."""
        planned, self.planned = self.planned, None
        if planned is None or planned.decision.status is None:
            return
        metadata = planned.base.metadata
        try:
            planned.answer = self.server.put_run_status(
                metadata.uid, metadata.resource_version, planned.decision.status
            )
        except RefusalError:
            planned.answer = None
        else:
            self._note_committed(planned.decision)
        self.writing = planned

    def _note_committed(self, decision: Decision) -> None:
        releases = [each for each in decision.after if isinstance(each, Release)]
        self.server.committed.update(each.execution for each in releases if each.committed)

    def finish_write(self, *, answer_lost: bool) -> None:
        """Get the answer of the write, or lose it and read the run."""
        writing, self.writing = self.writing, None
        if writing is None:
            return
        if writing.answer is None or answer_lost:
            self._read_run()
            return
        metadata, commits = writing.answer.metadata, writing.answer.status.commits
        before = writing.base.status.commits
        self._observe(int(metadata.resource_version), metadata.uid, writing.answer)
        if commits != before:
            self.cache.on_commit(KEY, metadata.uid, before, commits)
        for effect in writing.decision.after:
            self._perform(effect)
        self.woken = True

    # effects

    def _perform(self, effect: Effect) -> None:
        match effect:
            case Dispatch():
                self._dispatch(effect)
            case Release():
                self._check_release(effect)
                self._release(effect.execution, committed=effect.committed)
            case ConfirmRecords():
                self._confirm(effect)
            case Settle():
                self.settles.setdefault(effect.settlement.uid, effect)
                if effect.run_uid is None:
                    self.cache.begin_doubt(KEY, effect.settlement.uid)
            case ListEvents():
                self.ask_for_list()
            case ReadRun():
                self._look_for_run()
            case KeepPlace(event=event):
                self._keep_place(event.uid, event.place)
            case Trim(through=through):
                self._plan_trim(through)
            case _:
                self._perform_on_run(effect)

    def _check_release(self, release: Release) -> None:
        """Check that an operator with a fresh run calls no committed outcome void."""
        certain = not release.committed and release.message not in {RUN_GONE, UNKNOWN_FATE}
        certain = certain and self.run is not None and self.run == self.server.run
        false = certain and release.execution in self.server.committed
        require(
            not false, f"I4 (one commit): {release.execution} is called void, and was committed"
        )

    def _perform_on_run(self, effect: Effect) -> None:
        match effect:
            case Hold() | LetGo():
                self._change_finalizers(effect)
            case Delete():
                self._expire()
            case Purge():
                self.server.purge_events()
            case _:
                assert isinstance(effect, Announce | AwaitClearWorker | AwaitWorker)

    def _look_for_run(self) -> None:
        waiting = [event.uid for event in self.cache.get_view(KEY)]
        self._read_run()
        if self.run is None:
            self.cache.note_orphans(KEY, waiting, self.now)

    def _change_finalizers(self, effect: Hold | LetGo) -> None:
        assert self.run is not None
        metadata = self.run.metadata
        finalizers = (FINALIZER,) if isinstance(effect, Hold) else ()
        try:
            self.server.put_finalizers(metadata.uid, metadata.resource_version, finalizers)
        except RefusalError:
            self._read_run()
            return
        if self.server.run is not None:
            self._read_run()

    def _expire(self) -> None:
        assert self.run is not None
        metadata = self.run.metadata
        with suppress(RefusalError):
            self.server.expire_run(metadata.uid, metadata.resource_version)
        self._read_run()

    def _plan_trim(self, through: int) -> None:
        assert self.run is not None
        uid = self.run.metadata.uid
        if through > self.trimmed.get(uid, 0):
            self.trims[uid] = through

    def trim_all(self) -> None:
        """Remove the planned events that a list shows as settled, once."""
        for uid, through in self.trims.items():
            self.server.trim_events(uid, through)
            self.trimmed[uid] = through
        self.trims.clear()

    def _keep_place(self, uid: str, place: int) -> None:
        known = self.cache.find(KEY, uid)
        try:
            version = known.version if known else ""
            answer = self.server.put_event_status(uid, version, {"place": place})
        except RefusalError:
            return
        self.cache.on_answer(answer)

    def ask_for_list(self) -> None:
        if self.listing is None:
            self.listing = _Listing(self._known_run(), self.now)
        else:
            self.list_again = True

    def read_list(self) -> None:
        if self.listing and self.listing.answer is None:
            self.listing.answer = self.server.list_events()

    def get_list(self) -> None:
        listing = self.listing
        if listing is None or listing.answer is None:
            return
        self.listing = None
        items, revision = listing.answer
        self.cache.on_run_list(KEY, items, revision, listing.run, listing.at)
        self.woken = True
        if self.list_again:
            self.list_again = False
            self.ask_for_list()

    def write_settle(self, uid: str) -> None:
        """Write an event's final status. Its answer comes later, or never."""
        effect = self.settles[uid]
        record = self.server.events[uid]
        settlement = effect.settlement
        status = {
            **record.item.get("status", {}),
            "phase": settlement.phase.value,
            "reason": settlement.reason,
            "sequence": settlement.sequence,
            "runUid": effect.run_uid,
        }
        if record.phase != "Pending":
            self.answers.append((uid, record.item if record.exists else None))
            return
        try:
            version = record.item["metadata"]["resourceVersion"]
            answer = self.server.put_event_status(uid, version, status)
        except RefusalError:
            self.answers.append((uid, None))
        else:
            self.answers.append((uid, answer))

    def get_settle_answer(self, *, lost: bool) -> None:
        if not self.answers:
            return
        uid, item = self.answers.pop(0)
        if lost:
            return
        self.settles.pop(uid, None)
        self.cache.end_doubt(KEY, uid)
        if item is None:
            self.cache.on_missing(KEY, uid)
        else:
            self.cache.on_answer(item)
        self.woken = True

    def settle_all(self) -> None:
        """Settle all events that are to be settled, and get the answers."""
        for uid in sorted(self.settles):
            self.write_settle(uid)
        while self.answers:
            self.get_settle_answer(lost=False)

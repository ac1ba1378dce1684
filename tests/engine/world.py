"""The API server of the stateful test: what is true, the two watches' logs, and who checks it.

One workflow id is enough: runs of different ids share nothing. Every write is checked against the
invariants at once, by the ledger, from what the API server itself knows.
"""

import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from grctl.models import FINALIZER, RunStatus, WorkflowRun
from grctl.models.meta import ObjectMeta
from grctl.models.phases import EventPhase, RunPhase
from grctl.models.run import RunSpec, WorkflowSpec
from grctl_operator.engine.observation import Key, whole_second
from grctl_operator.engine.retention import KEPT

Json = dict[str, Any]
KEY = Key("ns", "order")
KNOWN_EVENTS = ("approve", "reject")
UNKNOWN_EVENT = "aprove"
START = datetime(2026, 1, 1, tzinfo=UTC)


class ViolationError(AssertionError):
    """An invariant does not hold. The text begins with its number in the design."""


class RefusalError(Exception):
    """The API server refused a write: 409 or 404."""


def require(condition: object, text: str) -> None:
    """Hold an invariant."""
    if not condition:
        raise ViolationError(text)


@dataclass
class EventRecord:
    """An event, and what the test knows of it beyond the API."""

    item: Json
    created_revision: int
    touched: bool = False
    may_move: bool = False
    """It was touched while some operator had not seen it: its place is not promised."""
    exists: bool = True

    @property
    def uid(self) -> str:
        return str(self.item["metadata"]["uid"])

    @property
    def phase(self) -> str:
        return str(self.item.get("status", {}).get("phase", "Pending"))

    @property
    def waits(self) -> bool:
        return self.exists and self.phase == "Pending"

    @property
    def created(self) -> datetime:
        return datetime.fromisoformat(self.item["metadata"]["creationTimestamp"])


@dataclass
class Consumption:
    """An event that a commit consumed."""

    uid: str
    phase: EventPhase
    reason: str


@dataclass
class World:
    """The API server."""

    clock: datetime = START
    revision: int = 0
    run: WorkflowRun | None = None
    events: dict[str, EventRecord] = field(default_factory=dict)
    """By uid, also those that are gone."""
    run_log: list[tuple[int, str, WorkflowRun | None]] = field(default_factory=list)
    """Revision, uid, the run; None: deleted."""
    event_log: list[tuple[str, Json]] = field(default_factory=list)
    """The watch with the selector of unsettled events: a settled one leaves it as DELETED."""
    consumed: dict[str, list[Consumption]] = field(default_factory=dict)
    """By uid of the run, in the order of commits."""
    clock_went_back: bool = False
    surplus_ever: dict[str, int] = field(default_factory=dict)
    """By uid of the run: up to which sequence its settled events were too many at some moment."""
    runs_created: int = 0
    run_timeout: timedelta | None = None
    """Of the runs that are created."""

    def next_revision(self) -> int:
        self.revision += 1
        return self.revision

    # what senders and people do

    def create_run(self) -> None:
        if self.run is not None:
            return
        self.runs_created += 1
        metadata = ObjectMeta(
            name=KEY.name,
            namespace=KEY.namespace,
            uid=f"run{self.runs_created}",
            resource_version=str(self.next_revision()),
            generation=1,
            creation_timestamp=whole_second(self.clock),
            finalizers=(FINALIZER,),
        )
        spec = RunSpec(workflow=WorkflowSpec(type="Order", timeout=self.run_timeout))
        self._store_run(WorkflowRun(metadata=metadata, spec=spec))

    def delete_run(self) -> None:
        if self.run is None or self.run.deleting:
            return
        if FINALIZER not in self.run.metadata.finalizers:
            self._remove_run()
            return
        self._store_run(self._changed(deletion_timestamp=whole_second(self.clock)))

    def change_spec(self, **fields: Any) -> None:
        if self.run is None:
            return
        spec = self.run.spec.model_copy(update=fields)
        changed = self._changed(generation=self.run.metadata.generation + 1)
        self._store_run(changed.model_copy(update={"spec": spec}))

    def create_event(self, event_name: str, run_uid: str | None = None) -> str:
        revision = self.next_revision()
        uid = f"event{len(self.events) + 1}"
        item: Json = {
            "metadata": {
                "name": uid,
                "namespace": KEY.namespace,
                "uid": uid,
                "resourceVersion": str(revision),
                "creationTimestamp": whole_second(self.clock).isoformat(),
            },
            "spec": {"workflowId": KEY.name, "eventName": event_name},
        }
        if run_uid:
            item["spec"]["runUid"] = run_uid
        self.events[uid] = EventRecord(item, revision)
        self.event_log.append(("ADDED", item))
        return uid

    def delete_event(self, uid: str) -> None:
        record = self.events[uid]
        if not record.exists:
            return
        record.exists = False
        gone = self._revised(record.item)
        if record.phase == "Pending":
            self.event_log.append(("DELETED", gone))

    def touch_event(self, uid: str, *, watched: bool) -> None:
        record = self.events[uid]
        if not record.waits:
            return
        record.touched = True
        record.may_move = record.may_move or not watched
        record.item = self._revised(record.item)
        self.event_log.append(("MODIFIED", record.item))

    # what operators do

    def put_run_status(self, uid: str, version: str, status: RunStatus) -> WorkflowRun:
        run = self._current_run(uid, version)
        self._check_write(run, status)
        again = RunStatus.model_validate(status.to_json())
        require(again == status, "What is written is read back as it was decided upon")
        self._store_run(self._changed().model_copy(update={"status": status}))
        assert self.run is not None
        return self.run

    def put_finalizers(
        self, uid: str, version: str, finalizers: tuple[str, ...]
    ) -> WorkflowRun | None:
        run = self._current_run(uid, version)
        if run.deleting and not finalizers:
            self._check_let_go(run)
            self._remove_run()
            return None
        self._store_run(self._changed(finalizers=finalizers))
        return self.run

    def put_event_status(self, uid: str, version: str, status: Json) -> Json:
        record = self.events[uid]
        if not record.exists:
            raise RefusalError("404")
        if record.item["metadata"]["resourceVersion"] != version:
            raise RefusalError("409")
        self._check_event_write(record, status)
        if status == record.item.get("status"):
            return record.item
        waited = record.waits
        record.item = {**self._revised(record.item), "status": status}
        if waited:
            self.event_log.append(("MODIFIED" if record.waits else "DELETED", record.item))
        return record.item

    def expire_run(self, uid: str, version: str) -> None:
        run = self._current_run(uid, version)
        self._check_expiry(run)
        self.delete_run()

    def trim_events(self, run_uid: str, through: int) -> None:
        """Remove what a list shows as settled by a run, up to a sequence."""
        for record in self.events.values():
            status = record.item.get("status", {})
            of_run = status.get("runUid") == run_uid and status.get("sequence")
            if record.exists and record.phase != "Pending" and of_run and of_run <= through:
                self._check_trim(record)
                record.exists = False

    def purge_events(self) -> None:
        for record in self.events.values():
            if record.exists and record.phase != "Pending":
                record.exists = False

    def list_events(self) -> tuple[list[Json], int]:
        waiting = [record.item for record in self.events.values() if record.waits]
        return waiting, self.revision

    def forget_places(self) -> None:
        """An operator starts: what was touched, and its place not kept yet, may move back."""
        for record in self.events.values():
            if record.waits and record.touched and "place" not in record.item.get("status", {}):
                record.may_move = True

    # inside

    def _current_run(self, uid: str, version: str) -> WorkflowRun:
        if self.run is None:
            raise RefusalError("404")
        if self.run.metadata.uid != uid or self.run.metadata.resource_version != version:
            raise RefusalError("409")
        return self.run

    def _changed(self, **fields: Any) -> WorkflowRun:
        assert self.run is not None
        fields["resource_version"] = str(self.next_revision())
        metadata = self.run.metadata.model_copy(update=fields)
        return self.run.model_copy(update={"metadata": metadata})

    def _store_run(self, run: WorkflowRun) -> None:
        self.run, uid = run, run.metadata.uid
        self.surplus_ever[uid] = max(self.surplus_ever.get(uid, 0), surplus_through(run))
        self.run_log.append((int(run.metadata.resource_version), run.metadata.uid, run))

    def _remove_run(self) -> None:
        assert self.run is not None
        self.run_log.append((self.next_revision(), self.run.metadata.uid, None))
        self.run = None

    def _revised(self, item: Json) -> Json:
        item = copy.deepcopy(item)
        item["metadata"]["resourceVersion"] = str(self.next_revision())
        return item

    # the ledger: invariants, by their number in the design

    def _check_write(self, run: WorkflowRun, new: RunStatus) -> None:
        old = run.status
        consumed = _consumed(old, new)
        if not consumed and new.commits == old.commits:
            require(new.store == old.store, "4: the store changed without a commit")
            return
        moved = new.commits - old.commits
        require(moved == 1 or 1 < moved == len(consumed), "4: `commits` moves with each outcome")
        require(not old.phase.finished or old.phase is new.phase, "4: a finished run changed")
        for each in consumed:
            self._check_consumption(run, each)
        self._check_outbox(old, new)
        self._check_store(run, new)
        self._check_wait_end(run, new, consumed)
        self._check_end(run, new)

    def _check_consumption(self, run: WorkflowRun, each: Consumption) -> None:
        everything = [past.uid for pasts in self.consumed.values() for past in pasts]
        require(each.uid not in everything, f"4: {each.uid} is committed a second time")
        record = self.events[each.uid]
        mine = self.consumed.setdefault(run.metadata.uid, [])
        if not record.may_move:
            places = [
                self.events[past.uid].created_revision
                for past in mine
                if not self.events[past.uid].may_move
            ]
            require(
                record.created_revision > max(places, default=0),
                f"2: {each.uid} is committed behind an event that came after it",
            )
            self._check_overtaken(record, mine)
        wants = record.item["spec"].get("runUid")
        if wants not in {None, run.metadata.uid}:
            require(each.phase is EventPhase.REJECTED, f"1: {each.uid} is another run's")
        if each.reason == "UnknownEvent":
            known = record.item["spec"]["eventName"] in KNOWN_EVENTS
            require(not known, f"8: {each.uid} is rejected although a handler takes it")
        mine.append(each)

    def _check_overtaken(self, record: EventRecord, mine: list[Consumption]) -> None:
        """An event that waits and came before may not be passed by."""
        taken = {past.uid for past in mine}
        for other in self.events.values():
            earlier = other.created_revision < record.created_revision
            passed = earlier and other.waits and other.uid not in taken and not other.may_move
            require(not passed, f"2: {record.uid} is committed before {other.uid}, which waits")

    def _check_outbox(self, old: RunStatus, new: RunStatus) -> None:
        kept = {entry.uid for entry in new.settled}
        for entry in old.settled:
            waits = self.events[entry.uid].waits
            require(entry.uid in kept or not waits, f"1: {entry.uid} left the outbox unsettled")
        require(len(new.settled) <= 65, "1: the outbox is over its limit")

    def _check_store(self, run: WorkflowRun, new: RunStatus) -> None:
        processed = [
            f"{run.metadata.uid}/{each.uid}"
            for each in self.consumed.get(run.metadata.uid, [])
            if each.phase is EventPhase.PROCESSED
        ]
        require(
            new.store.get("handled", []) == processed,
            f"4: the store says {new.store.get('handled')}, the commits say {processed}",
        )

        made_by = new.store.get("run", run.metadata.uid)
        require(made_by == run.metadata.uid, f"4: an outcome of {made_by} is committed")

    def _check_wait_end(
        self, run: WorkflowRun, new: RunStatus, consumed: list[Consumption]
    ) -> None:
        wait = run.status.wait
        if wait is None or wait.deadline is None or self.clock_went_back:
            return
        in_time = [
            record.uid
            for record in self.events.values()
            if record.waits
            and record.created <= wait.deadline
            and record.uid not in {past.uid for past in self._all_consumed()}
        ]
        timed_out = new.step is not None and new.step.name == wait.timeout_step
        if timed_out and not consumed:
            require(whole_second(self.clock) > wait.deadline, "7: a timeout fires too early")
            require(not in_time, f"7: a timeout beats {in_time}, created before the deadline")
        late = [
            each.uid
            for each in consumed
            if self.events[each.uid].created > wait.deadline
            and each.reason in {"Handled", "UnknownEvent"}
        ]
        require(not late, f"7: {late} came after the deadline and ended or used its wait")

    def _check_end(self, run: WorkflowRun, new: RunStatus) -> None:
        """People end runs by their spec, and by nothing else than what it says at that moment."""
        if run.status.phase.finished:
            return
        asked = {RunPhase.CANCELLED: run.spec.cancel, RunPhase.TERMINATED: run.spec.terminate}
        require(asked.get(new.phase, True), f"D: the run is {new.phase}, which nobody asks for")
        if run.spec.terminate and not run.deleting:
            ended = new.phase is RunPhase.TERMINATED
            require(ended, "D: an outcome is committed, the run was to be terminated")
        if new.phase is RunPhase.TIMED_OUT:
            timeout, created = run.spec.workflow.timeout, run.metadata.creation_timestamp
            require(timeout and created, "D: a run without a timeout times out")
            if timeout and created and not self.clock_went_back:
                past = whole_second(self.clock) > created + timeout
                require(past, "D: a run times out in its time")

    def _all_consumed(self) -> list[Consumption]:
        return [each for pasts in self.consumed.values() for each in pasts]

    def _check_event_write(self, record: EventRecord, status: Json) -> None:
        new = status.get("phase", "Pending")
        if record.phase != "Pending":
            require(new == record.phase, f"1: {record.uid} has two final phases")
            return
        if new == "Pending":
            return
        fates = [each for each in self._all_consumed() if each.uid == record.uid]
        if status["reason"] == "RunGone" and not fates:
            wants = record.item["spec"].get("runUid")
            alive = self.run.metadata.uid if self.run else None
            require(wants not in {None, alive}, f"1: {record.uid} is rejected, its run is there")
            return
        require(fates, f"1: {record.uid} is settled as {new}, but no commit consumed it")
        same = fates[0].phase.value == new and fates[0].reason == status["reason"]
        require(same, f"1: {record.uid} is settled as {new}, its commit says {fates[0].phase}")

    def _check_expiry(self, run: WorkflowRun) -> None:
        finished, ttl = run.status.finished_at, run.spec.ttl_seconds_after_finished
        require(run.status.phase.finished and finished, "K: an active run is deleted")
        require(ttl is not None, "K: a run is deleted that is to stay")
        if finished and ttl is not None and not self.clock_went_back:
            in_time = self.clock >= finished + timedelta(seconds=ttl)
            require(in_time, "K: a run is deleted before its time is over")

    def _check_trim(self, record: EventRecord) -> None:
        status = record.item["status"]
        surplus = self.surplus_ever.get(status["runUid"], 0)
        kept = status["sequence"] > surplus
        require(not kept, f"K: {record.uid} is removed, and was always to be kept")

    def _check_let_go(self, run: WorkflowRun) -> None:
        for entry in run.status.settled:
            waits = self.events[entry.uid].waits
            require(not waits, f"1: the run goes while {entry.uid} is not settled")

    # for the end of a test

    def surplus(self) -> list[str]:
        """Settled events of the run beyond those that it keeps."""
        if self.run is None:
            return []
        through, uid = surplus_through(self.run), self.run.metadata.uid
        return [
            record.uid
            for record in self.events.values()
            if record.exists
            and record.item.get("status", {}).get("runUid") == uid
            and record.item["status"].get("sequence", through + 1) <= through
        ]

    def advance(self, seconds: float) -> None:
        self.clock += timedelta(seconds=seconds)


def surplus_through(run: WorkflowRun) -> int:
    """Up to which sequence a run's settled events are too many."""
    keep = run.spec.keep_events
    return run.status.events.total - (KEPT if keep is None else keep)


def _consumed(old: RunStatus, new: RunStatus) -> list[Consumption]:
    """Say which events a write consumes: by the sequence numbers that it gives."""
    last = old.events.total
    fresh = [entry for entry in new.settled if (entry.sequence or 0) > last]
    fresh.sort(key=lambda entry: entry.sequence or 0)
    numbers = [entry.sequence for entry in fresh]
    require(
        numbers == list(range(last + 1, new.events.total + 1)), f"4: gaps in sequence: {numbers}"
    )
    return [Consumption(entry.uid, entry.phase, entry.reason) for entry in fresh]

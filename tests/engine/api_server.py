"""The API server of the stateful test: its objects, and the logs of the two watches.

One workflow id is enough: runs of different ids share nothing. Every write is checked against the
invariants at once (`checks`), by what the API server itself knows.
"""

import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from grctl.models import FINALIZER, RunStatus, WorkflowRun
from grctl.models.meta import ObjectMeta
from grctl.models.run import RunSpec, WorkflowSpec
from grctl.models.salvage import contradiction
from grctl.models.wire import Catalogue, Outcome
from grctl_operator.engine.observation import Event, Key, whole_second
from grctl_operator.engine.retention import DEFAULT_KEPT_EVENTS_COUNT
from tests.engine import checks
from tests.engine.checks import Consumption, require
from tests.engine.task_world import TaskWorld

Json = dict[str, Any]
KEY = Key("ns", "order")
START = datetime(2026, 1, 1, tzinfo=UTC)


class RefusalError(Exception):
    """The API server refused a write: 409 or 404."""


@dataclass
class EventRecord:
    """An event, and what the test knows of it beyond its object."""

    item: Json
    created_revision: int
    touched: bool = False
    may_move: bool = False
    """Whether it was changed before each operator had seen it: then its place is not promised."""
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

    @property
    def event(self) -> Event:
        """The event as an operator would know it."""
        return Event(
            uid=self.uid,
            name=self.uid,
            event_name=self.item["spec"]["eventName"],
            created=self.created,
            place=self.created_revision,
            run_uid=self.item["spec"].get("runUid"),
        )


@dataclass
class ApiServer:
    """The API server."""

    clock: datetime = START
    revision: int = 0
    run: WorkflowRun | None = None
    events: dict[str, EventRecord] = field(default_factory=dict)
    """By uid, with those that were deleted."""
    run_log: list[tuple[int, str, WorkflowRun | None]] = field(default_factory=list)
    """Revision, uid, the run; None: deleted."""
    event_log: list[tuple[str, Json]] = field(default_factory=list)
    """The watch with the selector of unsettled events: a settled one leaves it as DELETED."""
    consumed: dict[str, list[Consumption]] = field(default_factory=dict)
    """By uid of the run, in the order of commits."""
    names: dict[str, set[str]] = field(default_factory=dict)
    """By uid of the run: the event names that its status has ever known."""
    begun: set[str] = field(default_factory=set)
    """Uids of the events that a worker has been given."""
    refusals: dict[str, list[Catalogue]] = field(default_factory=dict)
    """By uid of an event: the versions of the workflow that refused its payload."""
    committed: set[str] = field(default_factory=set)
    """Executions whose outcomes were committed."""
    clock_went_back: bool = False
    behind: timedelta = timedelta()
    """How far the clock has stepped back in all."""
    surplus_ever: dict[str, int] = field(default_factory=dict)
    """By uid of the run: up to which sequence its settled events could be removed at some time."""
    runs_created: int = 0
    run_timeout: timedelta | None = None
    """The timeout of the runs that are created."""
    chooses: bool = False
    """Whether handlers return waits that do not take every event."""
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    """The outcomes that were made, by their executions."""
    tasks: TaskWorld | None = None
    """What the tasks of handlers do; None if no handler has any."""

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
        if self.tasks is not None:
            self.tasks.check_write(run, status)
        checks.check_write(self, run, status)
        again = RunStatus.model_validate(status.to_json())
        require(again == status, "What is written is read back as it was decided upon")
        self._store_run(self._changed().model_copy(update={"status": status}))
        told = contradiction(self.run) if self.run else None
        require(told is None, f"What is written does not contradict itself: {told}")
        assert self.run is not None
        if self.tasks is not None:
            self.tasks.on_write(run.status, self.run)
        return self.run

    def put_finalizers(
        self, uid: str, version: str, finalizers: tuple[str, ...]
    ) -> WorkflowRun | None:
        run = self._current_run(uid, version)
        if run.deleting and not finalizers:
            checks.check_let_go(self, run)
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
        checks.check_event_write(self, record, status)
        if status == record.item.get("status"):
            return record.item
        waited = record.waits
        record.item = {**self._revised(record.item), "status": status}
        if waited:
            self.event_log.append(("MODIFIED" if record.waits else "DELETED", record.item))
        return record.item

    def expire_run(self, uid: str, version: str) -> None:
        run = self._current_run(uid, version)
        checks.check_expiry(self, run)
        self.delete_run()

    def trim_events(self, run_uid: str, through: int) -> None:
        """Remove the events that a run settled, up to a sequence."""
        for record in self.events.values():
            status = record.item.get("status", {})
            of_run = status.get("runUid") == run_uid and status.get("sequence")
            if record.exists and record.phase != "Pending" and of_run and of_run <= through:
                checks.check_trim(self, record)
                record.exists = False

    def purge_events(self) -> None:
        for record in self.events.values():
            if record.exists and record.phase != "Pending":
                record.exists = False

    def list_events(self) -> tuple[list[Json], int]:
        waiting = [record.item for record in self.events.values() if record.waits]
        return waiting, self.revision

    def forget_places(self) -> None:
        """Note that an operator starts: a changed event without a kept place may move back."""
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

    def first_taken(self) -> str | None:
        """Return the event that ends the present wait; None if no event does, or it is not sure."""
        wait = self.run.status.wait if self.run else None
        if wait is None:
            return "a step"
        past = {each.uid for pasts in self.consumed.values() for each in pasts}
        waiting = [each for each in self.events.values() if each.waits and each.uid not in past]
        if self.clock_went_back or any(each.may_move for each in waiting):
            return None
        for each in sorted(waiting, key=lambda record: record.created_revision):
            taken = wait.events is None or each.event.event_name in wait.events
            if taken and (wait.deadline is None or each.created <= wait.deadline):
                return each.uid
        return None

    # for the end of a test

    def surplus(self) -> list[str]:
        """Return the settled events of the run beyond those that it keeps."""
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

    def step_back(self, by: timedelta) -> None:
        """Set the clock back, as a person does who corrects it. No time passes by it."""
        self.clock -= by
        self.behind += by
        self.clock_went_back = True

    def advance(self, seconds: float) -> None:
        self.clock += timedelta(seconds=seconds)


def surplus_through(run: WorkflowRun) -> int:
    """Return up to which sequence a run's settled events may be removed."""
    keep = run.spec.keep_events
    return run.status.events.total - (DEFAULT_KEPT_EVENTS_COUNT if keep is None else keep)

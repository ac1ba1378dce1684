"""What the engine is told in tests, in few words: runs, their events, workers and what they hold.

All moments are of one day: the run is created at 09:00 and waits since 10:00; `at` returns others.
A view of events may be trusted fully unless a test says otherwise.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, TypeVar

from grctl.models import (
    FINALIZER,
    Complete,
    EventPhase,
    Fail,
    HandlerKind,
    NextStep,
    RunError,
    RunPhase,
    RunSpec,
    RunStatus,
    Step,
    Wait,
    WaitForEvent,
    WorkflowRun,
    WorkflowSpec,
)
from grctl.models.meta import ObjectMeta
from grctl.models.run import Settlement
from grctl.models.wire import (
    Catalogue,
    Execution,
    Failed,
    OfferedHandler,
    Outcome,
    Refused,
    Succeeded,
)
from grctl_operator.engine import (
    Decision,
    Effect,
    Event,
    Events,
    Executions,
    Held,
    Listing,
    WorkerPresence,
    decide,
)
from grctl_operator.engine.observation import LONG_AGO, Blockage

E = TypeVar("E", bound=Effect)
AnyDirective = WaitForEvent | NextStep | Complete | Fail

DAY = date(2026, 11, 23)


def at(clock: str) -> datetime:
    """Return a moment of the tests' day: `12:00`, `12:00:01`, `12:00:00.250`."""
    return datetime.combine(DAY, time.fromisoformat(clock), UTC)


NOON = at("12:00")
RUN_UID = "run-1"


# runs


def new_run(*, held: bool = True, status: RunStatus | None = None, **spec: Any) -> WorkflowRun:
    """A run of which nothing has run. `spec`: cancel, terminate, and timeout of the workflow."""
    workflow = WorkflowSpec(type="Order", timeout=spec.pop("timeout", None))
    metadata = ObjectMeta(
        name="order",
        namespace="shop",
        uid=RUN_UID,
        resource_version="100",
        generation=1,
        creation_timestamp=at("09:00"),
        finalizers=(FINALIZER,) if held else (),
    )
    return WorkflowRun(
        metadata=metadata, spec=RunSpec(workflow=workflow, **spec), status=status or RunStatus()
    )


def waiting_run(
    *,
    deadline: datetime | None = None,
    timeout_step: str | None = None,
    takes: Sequence[str] | None = None,
    commits: int = 3,
    settled: Sequence[Settlement] = (),
    step: Step | None = None,
    held: bool = True,
    status: dict[str, Any] | None = None,
    **spec: Any,
) -> WorkflowRun:
    """A run that waits for an event since 10:00, and knows those of `worker()`.

    `takes`: the names of the events that its wait takes; all if not given.
    """
    names = None if takes is None else tuple(takes)
    wait = Wait(since=at("10:00"), deadline=deadline, timeout_step=timeout_step, events=names)
    fields = {"phase": RunPhase.WAIT_EVENT, "wait": wait, "step": step, "settled": tuple(settled)}
    fields["event_names"] = ("approve", "reject")
    return new_run(held=held, status=_committed(commits, **fields | (status or {})), **spec)


def stepping_run(
    name: str = "ship",
    *,
    attempt: int = 1,
    since: datetime | None = None,
    status: dict[str, Any] | None = None,
    **spec: Any,
) -> WorkflowRun:
    """A run whose next handler is a committed step."""
    step = Step(name=name, kind=HandlerKind.STEP, attempt=attempt, since=since or at("10:00"))
    fields = {"phase": RunPhase.RUNNING, "step": step}
    return new_run(status=_committed(3, **fields | (status or {})), **spec)


def finished_run(
    phase: RunPhase = RunPhase.COMPLETED, *, ttl: int | None = None, **status: Any
) -> WorkflowRun:
    """A run that finished at 11:00. `ttl`: for how many seconds it stays."""
    fields = {"phase": phase, "finished_at": at("11:00")} | status
    return new_run(status=_committed(3, **fields), ttl_seconds_after_finished=ttl)


def _committed(commits: int, **fields: Any) -> RunStatus:
    fields = {"for_uid": RUN_UID, "last_execution": "before", "started_at": at("10:00")} | fields
    return RunStatus(commits=commits, **fields)


def deleted(run: WorkflowRun) -> WorkflowRun:
    """The same run after somebody deleted it."""
    return with_metadata(run, deletion_timestamp=at("11:58"))


def with_metadata(run: WorkflowRun, **fields: Any) -> WorkflowRun:
    return run.model_copy(update={"metadata": run.metadata.model_copy(update=fields)})


def with_status(run: WorkflowRun, **fields: Any) -> WorkflowRun:
    return run.model_copy(update={"status": run.status.model_copy(update=fields)})


def with_input(run: WorkflowRun, value: Any) -> WorkflowRun:
    workflow = run.spec.workflow.model_copy(update={"input": value})
    return run.model_copy(update={"spec": run.spec.model_copy(update={"workflow": workflow})})


def written(run: WorkflowRun, decision: Decision) -> WorkflowRun:
    """The run after the decision's status was written."""
    assert decision.status is not None
    version = str(int(run.metadata.resource_version) + 1)
    run = with_metadata(run, resource_version=version)
    return run.model_copy(update={"status": decision.status})


def shown(run: WorkflowRun, events: Events, executions: Executions, now: datetime) -> WorkflowRun:
    """The run after its view for people was written."""
    return written(run, decide(run, events, executions, now))


def settlement(event: Event, sequence: int = 1, **fields: Any) -> Settlement:
    """An entry of the outbox."""
    defaults = {"phase": EventPhase.PROCESSED, "reason": "Handled", "at": at("11:30")}
    return Settlement(uid=event.uid, name=event.name, sequence=sequence, **defaults | fields)


# events


def event(
    event_name: str,
    name: str | None = None,
    *,
    created_at: datetime | None = None,
    place: int = 1,
    payload: Any = None,
    run_uid: str | None = None,
) -> Event:
    """An event that waits, created at 11:00."""
    name = name or event_name
    return Event(
        uid=f"uid-of-{name}",
        name=name,
        event_name=event_name,
        created=created_at or at("11:00"),
        place=place,
        payload=payload,
        run_uid=run_uid,
    )


def many(event_name: str, count: int, **fields: Any) -> list[Event]:
    """As many events of one name, called `approve-1`, `approve-2` and so on."""
    return [event(event_name, f"{event_name}-{number}", **fields) for number in range(1, count + 1)]


def view(
    run: WorkflowRun,
    *waiting: Event,
    listed: bool = True,
    listed_at: datetime | None = None,
    complete: bool = True,
    orphans: Iterable[Event] = (),
    changed: Sequence[Event] = (),
    run_first_revision: int | None = None,
) -> Events:
    """What is known of the run's events, in the order given.

    Args:
        run: The run as the operator knows it.
        waiting: The unsettled events.
        listed: Whether a consistent list was taken after this version of the run was read.
        listed_at: When; 11:30 if not given.
        complete: Whether all that the run consumed is known as consumed.
        orphans: Events for which a read found no run.
        changed: Events that somebody changed, and whose place is not kept yet.
        run_first_revision: The revision in which the run was first seen; not known if not given.
    """
    uid, version = run.metadata.uid, run.metadata.resource_version
    return Events(
        by_uid={each.uid: each for each in waiting},
        complete_for=(uid, run.status.commits) if complete else None,
        listing=Listing(uid, version, listed_at or at("11:30")) if listed else None,
        orphans=frozenset(each.uid for each in orphans),
        changed=tuple(changed),
        run_first_revision=run_first_revision,
    )


# workers and what they hold


def worker(
    name: str = "w1",
    *,
    events: Sequence[str] = ("approve", "reject"),
    steps: Sequence[str] = ("ship", "remind"),
    free: int = 1,
    clear: bool | None = None,
    connected: bool = True,
    seen: datetime | None = None,
    blocked: Blockage | None = None,
) -> WorkerPresence:
    """A worker of the run's type. A connected one is seen at whatever time a test decides."""
    handlers = [
        OfferedHandler(kind=HandlerKind.START, name="start"),
        *(OfferedHandler(kind=HandlerKind.STEP, name=each) for each in steps),
        *(OfferedHandler(kind=HandlerKind.EVENT, name=each) for each in events),
    ]
    catalogue = Catalogue(type="Order", handlers=tuple(handlers))
    at_last = seen or at("23:59:59")
    is_clear = free > 0 if clear is None else clear
    return WorkerPresence(name, catalogue, connected, at_last, free, is_clear, blocked)


def executions(
    *held: Held,
    workers: Sequence[WorkerPresence] | None = None,
    other_types: Sequence[str] = (),
    accepting_since: datetime = LONG_AGO,
    all_back: bool = False,
) -> Executions:
    """What workers hold; one worker that can do everything if not given."""
    present = (worker(),) if workers is None else tuple(workers)
    return Executions(tuple(held), present, tuple(other_types), accepting_since, all_back)


def execution(
    run: WorkflowRun,
    handler: Event | str | None = None,
    execution_id: str = "e1",
    **fields: Any,
) -> Execution:
    """An execution built on the run as it is: of an event, of a step, or of the start handler."""
    described: dict[str, Any] = {"handler_kind": HandlerKind.START, "handler_name": "start"}
    if isinstance(handler, str):
        described = {"handler_kind": HandlerKind.STEP, "handler_name": handler}
    elif handler is not None:
        described = {
            "handler_kind": HandlerKind.EVENT,
            "handler_name": handler.event_name,
            "event": handler.name,
            "event_uid": handler.uid,
        }
    built: dict[str, Any] = {
        "id": execution_id,
        "namespace": run.metadata.namespace,
        "workflow_id": run.metadata.name,
        "workflow_type": run.spec.workflow.type,
        "run_uid": run.metadata.uid,
        "commits": run.status.commits,
        "base": run.status.last_execution,
    }
    return Execution(**built | described | fields)


def runs(made: Execution, worker: str = "w1", since: datetime | None = None) -> Held:
    """The execution is under way."""
    return Held(made, worker, since or at("11:59"))


def lost(made: Execution, worker: str = "w1") -> Held:
    """The execution's worker went away."""
    return Held(made, worker, at("11:59"), lost=True)


def crashed(made: Execution, worker: str = "w1") -> Held:
    """The process of the execution's worker ended, and nothing else ran there."""
    return Held(made, worker, at("11:59"), lost=True, crashed=True)


def recorded(held: Held, *, awaited: bool = False, at_: datetime | None = None, **by: Any) -> Held:
    """The execution has recorded: `by` has an entry for each task name."""
    records = {key_of(name): entry for name, entry in by.items()}
    return replace(held, records=records, recorded_at=at_ or at("11:59:59"), awaits_records=awaited)


def key_of(task: str) -> str:
    """The key of the first call of a task."""
    return f"{task}/5f3a09c2/1"


def ok(value: Any, attempts: int = 1) -> dict[str, Any]:
    """An entry: the result of a task."""
    return {"ok": value, "n": attempts, "at": "2026-11-23T11:59:59Z"}


def failing(times: int = 1, of: int = 5) -> dict[str, Any]:
    """An entry: attempts at a task failed, and it is tried again."""
    error = {"type": "ConnectionError", "message": "no answer"}
    next_at = "2026-11-23T12:04:10Z"
    return {"failed": times, "of": of, "error": error, "next": next_at, "at": next_at}


def journal(of: Event | None = None, **by: Any) -> dict[str, Any]:
    """The journal of the handler of an event, or of a step or start: an entry for each task."""
    entries = {key_of(name): entry for name, entry in by.items()}
    return {"eventUid": of.uid, "entries": entries} if of else {"entries": entries}


def brought(
    made: Execution, result: AnyDirective | Succeeded | Failed | Refused, *, lost: bool = False
) -> Held:
    """The execution came back, with a directive or another result."""
    if isinstance(result, AnyDirective):
        result = succeeded(result)
    return Held(made, "w1", at("11:59"), lost, Outcome(execution=made, result=result))


def succeeded(
    directive: AnyDirective, put: dict[str, Any] | None = None, delete: Sequence[str] = ()
) -> Succeeded:
    return Succeeded(directive=directive, put=put or {}, delete=tuple(delete))


def failed(type_: str = "ValueError", message: str = "no stock", **fields: Any) -> Failed:
    reason = fields.pop("reason", "HandlerFailed")
    return Failed(reason=reason, error=RunError(type=type_, message=message, **fields))


def refused(message: str = "amount: Input should be a valid integer") -> Refused:
    return Refused(message=message)


# decisions


def every(kind: type[E], effects: Iterable[Effect]) -> list[E]:
    """The effects of one kind."""
    return [effect for effect in effects if isinstance(effect, kind)]


def status_of(decision: Decision) -> RunStatus:
    """The status that the decision writes."""
    assert decision.status is not None
    return decision.status


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)

"""The checks of the stateful test: each write is compared with the invariants.

They use what the API server itself knows, and nothing that the engine says of itself. What can be
checked of one decision alone is checked by the code that production uses (`engine.invariants`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from grctl.models import RunStatus, WaitForEvent, WorkflowRun
from grctl.models.phases import EventPhase
from grctl.models.wire import Outcome, Succeeded
from grctl_operator.engine import Events, Listing
from grctl_operator.engine.invariants import find_violations

if TYPE_CHECKING:
    from tests.engine.api_server import ApiServer, EventRecord

Json = dict[str, Any]
KNOWN_EVENTS = ("approve", "reject")
UNKNOWN_EVENT = "aprove"
Names = tuple[str, ...] | None


class ViolationError(AssertionError):
    """An invariant does not hold. The text begins with its name."""


def require(condition: object, text: str) -> None:
    """Raise if an invariant does not hold."""
    if not condition:
        raise ViolationError(text)


@dataclass
class Consumption:
    """An event that a commit consumed."""

    uid: str
    phase: EventPhase
    reason: str


def check_write(server: "ApiServer", run: WorkflowRun, new: RunStatus) -> None:
    old = run.status
    names = server.names.setdefault(run.metadata.uid, set())
    names.update(old.event_names, old.past_event_names)
    consumed = _consumed(old, new)
    _check_invariants(server, run, new, consumed)
    if not consumed and new.commits == old.commits:
        return
    for each, takes in _with_choice(server, old, new, consumed):
        _check_consumption(server, run, each, takes)
    _check_store(server, run, new)


def _with_choice(
    server: "ApiServer", old: RunStatus, new: RunStatus, consumed: list[Consumption]
) -> Iterator[tuple[Consumption, Names]]:
    """Return what each consumed event's wait took: an outcome before it may have chosen anew."""
    takes = old.wait.events if old.wait else None
    outcomes = _outcomes_between(server, old.last_execution, new.last_execution)
    for each in consumed:
        yield each, None if new.phase.finished and each.reason == "RunFinished" else takes
        match outcomes.get(each.uid):
            case Outcome(result=Succeeded(directive=WaitForEvent(events=names))):
                takes = names


def _outcomes_between(
    server: "ApiServer", old: str | None, new: str | None
) -> dict[str | None, Outcome]:
    found: dict[str | None, Outcome] = {}
    while new is not None and new != old and (outcome := server.outcomes.get(new)):
        found[outcome.execution.event_uid] = outcome
        new = outcome.execution.base
    return found


def _check_invariants(
    server: "ApiServer", run: WorkflowRun, new: RunStatus, consumed: list[Consumption]
) -> None:
    """Check the write as an operator does, but by the events that the API server has."""
    by_clock = {"I7"} if server.clock_went_back else set()
    by_place = {"I2"}  # places may move: `_check_consumption` knows which
    events = _true_events(server, run, {each.uid for each in consumed})
    for violation in find_violations(run, new, events, server.clock):
        if violation.invariant not in by_clock | by_place:
            raise ViolationError(str(violation))


def _true_events(server: "ApiServer", run: WorkflowRun, consumed: set[str]) -> Events:
    """Return the events that wait for a run, with those that a write consumes.

    An event may be withdrawn between a decision and its write.
    """
    earlier = {
        past.uid
        for uid, pasts in server.consumed.items()
        for past in pasts
        if uid != run.metadata.uid
    }
    records = [
        record
        for record in server.events.values()
        if record.uid not in earlier and (record.waits or record.uid in consumed)
    ]
    uid, commits = run.metadata.uid, run.status.commits
    return Events(
        by_uid={record.uid: record.event for record in records},
        complete_for=(uid, commits),
        listing=Listing(uid, run.metadata.resource_version, server.clock),
    )


def _check_consumption(
    server: "ApiServer", run: WorkflowRun, each: Consumption, takes: Names
) -> None:
    everything = [past.uid for pasts in server.consumed.values() for past in pasts]
    require(each.uid not in everything, f"I4 (one commit): {each.uid} is committed a second time")
    record = server.events[each.uid]
    waits = record.phase == "Pending" or each.reason == "RunGone"
    require(
        waits, f"I1 (no loss): {each.uid} is consumed, and was rejected before for want of a run"
    )
    mine = server.consumed.setdefault(run.metadata.uid, [])
    if not record.may_move:
        places = [
            server.events[past.uid].created_revision
            for past in mine
            if not server.events[past.uid].may_move
        ]
        require(
            server.chooses or record.created_revision > max(places, default=0),
            f"I2 (one order): {each.uid} is committed behind an event that came after it",
        )
        _check_overtaken(server, record, mine, takes)
    wants = record.item["spec"].get("runUid")
    if wants not in {None, run.metadata.uid}:
        require(each.phase is EventPhase.REJECTED, f"I1 (no loss): {each.uid} is another run's")
    if each.reason == "UnknownEvent":
        known = record.item["spec"]["eventName"] in server.names.get(run.metadata.uid, ())
        require(not known, f"I8 (bad input): {each.uid} is rejected although a handler takes it")
        require(
            each.uid not in server.begun,
            f"I8 (bad input): {each.uid} is unknown, but its handler began",
        )
    mine.append(each)


def _check_overtaken(
    server: "ApiServer", record: "EventRecord", mine: list[Consumption], takes: Names
) -> None:
    """Check that no event is overtaken that waits, that came before and that the wait takes."""
    taken = {past.uid for past in mine}
    for other in server.events.values():
        earlier = other.created_revision < record.created_revision
        fits = takes is None or other.event.event_name in takes
        passed = earlier and fits and other.waits and other.uid not in taken and not other.may_move
        require(
            not passed, f"I2 (one order): {record.uid} is committed before {other.uid}, which waits"
        )


def _check_store(server: "ApiServer", run: WorkflowRun, new: RunStatus) -> None:
    processed = [
        f"{run.metadata.uid}/{each.uid}"
        for each in server.consumed.get(run.metadata.uid, [])
        if each.phase is EventPhase.PROCESSED
    ]
    require(
        new.store.get("handled", []) == processed,
        f"I4 (one commit): the store says {new.store.get('handled')}, the commits say {processed}",
    )

    made_by = new.store.get("run", run.metadata.uid)
    require(made_by == run.metadata.uid, f"I4 (one commit): an outcome of {made_by} is committed")


def _all_consumed(server: "ApiServer") -> list[Consumption]:
    return [each for pasts in server.consumed.values() for each in pasts]


def check_event_write(server: "ApiServer", record: "EventRecord", status: Json) -> None:
    new = status.get("phase", "Pending")
    if record.phase != "Pending":
        require(new == record.phase, f"I1 (no loss): {record.uid} has two final phases")
        return
    if new == "Pending":
        return
    fates = [each for each in _all_consumed(server) if each.uid == record.uid]
    if status["reason"] == "RunGone" and not fates:
        wants = record.item["spec"].get("runUid")
        alive = server.run.metadata.uid if server.run else None
        require(
            wants not in {None, alive}, f"I1 (no loss): {record.uid} is rejected, its run is there"
        )
        return
    if status["reason"] == "NoSuchRun" and not fates:
        return
    require(fates, f"I1 (no loss): {record.uid} is settled as {new}, but no commit consumed it")
    same = fates[0].phase.value == new and fates[0].reason == status["reason"]
    require(
        same, f"I1 (no loss): {record.uid} is settled as {new}, its commit says {fates[0].phase}"
    )


def check_expiry(server: "ApiServer", run: WorkflowRun) -> None:
    finished, ttl = run.status.finished_at, run.spec.ttl_seconds_after_finished
    require(run.status.phase.finished and finished, "retention: an active run is deleted")
    require(ttl is not None, "retention: a run is deleted that is to stay")
    if finished and ttl is not None and not server.clock_went_back:
        in_time = server.clock >= finished + timedelta(seconds=ttl)
        require(in_time, "retention: a run is deleted before its time is over")


def check_trim(server: "ApiServer", record: "EventRecord") -> None:
    status = record.item["status"]
    surplus = server.surplus_ever.get(status["runUid"], 0)
    kept = status["sequence"] > surplus
    require(not kept, f"retention: {record.uid} is removed, and was always to be kept")


def check_let_go(server: "ApiServer", run: WorkflowRun) -> None:
    for entry in run.status.settled:
        waits = server.events[entry.uid].waits
        require(not waits, f"I1 (no loss): the run goes while {entry.uid} is not settled")


def _consumed(old: RunStatus, new: RunStatus) -> list[Consumption]:
    """Return which events a write consumes: by the sequence numbers that it gives."""
    last = old.events.total
    fresh = [entry for entry in new.settled if (entry.sequence or 0) > last]
    return [Consumption(entry.uid, entry.phase, entry.reason) for entry in fresh]

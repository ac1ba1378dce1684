"""The ledger of the stateful test: who checks each write against the invariants, by their numbers.

It goes by what the API server itself knows, and by nothing that the engine says of itself.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from grctl.models import RunStatus, WorkflowRun
from grctl.models.phases import EventPhase
from grctl_operator.engine import Events, Listing
from grctl_operator.engine.invariants import find_violations

if TYPE_CHECKING:
    from tests.engine.world import EventRecord, World

Json = dict[str, Any]
KNOWN_EVENTS = ("approve", "reject")
UNKNOWN_EVENT = "aprove"


class ViolationError(AssertionError):
    """An invariant does not hold. The text begins with its number in the design."""


def require(condition: object, text: str) -> None:
    """Hold an invariant."""
    if not condition:
        raise ViolationError(text)


@dataclass
class Consumption:
    """An event that a commit consumed."""

    uid: str
    phase: EventPhase
    reason: str


def check_write(world: "World", run: WorkflowRun, new: RunStatus) -> None:
    old = run.status
    names = world.names.setdefault(run.metadata.uid, set())
    names.update(old.event_names, old.past_event_names)
    consumed = _consumed(old, new)
    _check_invariants(world, run, new, consumed)
    if not consumed and new.commits == old.commits:
        return
    for each in consumed:
        _check_consumption(world, run, each)
    _check_store(world, run, new)


def _check_invariants(
    world: "World", run: WorkflowRun, new: RunStatus, consumed: list[Consumption]
) -> None:
    """Check the write as an operator does, but by the events that the API server has."""
    by_clock = {"I7"} if world.clock_went_back else set()
    by_place = {"I2"}  # places may move: `_check_consumption` knows which
    events = _true_events(world, run, {each.uid for each in consumed})
    for violation in find_violations(run, new, events, world.clock):
        if violation.invariant not in by_clock | by_place:
            raise ViolationError(str(violation))


def _true_events(world: "World", run: WorkflowRun, consumed: set[str]) -> Events:
    """Return what waits for a run. An event may be withdrawn between a decision and its write."""
    earlier = {
        past.uid
        for uid, pasts in world.consumed.items()
        for past in pasts
        if uid != run.metadata.uid
    }
    records = [
        record
        for record in world.events.values()
        if record.uid not in earlier and (record.waits or record.uid in consumed)
    ]
    uid, commits = run.metadata.uid, run.status.commits
    return Events(
        by_uid={record.uid: record.event for record in records},
        complete_for=(uid, commits),
        listing=Listing(uid, run.metadata.resource_version, world.clock),
    )


def _check_consumption(world: "World", run: WorkflowRun, each: Consumption) -> None:
    everything = [past.uid for pasts in world.consumed.values() for past in pasts]
    require(each.uid not in everything, f"4: {each.uid} is committed a second time")
    record = world.events[each.uid]
    waits = record.phase == "Pending" or each.reason == "RunGone"
    require(waits, f"1: {each.uid} is consumed, and was rejected before for want of a run")
    mine = world.consumed.setdefault(run.metadata.uid, [])
    if not record.may_move:
        places = [
            world.events[past.uid].created_revision
            for past in mine
            if not world.events[past.uid].may_move
        ]
        require(
            record.created_revision > max(places, default=0),
            f"2: {each.uid} is committed behind an event that came after it",
        )
        _check_overtaken(world, record, mine)
    wants = record.item["spec"].get("runUid")
    if wants not in {None, run.metadata.uid}:
        require(each.phase is EventPhase.REJECTED, f"1: {each.uid} is another run's")
    if each.reason == "UnknownEvent":
        known = record.item["spec"]["eventName"] in world.names.get(run.metadata.uid, ())
        require(not known, f"8: {each.uid} is rejected although a handler takes it")
        require(each.uid not in world.begun, f"8: {each.uid} is unknown, but its handler began")
    mine.append(each)


def _check_overtaken(world: "World", record: "EventRecord", mine: list[Consumption]) -> None:
    """An event that waits and came before may not be passed by."""
    taken = {past.uid for past in mine}
    for other in world.events.values():
        earlier = other.created_revision < record.created_revision
        passed = earlier and other.waits and other.uid not in taken and not other.may_move
        require(not passed, f"2: {record.uid} is committed before {other.uid}, which waits")


def _check_store(world: "World", run: WorkflowRun, new: RunStatus) -> None:
    processed = [
        f"{run.metadata.uid}/{each.uid}"
        for each in world.consumed.get(run.metadata.uid, [])
        if each.phase is EventPhase.PROCESSED
    ]
    require(
        new.store.get("handled", []) == processed,
        f"4: the store says {new.store.get('handled')}, the commits say {processed}",
    )

    made_by = new.store.get("run", run.metadata.uid)
    require(made_by == run.metadata.uid, f"4: an outcome of {made_by} is committed")


def _all_consumed(world: "World") -> list[Consumption]:
    return [each for pasts in world.consumed.values() for each in pasts]


def check_event_write(world: "World", record: "EventRecord", status: Json) -> None:
    new = status.get("phase", "Pending")
    if record.phase != "Pending":
        require(new == record.phase, f"1: {record.uid} has two final phases")
        return
    if new == "Pending":
        return
    fates = [each for each in _all_consumed(world) if each.uid == record.uid]
    if status["reason"] == "RunGone" and not fates:
        wants = record.item["spec"].get("runUid")
        alive = world.run.metadata.uid if world.run else None
        require(wants not in {None, alive}, f"1: {record.uid} is rejected, its run is there")
        return
    if status["reason"] == "NoSuchRun" and not fates:
        return
    require(fates, f"1: {record.uid} is settled as {new}, but no commit consumed it")
    same = fates[0].phase.value == new and fates[0].reason == status["reason"]
    require(same, f"1: {record.uid} is settled as {new}, its commit says {fates[0].phase}")


def check_expiry(world: "World", run: WorkflowRun) -> None:
    finished, ttl = run.status.finished_at, run.spec.ttl_seconds_after_finished
    require(run.status.phase.finished and finished, "K: an active run is deleted")
    require(ttl is not None, "K: a run is deleted that is to stay")
    if finished and ttl is not None and not world.clock_went_back:
        in_time = world.clock >= finished + timedelta(seconds=ttl)
        require(in_time, "K: a run is deleted before its time is over")


def check_trim(world: "World", record: "EventRecord") -> None:
    status = record.item["status"]
    surplus = world.surplus_ever.get(status["runUid"], 0)
    kept = status["sequence"] > surplus
    require(not kept, f"K: {record.uid} is removed, and was always to be kept")


def check_let_go(world: "World", run: WorkflowRun) -> None:
    for entry in run.status.settled:
        waits = world.events[entry.uid].waits
        require(not waits, f"1: the run goes while {entry.uid} is not settled")


def _consumed(old: RunStatus, new: RunStatus) -> list[Consumption]:
    """Return which events a write consumes: by the sequence numbers that it gives."""
    last = old.events.total
    fresh = [entry for entry in new.settled if (entry.sequence or 0) > last]
    return [Consumption(entry.uid, entry.phase, entry.reason) for entry in fresh]

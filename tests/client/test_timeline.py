"""The history of a run: every source in one order, and a gap wherever something is missing."""

from datetime import UTC, datetime, timedelta
from typing import Any

from grctl.client.timeline import Past, timeline
from grctl.models import HistoryItem, HistoryKind, WorkflowEvent, WorkflowRun
from grctl.models.history import MAX_HISTORY_PAYLOAD_BYTES
from grctl.models.run import HistoryEntry

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
UID = "run-1"


def at(minute: float) -> str:
    return (NOON + timedelta(minutes=minute)).isoformat()


def run(**status: Any) -> WorkflowRun:
    metadata = {"name": "order", "namespace": "shop", "uid": UID, "creationTimestamp": at(0)}
    spec = {"workflow": {"type": "Order"}}
    return WorkflowRun.model_validate({"metadata": metadata, "spec": spec, "status": status})


def entry(commit: int, minute: float, kind: str = "step", **fields: Any) -> dict[str, Any]:
    named = {"handler": "pay", "outcome": "waits for an event"}
    return {"commit": commit, "at": at(minute), "kind": kind, **named, **fields}


def sent(name: str, minute: float, payload: Any = None, **spec: Any) -> WorkflowEvent:
    return _event(name, minute, {"payload": payload, **spec}, {"phase": "Pending"})


def settled(name: str, sequence: int, minute: float, **status: Any) -> WorkflowEvent:
    fate = {"phase": "Processed", "reason": "Handled", "runUid": UID}
    number = {"sequence": sequence, "settledAt": at(minute)}
    return _event(name, minute - 1, {}, {**fate, **number, **status})


def _event(name: str, minute: float, spec: dict[str, Any], status: dict[str, Any]) -> WorkflowEvent:
    metadata = {"name": name, "uid": f"uid-{name}", "creationTimestamp": at(minute)}
    told = {"workflowId": "order", "eventName": name.partition("-")[0], **spec}
    return WorkflowEvent.model_validate({"metadata": metadata, "spec": told, "status": status})


def outboxed(name: str, sequence: int, minute: float) -> dict[str, Any]:
    fate = {"phase": "Processed", "reason": "Handled"}
    return {"uid": f"uid-{name}", "name": name, "sequence": sequence, "at": at(minute), **fate}


def history(
    of: WorkflowRun, *events: WorkflowEvent, earlier: list[HistoryEntry] | None = None
) -> list[HistoryItem]:
    past = Past(UID)
    for each in events:
        past.note(each)
    return timeline(of, past, earlier or [])


def short(items: list[HistoryItem]) -> list[str]:
    """Return each item in a word: its kind, and the number of its commit or of its event."""
    return [_short(item) for item in items]


def _short(item: HistoryItem) -> str:
    number = item.commit or (item.event and item.event.sequence) or ""
    name = item.event.name if item.event else item.handler or ""
    return f"{item.kind.value} {number} {name}".replace("  ", " ").strip()


def test_commits_and_events_are_one_list_by_commit_and_sequence() -> None:
    found = history(
        run(
            commits=4,
            startedAt=at(0),
            events={"processed": 2},
            history=[
                entry(1, 1, "start", handler="start"),
                entry(2, 2, "event", handler="approve", event="approve-1"),
                entry(3, 3),
                entry(4, 4, "event", handler="note", event="note-2", tasks="mail (2)"),
            ],
        ),
        settled("note-2", 2, 4),
        settled("approve-1", 1, 2, worker="w-1", attempts=2, startedAt=at(1.9), tasks="charge"),
    )

    assert short(found) == [
        "created",
        "start 1 start",
        "event 2 approve-1",
        "step 3 pay",
        "event 4 note-2",
    ]
    approve, note = found[2], found[4]
    assert (approve.worker, approve.attempts, approve.tasks) == ("w-1", 2, "charge")
    assert (approve.handler, approve.text) == ("approve", "waits for an event")
    assert (note.worker, note.tasks) == (None, "mail (2)")


def test_events_that_the_run_has_forgotten_are_known_by_themselves() -> None:
    events = [settled(f"note-{n}", n, n) for n in range(1, 21)]
    last = [entry(n + 1, n, "event", handler="note", event=f"note-{n}") for n in range(11, 21)]

    found = history(
        run(commits=21, startedAt=at(0), events={"processed": 20}, history=last), *events
    )

    assert [each.kind for each in found if each.kind is HistoryKind.GAP] == []
    names = [each.event.name for each in found if each.event]
    assert names == [f"note-{n}" for n in range(1, 21)]
    assert found[1].kind is HistoryKind.START
    assert (found[2].commit, found[-1].commit) == (None, 21)


def test_commits_that_neither_the_run_nor_an_event_knows_are_a_gap_where_they_were() -> None:
    events = [settled("approve-1", 1, 2), settled("note-2", 2, 9)]

    found = history(
        run(
            commits=9,
            startedAt=at(0),
            events={"processed": 2},
            history=[entry(9, 9, "event", handler="note", event="note-2")],
        ),
        *events,
    )

    assert short(found) == ["created", "start 1", "event 1 approve-1", "gap", "event 9 note-2"]
    gap = found[3]
    assert gap.missing == 6
    assert gap.text == "6 commits are not known any more of 2 to 8: steps, timeouts or rejections"


def test_events_that_know_their_commits_tell_exactly_where_a_gap_is() -> None:
    events = [settled(f"note-{n}", n, n, commit=commit) for n, commit in ((1, 2), (2, 3), (3, 6))]

    found = history(
        run(commits=7, startedAt=at(0), events={"processed": 3}, history=[entry(7, 9)]), *events
    )

    assert short(found) == [
        "created",
        "start 1",
        "event 2 note-1",
        "event 3 note-2",
        "gap",
        "event 6 note-3",
        "step 7 pay",
    ]
    assert found[4].text.startswith("2 commits are not known any more of 4 to 5")


def test_events_that_were_removed_are_a_gap_by_their_numbers() -> None:
    found = history(
        run(
            commits=6,
            startedAt=at(0),
            events={"processed": 5},
            history=[entry(6, 9, "event", handler="note", event="note-5")],
        ),
        settled("note-3", 3, 3),
        settled("note-5", 5, 9),
    )

    assert short(found) == [
        "created",
        "start 1",
        "gap",
        "event 3 note-3",
        "gap",
        "event 6 note-5",
    ]
    assert found[2].text.startswith("events 1 to 2 of this run are not known any more: removed")
    assert found[4].text.startswith("event 4 of this run is not known any more")
    assert [found[2].missing, found[4].missing] == [2, 1]


def test_a_run_whose_history_was_dropped_says_so_at_its_end() -> None:
    found = history(run(commits=7, startedAt=at(0), phase="Failed", message="Failed: large."))

    assert [each.kind for each in found[2:]] == [HistoryKind.GAP, HistoryKind.FINISHED]
    assert found[2].text.startswith("6 commits are not known any more of 2 to 7: steps,")
    assert found[-1].text == "Failed: large."


def test_an_event_in_the_outbox_is_known_with_its_payload_before_it_is_settled() -> None:
    found = history(
        run(
            commits=2,
            startedAt=at(0),
            events={"processed": 1},
            settled=[outboxed("approve-1", 1, 2)],
            history=[
                entry(1, 1, "start", handler="start"),
                entry(2, 2, "event", handler="approve", event="approve-1"),
            ],
        ),
        sent("approve-1", 1, {"by": "jane"}),
    )

    assert short(found) == ["created", "start 1 start", "event 2 approve-1"]
    assert found[-1].event is not None
    assert found[-1].event.payload == {"by": "jane"}


def test_a_consumed_event_that_was_deleted_before_it_was_settled_is_known_by_the_outbox() -> None:
    status = {"commits": 2, "startedAt": at(0), "events": {"processed": 1}}

    found = history(run(**status, settled=[outboxed("approve-1", 1, 2)]))

    assert short(found) == ["created", "start 1", "event 1 approve-1"]


def test_events_that_were_rejected_together_share_their_commit() -> None:
    fate = {"phase": "Rejected", "reason": "UnknownEvent", "message": "no handler"}
    rejection = entry(2, 5, "rejection", handler="", outcome="rejected 2 events")

    found = history(
        run(
            commits=2,
            events={"rejected": 2},
            history=[entry(1, 1, "start"), rejection],
        ),
        settled("aprove-1", 1, 5, **fate),
        settled("aprove-2", 2, 5, **fate),
    )

    assert [(each.commit, each.text) for each in found[2:]] == [
        (2, "rejected: no handler"),
        (2, "rejected: no handler"),
    ]


def test_rejections_may_explain_missing_commits_and_are_then_no_gap() -> None:
    found = history(
        run(
            commits=4,
            startedAt=at(0),
            events={"processed": 1, "rejected": 1},
            history=[entry(4, 9)],
        ),
        settled("aprove-1", 1, 2, phase="Rejected", reason="UnknownEvent"),
        settled("note-2", 2, 3),
    )

    assert short(found) == [
        "created",
        "start 1",
        "event 1 aprove-1",
        "event 2 note-2",
        "step 4 pay",
    ]


def test_a_rejection_whose_events_are_gone_is_an_entry_of_its_own() -> None:
    rejection = entry(2, 5, "rejection", handler="", event="aprove-1", outcome="rejected aprove")

    found = history(
        run(commits=2, events={"rejected": 1}, history=[entry(1, 1, "start"), rejection])
    )

    assert short(found)[:3] == ["created", "start 1 pay", "rejection 2 aprove-1"]


def test_a_name_that_was_used_twice_belongs_to_the_event_of_that_time() -> None:
    first = settled("note-x", 1, 2)
    again = settled("note-x", 2, 4)
    again = again.model_copy(
        update={"metadata": again.metadata.model_copy(update={"uid": "uid-2"})}
    )

    found = history(
        run(
            commits=3,
            events={"processed": 2},
            history=[
                entry(1, 1, "start"),
                entry(2, 2, "event", handler="note", event="note-x"),
                entry(3, 4, "event", handler="note", event="note-x"),
            ],
        ),
        first,
        again,
    )

    assert [(each.commit, each.event.uid) for each in found if each.event] == [
        (2, "uid-note-x"),
        (3, "uid-2"),
    ]


def test_waiting_events_tasks_and_the_stall_stand_at_their_times() -> None:
    stall = {"reason": "HandlerFailed", "message": "approve failed 4 times.", "since": at(8)}
    step = {"name": "approve", "kind": "event", "since": at(5), "eventUid": "uid-approve-1"}
    journal = {
        "eventUid": "uid-approve-1",
        "entries": {"charge/5f3a/1": {"failed": 2, "of": 5, "at": at(7), "next": at(9)}},
    }

    found = history(
        run(
            phase="WaitEvent",
            commits=2,
            history=[entry(1, 1, "start"), entry(2, 6)],
            step={**step, "stall": stall},
            journal=journal,
        ),
        sent("comment-1", 2),
        sent("approve-1", 5),
    )

    assert short(found) == [
        "created",
        "start 1 pay",
        "waiting comment-1",
        "waiting approve-1",
        "step 2 pay",
        "task charge",
        "held approve",
    ]
    assert [found[2].text, found[3].text] == ["waits for its turn", "is being handled"]
    assert found[5].text == "retrying, attempt 2 of 5; next attempt at 12:09:00Z (task of approve)"


def test_events_of_an_earlier_run_of_the_id_are_left_out() -> None:
    found = history(
        run(),
        settled("note-1", 1, 2, runUid="run-0"),
        sent("note-2", 3, runUid="run-0"),
        sent("note-3", 4),
    )

    assert short(found) == ["created", "waiting note-3"]


def test_a_large_payload_is_left_out_with_its_size() -> None:
    small, large = "x" * 100, "x" * MAX_HISTORY_PAYLOAD_BYTES

    found = history(run(), sent("note-1", 1, small), sent("note-2", 2, large))

    events = [each.event for each in found if each.event]
    assert [(each.payload, each.payload_bytes) for each in events] == [
        (small, 102),
        (None, MAX_HISTORY_PAYLOAD_BYTES + 2),
    ]


def test_entries_that_the_run_has_lost_meanwhile_are_kept_by_one_who_saw_them() -> None:
    earlier = [HistoryEntry.model_validate(entry(n, n)) for n in (1, 2, 3)]

    found = history(run(commits=4, history=[entry(4, 4)]), earlier=earlier)

    assert short(found) == ["created", "step 1 pay", "step 2 pay", "step 3 pay", "step 4 pay"]


def test_a_finished_run_ends_with_its_end() -> None:
    ended = {"phase": "Completed", "message": "Completed.", "finishedAt": at(5)}

    found = history(run(**ended, commits=1, history=[entry(1, 5, outcome="completed")]))

    assert short(found) == ["created", "step 1 pay", "finished"]
    assert (found[-1].at, found[-1].text) == (NOON + timedelta(minutes=5), "Completed.")

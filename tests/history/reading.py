"""Reads an object of the API as a version of a history, without our own models."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from grctl.models.phases import EventPhase, RunPhase
from tests.history.fingerprint import fingerprint
from tests.history.history import EventVersion, OutboxEntry, RunVersion

Json = dict[str, Any]


def event_version(item: Json, exists: bool) -> EventVersion:
    """Read a WorkflowEvent."""
    metadata, spec, status = item["metadata"], item["spec"], item.get("status", {})
    return EventVersion(
        uid=metadata["uid"],
        name=metadata["name"],
        workflow_id=spec["workflowId"],
        event_name=spec["eventName"],
        revision=int(metadata["resourceVersion"]),
        created=datetime.fromisoformat(metadata["creationTimestamp"]),
        fingerprint=fingerprint(spec.get("payload")),
        wanted_run=spec.get("runUid"),
        exists=exists,
        phase=EventPhase(status.get("phase", "Pending")),
        reason=status.get("reason"),
        sequence=status.get("sequence"),
        run=status.get("runUid"),
        seen=datetime.now(UTC),
    )


def run_version(item: Json, exists: bool) -> RunVersion:
    """Read a WorkflowRun."""
    metadata, status = item["metadata"], item.get("status", {})
    wait, step = status.get("wait") or {}, status.get("step") or {}
    journal = status.get("journal") or {}
    deadline = wait.get("deadline")
    return RunVersion(
        uid=metadata["uid"],
        name=metadata["name"],
        workflow_type=item["spec"]["workflow"]["type"],
        revision=int(metadata["resourceVersion"]),
        exists=exists,
        deleting="deletionTimestamp" in metadata,
        phase=RunPhase(status.get("phase", "Pending")),
        commits=status.get("commits", 0),
        last_execution=status.get("lastExecution"),
        settled=sum(status.get("events", {}).values()),
        outbox=tuple(_consumed(metadata["uid"], each) for each in status.get("settled", ())),
        payloads=tuple(status.get("store", {}).get("payloads", ())),
        deadline=datetime.fromisoformat(deadline) if deadline else None,
        wait_events=frozenset(wait["events"]) if "events" in wait else None,
        step=step.get("name"),
        step_event=step.get("eventUid"),
        attempt=step.get("attempt", 0),
        journal=tuple(_final_entries(journal.get("entries") or {})),
        journal_event=journal.get("eventUid"),
        stall=(step.get("stall") or {}).get("reason"),
        retry=item["spec"].get("retry", 0),
        observed_retry=status.get("observedRetry", 0),
    )


def _final_entries(entries: Json) -> Iterator[tuple[str, str]]:
    for key, entry in entries.items():
        if "ok" in entry:
            yield key, str(entry["ok"])
        elif "error" in entry and "failed" not in entry:
            yield key, str(entry["error"]["message"])


def _consumed(run: str, entry: Json) -> OutboxEntry:
    return OutboxEntry(
        entry["uid"], run, EventPhase(entry["phase"]), entry["reason"], entry["sequence"]
    )

"""Reads an object of the API as a version of a history, without our own models."""

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
        step=step.get("name"),
    )


def _consumed(run: str, entry: Json) -> OutboxEntry:
    return OutboxEntry(
        entry["uid"], run, EventPhase(entry["phase"]), entry["reason"], entry["sequence"]
    )

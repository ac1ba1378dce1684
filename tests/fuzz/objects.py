"""Healthy runs and events, in which fields are replaced with odd ones."""

from typing import Any

Json = dict[str, Any]


def metadata(name: str, uid: str, version: int) -> Json:
    return {
        "name": name,
        "namespace": "shop",
        "uid": uid,
        "resourceVersion": str(version),
        "generation": 1,
        "creationTimestamp": "2026-11-23T11:00:00Z",
        "labels": {"app": "a"},
        "annotations": {"note": "b"},
        "finalizers": ["grctl.dev/settle"],
        "ownerReferences": [{"kind": "Pod", "uid": "x"}],
        "managedFields": [{"manager": "kubectl", "fieldsV1": {"f:spec": {"f:payload": {}}}}],
    }


def event(name: str, version: int, run: str = "healthy") -> Json:
    return {
        "apiVersion": "grctl.dev/v1alpha1",
        "kind": "WorkflowEvent",
        "metadata": metadata(name, f"uid-{name}", version),
        "spec": {
            "workflowId": run,
            "eventName": "approve",
            "payload": {"by": "ann", "items": [1]},
            "runUid": "uid-of-a-run",
        },
        "status": {
            "phase": "Pending",
            "observedGeneration": 0,
            "place": version,
            "sequence": 1,
            "reason": "r",
            "conditions": [{"type": "Succeeded"}],
            "handler": "approve",
            "worker": "w",
            "startedAt": "2026-11-23T11:00:00Z",
            "attempts": 2,
            "tasks": "charge (2)",
        },
    }


def run(name: str, version: int) -> Json:
    step = {
        "name": "ship",
        "kind": "step",
        "attempt": 1,
        "event": "e",
        "since": "2026-11-23T11:00:00Z",
        "failures": 1,
        "misfits": 1,
        "notBefore": "2026-11-23T11:00:00Z",
        "stall": {"reason": "r", "message": "m", "since": "2026-11-23T11:00:00Z"},
    }
    journal = {
        "eventUid": "u",
        "entries": {
            "charge/0/1": {"ok": {"a": [1.5]}, "n": 2, "at": "2026-11-23T11:00:00Z"},
            "mail/0/1": {"failed": 2, "of": 5, "error": {"type": "t", "message": "m"}},
        },
    }
    settled = {
        "uid": "u",
        "name": "n",
        "phase": "Processed",
        "reason": "Handled",
        "sequence": 1,
        "at": "2026-11-23T11:00:00Z",
    }
    return {
        "apiVersion": "grctl.dev/v1alpha1",
        "kind": "WorkflowRun",
        "metadata": metadata(name, f"uid-{name}", version),
        "spec": {
            "workflow": {"type": "Order", "input": {"a": [1]}, "timeout": "24h"},
            "cancel": False,
            "terminate": False,
            "keepEvents": 10,
            "ttlSecondsAfterFinished": 10,
            "retry": 1,
        },
        "status": {
            "phase": "WaitEvent",
            "message": "Waits.",
            "observedGeneration": 1,
            "forUID": f"uid-{name}",
            "startedAt": "2026-11-23T11:00:00Z",
            "commits": 3,
            "lastExecution": "x",
            "step": step,
            "wait": {
                "since": "2026-11-23T11:00:00Z",
                "deadline": "2026-11-24T11:00:00Z",
                "events": ["approve"],
                "prompt": "Release?",
            },
            "journal": journal,
            "answers": {"summary": {"a": [1]}},
            "observedRetry": 1,
            "eventNames": ["approve"],
            "inbox": [{"name": "n", "eventName": "approve", "since": "2026-11-23T11:00:00Z"}],
            "inboxLength": 1,
            "store": {"order": {"id": 1}},
            "events": {"processed": 1, "failed": 0, "rejected": 0},
            "settled": [settled],
            "history": [
                {
                    "commit": 3,
                    "at": "2026-11-23T11:00:00Z",
                    "handler": "h",
                    "kind": "event",
                    "outcome": "o",
                }
            ],
            "result": {"a": 1},
            "error": {"type": "t", "message": "m", "stackTrace": "s"},
            "conditions": [
                {
                    "type": "Reconciling",
                    "status": "True",
                    "reason": "r",
                    "message": "m",
                    "lastTransitionTime": "2026-11-23T11:00:00Z",
                }
            ],
        },
    }

"""Manifests as a person writes them."""

from typing import Any

from grctl.models import API_VERSION

Json = dict[str, Any]


def run_manifest(name: str, workflow_type: str = "Append", **workflow: Any) -> Json:
    """Return a WorkflowRun."""
    return {
        "apiVersion": API_VERSION,
        "kind": "WorkflowRun",
        "metadata": {"name": name},
        "spec": {"workflow": {"type": workflow_type, **workflow}},
    }


def event_manifest(name: str, run: str, event_name: str = "append", payload: Any = None) -> Json:
    """Return a WorkflowEvent."""
    return {
        "apiVersion": API_VERSION,
        "kind": "WorkflowEvent",
        "metadata": {"name": name},
        "spec": {"workflowId": run, "eventName": event_name, "payload": payload},
    }
